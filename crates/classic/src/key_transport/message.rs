//! What goes over the wire, and the key that it is sealed with.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cipher::{BLOCK_LEN, CipherKey};
use crate::rsa::{DecryptingKey, SigningKey, VerifyingKey, seal_oaep};
use crate::{ClassicError, json, mac, pem};

const SERVER_PUB: &str = "SERVER_PUB\n";
const KEY_LEN: usize = 32;

/// The server's first and only message, without the blank line that ends it (CL-40). The key is a SubjectPublicKeyInfo, DER.
///
/// # Errors
/// None in practice.
pub fn server_key_message(public: &[u8]) -> Result<Vec<u8>, ClassicError> {
    Ok(format!("{SERVER_PUB}{}", pem::encode(pem::PUBLIC_KEY, public)?).into_bytes())
}

/// Reads the server's key off its message: a SubjectPublicKeyInfo, DER (CL-40).
///
/// # Errors
/// [`ClassicError::Malformed`] for any other message.
pub fn read_server_key(message: &[u8]) -> Result<Vec<u8>, ClassicError> {
    let text = std::str::from_utf8(message).ok().and_then(|text| text.strip_prefix(SERVER_PUB));
    let text =
        text.ok_or_else(|| ClassicError::malformed("a server's key that does not begin with SERVER_PUB"))?;
    let (_, der) = pem::decode(text, &[pem::PUBLIC_KEY])?;
    Ok(der.to_vec())
}

/// A session's key and its one initialisation vector, as the client chose them (CL-41).
pub struct SessionKey {
    key: CipherKey,
    iv: [u8; BLOCK_LEN],
}

impl SessionKey {
    /// Size of `key | iv`, in bytes.
    pub const BLOB_LEN: usize = KEY_LEN + BLOCK_LEN;

    /// A fresh one.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] without randomness.
    pub fn generate() -> Result<Self, ClassicError> {
        let mut blob = Zeroizing::new([0; Self::BLOB_LEN]);
        aws_lc_rs::rand::fill(&mut *blob)?;
        Self::from_blob(&*blob)
    }

    /// Of `key | iv`.
    ///
    /// # Errors
    /// [`ClassicError::Decryption`] for another size than [`Self::BLOB_LEN`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, ClassicError> {
        let (key, iv) = blob.split_first_chunk::<KEY_LEN>().ok_or(ClassicError::Decryption)?;
        let iv = iv.try_into().map_err(|_| ClassicError::Decryption)?;
        Ok(Self { key: CipherKey::aes_256(key), iv })
    }

    /// `key | iv`: what is sealed to the server and signed.
    pub fn blob(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.key.expose(), &self.iv].concat())
    }

    /// The blob sealed to a server's key (SubjectPublicKeyInfo, DER), as it stands in [`KeyDelivery::enc_session`].
    ///
    /// # Errors
    /// [`ClassicError::Malformed`] for a key that cannot be used.
    pub fn seal_to(&self, server: &[u8]) -> Result<String, ClassicError> {
        Ok(json::base64(seal_oaep(server, &self.blob())?))
    }

    /// Seals a text (CL-42).
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] if the library refuses.
    pub fn seal(&self, text: &str) -> Result<SealedText, ClassicError> {
        let cipher = self.key.cbc(&self.iv, text.as_bytes())?;
        Ok(SealedText {
            hmac: json::base64(mac::code(self.key.expose(), &cipher)),
            cipher: json::base64(cipher),
        })
    }

    /// Checks a message's code and opens it (CL-42).
    ///
    /// # Errors
    /// [`ClassicError::BadCode`] before anything is decrypted; [`ClassicError::Decryption`]; [`ClassicError::Malformed`] for a
    /// text that is no UTF-8.
    pub fn open(&self, sealed: &SealedText) -> Result<String, ClassicError> {
        let cipher = json::from_base64(&sealed.cipher)?;
        mac::check(self.key.expose(), &cipher, &json::from_base64(&sealed.hmac)?)?; // CL-42: before the decryption
        let text = self.key.open_cbc_under(&self.iv, &cipher)?;
        String::from_utf8(text.to_vec()).map_err(|_| ClassicError::malformed("a text that is no UTF-8"))
    }
}

/// The client's first message: the session's key on its way to the server (CL-40).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDelivery {
    /// Base64 of RSA-OAEP of the blob.
    pub enc_session: String,
    /// Base64 of the client's public key, SubjectPublicKeyInfo, PEM.
    pub client_pub: String,
    /// Base64 of RSA-PSS over the blob.
    pub client_sig: String,
}

impl KeyDelivery {
    /// Delivers a key to a server (SubjectPublicKeyInfo, DER), signed by the client.
    ///
    /// # Errors
    /// [`ClassicError::Malformed`] for a server's key that cannot be used.
    pub fn new(session: &SessionKey, server: &[u8], client: &SigningKey) -> Result<Self, ClassicError> {
        Ok(Self {
            enc_session: session.seal_to(server)?,
            client_pub: json::base64(client.public_pem()?),
            client_sig: json::base64(client.sign_pss(&session.blob())?),
        })
    }

