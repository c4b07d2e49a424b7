//! What tells the dialects apart once messages flow.

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::ClassicError;
use crate::certificate::Certificate;
use crate::cipher::{BLOCK_LEN, CipherKey};
use crate::frame::Framing;
use crate::json::{base64, from_base64};
use crate::protocol::{Dialect, Role};
use crate::rsa::{SigningKey, VerifyingKey};

/// A text as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The initialisation vector where it travels by itself, base64.
    pub iv: Option<String>,
    /// The ciphertext, base64.
    pub ct: String,
}

impl Dialect {
    /// How it marks the end of a message (CL-3).
    pub fn framing(self) -> Framing {
        match self {
            Self::Pss | Self::Pkcs1 => Framing::Length,
            Self::Line => Framing::Line,
        }
    }

    /// The word that ends a chat.
    pub fn quit_word(self) -> &'static str {
        match self {
            Self::Pss => "!!quit",
            Self::Pkcs1 | Self::Line => "/quit",
        }
    }

    /// Whether its server answers each message by itself (CL-24).
    pub fn acknowledges(self) -> bool {
        self == Self::Pss
    }

    /// Whether a number counts before its signature is looked at (CL-23).
    pub fn counts_unverified(self) -> bool {
        self != Self::Pkcs1
    }

    /// Whether `side` goes on after a message that it refused for `fault` (CL-23).
    pub fn goes_on_after(self, fault: &ClassicError, side: Role) -> bool {
        let known = match self {
            Self::Pss => {
                matches!(fault, ClassicError::Replay | ClassicError::BadSignature | ClassicError::Decryption)
            }
            Self::Pkcs1 => false,
            Self::Line => matches!(fault, ClassicError::Replay | ClassicError::BadSignature),
        };
        known && side == Role::Server
    }

    /// Encrypts a text.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`].
    pub fn seal(self, key: &CipherKey, text: &str) -> Result<Sealed, ClassicError> {
        match self {
            Self::Pss => Ok(Sealed { iv: None, ct: base64(key.seal_cbc(text.as_bytes())?) }),
            Self::Pkcs1 => Ok(Sealed { iv: None, ct: base64(key.seal_weak_ecb(text.as_bytes())?) }),
            Self::Line => {
                let mut iv = [0; BLOCK_LEN];
                aws_lc_rs::rand::fill(&mut iv)?;
                let ct = key.cbc(&iv, text.as_bytes())?;
                Ok(Sealed { iv: Some(base64(iv)), ct: base64(ct) })
            }
        }
    }

    /// Decrypts a text.
    ///
    /// # Errors
    /// [`ClassicError::Decryption`] for a wrong size, padding or a text that is no UTF-8; [`ClassicError::Malformed`].
    pub fn open(
        self,
        key: &CipherKey,
        iv: Option<&str>,
        ct: &str,
    ) -> Result<Zeroizing<String>, ClassicError> {
        let ciphertext = from_base64(ct).map_err(|_| ClassicError::Decryption)?;
        let bytes = match self {
            Self::Pss => key.open_cbc(&ciphertext)?,
            Self::Pkcs1 => key.open_weak_ecb(&ciphertext)?,
            Self::Line => {
                let iv = from_base64(iv.ok_or_else(|| ClassicError::malformed("a message without an iv"))?)?;
                let iv = iv.try_into().map_err(|_| ClassicError::malformed("an iv that has not 16 bytes"))?;
                key.open_cbc_under(&iv, &ciphertext)?
            }
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| ClassicError::Decryption)?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// The bytes under the signature of a message: no separators between the parts (CL-23, CL-31, CL-35).
    pub fn signed_bytes(self, seqno: u64, ts: u64, ct: &str) -> Vec<u8> {
        let parts = format!("{seqno}{ts}{ct}").into_bytes();
        match self {
            Self::Pss => parts,
            Self::Pkcs1 | Self::Line => digest(&SHA256, &parts).as_ref().to_vec(),
        }
    }

    /// What stands for the sender at the end of a transcript's line, for a writer whose other side is `peer` (CL-25, CL-36).
    pub fn fingerprint(self, sender: &Certificate, peer: &Certificate) -> String {
        match self {
            Self::Pss | Self::Pkcs1 => sender.fingerprint(),
            Self::Line => {
                let hash = digest(&SHA256, base64(peer.pem()).as_bytes());
                hex::encode(hash.as_ref().split_at(8).0)
            }
        }
    }

    /// Signs.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`].
    pub fn sign(self, key: &SigningKey, bytes: &[u8]) -> Result<Vec<u8>, ClassicError> {
        match self {
            Self::Pss => key.sign_pss(bytes),
            Self::Pkcs1 | Self::Line => key.sign_pkcs1(bytes),
        }
    }

    /// Verifies a signature.
    ///
    /// # Errors
    /// [`ClassicError::BadSignature`].
    pub fn verify(self, key: &VerifyingKey, bytes: &[u8], signature: &[u8]) -> Result<(), ClassicError> {
        match self {
            Self::Pss => key.verify_pss(bytes, signature),
            Self::Pkcs1 | Self::Line => key.verify_pkcs1(bytes, signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CL-23: after a wrong padding `cianr-line` ends, so that there is one question for each key.
    #[test]
    fn servers_go_on_as_the_existing_ones() {
        for (dialect, fault, on) in [
            (Dialect::Pss, ClassicError::Replay, true),
            (Dialect::Pss, ClassicError::Decryption, true),
            (Dialect::Pss, ClassicError::malformed("no JSON"), false),
            (Dialect::Pkcs1, ClassicError::Replay, false),
            (Dialect::Pkcs1, ClassicError::BadSignature, false),
            (Dialect::Line, ClassicError::Replay, true),
            (Dialect::Line, ClassicError::BadSignature, true),
            (Dialect::Line, ClassicError::Decryption, false),
        ] {
            assert_eq!(dialect.goes_on_after(&fault, Role::Server), on, "{dialect:?}: {fault}");
            assert!(!dialect.goes_on_after(&fault, Role::Client), "{dialect:?}: {fault}");
        }
    }
}
