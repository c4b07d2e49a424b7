//! Signed messages: making, and checking in the order of the existing programs.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Dialect;
use crate::ClassicError;
use crate::cipher::CipherKey;
use crate::json::{self, base64, from_base64};
use crate::rsa::{SigningKey, VerifyingKey};

/// A message as it stands on the wire (CL-21, row 9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedMessage {
    /// `msg`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its number, per direction from 1.
    pub seqno: u64,
    /// When it was sent, Unix milliseconds.
    pub ts: u64,
    /// The vector, base64, in `cianr-line` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iv: Option<String>,
    /// The ciphertext, base64.
    pub ct: String,
    /// The signature, base64.
    pub sig: String,
}

impl SignedMessage {
    /// Seals and signs a text.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`].
    pub fn make(
        dialect: Dialect,
        session: &CipherKey,
        signer: &SigningKey,
        (seqno, ts): (u64, u64),
        text: &str,
    ) -> Result<Self, ClassicError> {
        let sealed = dialect.seal(session, text)?;
        let signature = dialect.sign(signer, &dialect.signed_bytes(seqno, ts, &sealed.ct))?;
        Ok(Self { kind: "msg".to_owned(), seqno, ts, iv: sealed.iv, ct: sealed.ct, sig: base64(signature) })
    }

    /// Checks number and signature. But for `cianr-pkcs1` the number counts as the last one before the signature is looked
    /// at, which the existing programs do too: one unsigned message with a high number blocks all that follow (CL-23).
    ///
    /// # Errors
    /// [`ClassicError::Replay`], [`ClassicError::BadSignature`].
    pub fn check(&self, dialect: Dialect, sender: &VerifyingKey, last: &mut u64) -> Result<(), ClassicError> {
        if self.seqno <= *last {
            return Err(ClassicError::Replay);
        }
        if dialect.counts_unverified() {
            *last = self.seqno;
        }
        let signature = from_base64(&self.sig).map_err(|_| ClassicError::BadSignature)?;
        dialect.verify(sender, &dialect.signed_bytes(self.seqno, self.ts, &self.ct), &signature)?;
        *last = self.seqno;
        Ok(())
    }

    /// Opens the text.
    ///
    /// # Errors
    /// Those of [`Dialect::open`].
    pub fn open(&self, dialect: Dialect, session: &CipherKey) -> Result<Zeroizing<String>, ClassicError> {
        dialect.open(session, self.iv.as_deref(), &self.ct)
    }

    /// Its line in a transcript, without an end (CL-25).
    pub fn line(&self, fingerprint: &str) -> String {
        format!("{}|{}|{}|{}|{fingerprint}", self.seqno, self.ts, self.ct, self.sig)
    }
}

/// The `type` of a message.
///
/// # Errors
/// [`ClassicError::Malformed`] for anything but an object with one.
pub fn kind(message: &[u8]) -> Result<String, ClassicError> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }
    json::read::<Kind>(message).map(|message| message.kind)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{KeyPair, KeySize};

    use super::*;

    /// CL-23: what a forged message with a high number does to the honest ones.
    #[test]
    fn a_number_counts_before_its_signature_but_in_cianr_pkcs1() {
        let signer = SigningKey::new(KeyPair::generate(KeySize::Rsa2048).unwrap());
        let sender = VerifyingKey::from_pkcs1(signer.public_pkcs1()).unwrap();
        let session = CipherKey::aes_128(&[7; 16]);
        for (dialect, blocked) in [(Dialect::Pss, true), (Dialect::Pkcs1, false), (Dialect::Line, true)] {
            let honest = SignedMessage::make(dialect, &session, &signer, (1, 5), "text").unwrap();
            let forged = SignedMessage { seqno: 1_000_000_000, ..honest.clone() };
            let mut last = 0;
            let outcome = forged.check(dialect, &sender, &mut last);
            assert!(matches!(outcome, Err(ClassicError::BadSignature)), "{dialect:?}");
            let outcome = honest.check(dialect, &sender, &mut last);
            assert_eq!(matches!(outcome, Err(ClassicError::Replay)), blocked, "{dialect:?}");
            assert_eq!(outcome.is_ok(), !blocked, "{dialect:?}");
        }
    }
}