    /// Opens the key and checks the signature over it (CL-43).
    ///
    /// # Errors
    /// [`ClassicError::Decryption`], [`ClassicError::BadSignature`]; [`ClassicError::Malformed`] for fields that cannot be read.
    pub fn open(&self, server: &DecryptingKey) -> Result<SessionKey, ClassicError> {
        let client = String::from_utf8(json::from_base64(&self.client_pub)?)
            .map_err(|_| ClassicError::malformed("a client's key that is no PEM"))?;
        let client = VerifyingKey::from_public_pem(&client)?;
        let signature = json::from_base64(&self.client_sig)?;
        let blob = server.open(&json::from_base64(&self.enc_session)?)?;
        let session = SessionKey::from_blob(&blob)?;
        client.verify_pss(&blob, &signature)?;
        Ok(session)
    }
}

/// A text under the session's key (CL-42).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedText {
    /// Base64 of the ciphertext, without the vector.
    pub cipher: String,
    /// Base64 of its code.
    pub hmac: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session() -> SessionKey {
        SessionKey::from_blob(&core::array::from_fn::<u8, 48, _>(|n| u8::try_from(n).unwrap())).unwrap()
    }

    #[test]
    fn cl40_the_servers_key_stands_between_its_words_and_three_newlines() {
        let key = DecryptingKey::generate().unwrap();
        let message = server_key_message(key.public_der()).unwrap();
        let wire = crate::frame::Framing::BlankLine.frame(&message);
        assert!(wire.starts_with(b"SERVER_PUB\n-----BEGIN PUBLIC KEY-----\n"));
        assert!(wire.ends_with(b"-----END PUBLIC KEY-----\n\n\n"));
        assert_eq!(read_server_key(&message).unwrap(), key.public_der());
        for wrong in [&message[1..], &message[..message.len() / 2], b"SERVER_PUB\n", b"\xff"] {
            assert!(matches!(read_server_key(wrong), Err(ClassicError::Malformed(_))));
        }
    }

    /// The ciphertext and code are those that OpenSSL's `enc -aes-256-cbc` and `dgst -mac HMAC` give.
    #[test]
    fn cl42_a_text_has_always_the_same_bytes() {
        let sealed = session().seal("hello").unwrap();
        assert_eq!(sealed, session().seal("hello").unwrap());
        let json = String::from_utf8(json::write(&sealed).unwrap()).unwrap();
        assert_eq!(
            json,
            "{\"cipher\": \"z1xs5KePueqzD6d3dJV0kg==\", \"hmac\": \"kCmyXROvT1iSAL4lrFCTm3uKbiRzgqEG7P7vSEsPEUo=\"}"
        );
        assert_eq!(session().open(&sealed).unwrap(), "hello");
    }

    #[test]
    fn cl42_the_code_is_checked_before_the_padding() {
        let good = session().seal("hello").unwrap();
        let mut cipher = json::from_base64(&good.cipher).unwrap();
        cipher[15] ^= 1;
        let tampered = SealedText { cipher: json::base64(&cipher), ..good.clone() };
        assert!(matches!(session().open(&tampered), Err(ClassicError::BadCode)));
        let coded = SealedText { hmac: json::base64(mac::code(session().key.expose(), &cipher)), ..tampered };
        assert!(matches!(session().open(&coded), Err(ClassicError::Decryption)));
        let none = SealedText { hmac: String::new(), ..good.clone() };
        assert!(matches!(session().open(&none), Err(ClassicError::BadCode)));
        let wrong = SealedText { hmac: "?".into(), ..good };
        assert!(matches!(session().open(&wrong), Err(ClassicError::Malformed(_))));
        let cipher = session().key.cbc(&session().iv, b"\xff").unwrap();
        let hmac = json::base64(mac::code(session().key.expose(), &cipher));
        let bytes = SealedText { cipher: json::base64(cipher), hmac };
        assert!(matches!(session().open(&bytes), Err(ClassicError::Malformed(_))));
    }

    #[test]
    fn cl43_a_delivery_opens_for_its_server_with_its_signature_alone() {
        let (server, client) = (DecryptingKey::generate().unwrap(), SigningKey::generate().unwrap());
        let delivery = KeyDelivery::new(&session(), server.public_der(), &client).unwrap();
        assert_eq!(delivery.open(&server).unwrap().blob(), session().blob());
        let other = SessionKey::generate().unwrap();
        let unsigned =
            KeyDelivery { enc_session: other.seal_to(server.public_der()).unwrap(), ..delivery.clone() };
        assert!(matches!(unsigned.open(&server), Err(ClassicError::BadSignature)));
        let short = json::base64(seal_oaep(server.public_der(), &[0; 47]).unwrap());
        let long = json::base64(seal_oaep(server.public_der(), &[0; 49]).unwrap());
        for enc_session in [short, long, json::base64([0; 256]), String::new()] {
            let damaged = KeyDelivery { enc_session, ..delivery.clone() };
            assert!(matches!(damaged.open(&server), Err(ClassicError::Decryption)));
        }
        for client_pub in ["?", "/w==", "LS0t"] {
            let damaged = KeyDelivery { client_pub: client_pub.into(), ..delivery.clone() };
            assert!(matches!(damaged.open(&server), Err(ClassicError::Malformed(_))));
        }
    }

    proptest! {
        #[test]
        fn any_message_is_read_or_refused(bytes: Vec<u8>, cipher: Vec<u8>, hmac: Vec<u8>) {
            prop_assert!(read_server_key(&bytes).is_err());
            let sealed = SealedText { cipher: json::base64(&cipher), hmac: json::base64(&hmac) };
            prop_assert!(session().open(&sealed).is_err());
        }

        #[test]
        fn what_is_sealed_opens(text: String) {
            prop_assert_eq!(session().open(&session().seal(&text).unwrap()).unwrap(), text);
        }
    }
}
