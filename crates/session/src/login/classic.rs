//! Users of an earlier system: the hash of their password there is the password of an OPAQUE record (SE-27).

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{ClientLogin, ClientRegistration, LoginError, Parties, PasswordRecord, ServerLogin, ServerSetup};

/// SHA-256(salt | password) as 64 small hexadecimal digits. Whoever has it can guess at the password, and join as its user.
#[derive(Clone)]
pub struct ClassicHash(Zeroizing<String>);

impl std::fmt::Debug for ClassicHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClassicHash(..)")
    }
}

impl ClassicHash {
    /// Of a salt and a password.
    pub fn of(salt: &[u8], password: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(salt);
        hash.update(password.as_bytes());
        let digest: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
        Self(Zeroizing::new(hex::encode(digest.as_slice())))
    }

    /// Reads 64 hexadecimal digits, of either case.
    pub fn parse(text: &str) -> Option<Self> {
        let hexadecimal = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        hexadecimal.then(|| Self(Zeroizing::new(text.to_ascii_lowercase())))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The client's identity in a login by a classic hash.
pub fn classic_identity(salt: &[u8]) -> String {
    format!("imported {}", hex::encode(salt))
}

/// The credential identifier of the record over an account's classic hash.
pub fn imported_credential(user: &str) -> String {
    format!("imported {user}")
}

/// Makes the record over a classic hash, both sides in one. Takes the time of one Argon2id.
///
/// # Errors
/// [`LoginError`].
pub fn record_for(
    hash: &ClassicHash,
    salt: &[u8],
    user: &str,
    setup: &ServerSetup,
    root: &[u8; 32],
) -> Result<PasswordRecord, LoginError> {
    let identity = classic_identity(salt);
    let (registration, request) = ClientRegistration::start(hash.as_str())?;
    let response = setup.registration_response(&imported_credential(user), &request)?;
    let upload = registration.finish(hash.as_str(), &response, Parties { user: &identity, root })?;
    PasswordRecord::from_upload(&upload)
}

impl PasswordRecord {
    /// Whether this is the record over that classic hash and salt. Takes the time of one Argon2id.
    ///
    /// # Errors
    /// [`LoginError`], but not for another hash.
    pub fn is_for(
        &self,
        hash: &ClassicHash,
        salt: &[u8],
        user: &str,
        setup: &ServerSetup,
        root: &[u8; 32],
    ) -> Result<bool, LoginError> {
        // Nothing is sent anywhere: there is no channel to be bound to.
        const NO_CHANNEL: [u8; 32] = [0; 32];
        let identity = classic_identity(salt);
        let parties = Parties { user: &identity, root };
        let (login, ke1) = ClientLogin::start(hash.as_str())?;
        let credential = imported_credential(user);
        let challenge = ServerLogin::start_for(setup, Some(self), &credential, &ke1, parties, &NO_CHANNEL)?;
        match login.finish(hash.as_str(), &challenge.ke2, parties, &NO_CHANNEL) {
            Ok(_) => Ok(true),
            Err(LoginError::Refused) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SE-27
    #[test]
    fn a_record_over_a_classic_hash_opens_by_that_hash_salt_and_user_alone() {
        let (setup, root, salt) = (ServerSetup::generate(), [1; 32], [7; 16]);
        let hash = ClassicHash::of(&salt, "pass");
        let record = record_for(&hash, &salt, "alice", &setup, &root).unwrap();
        let opens =
            |hash: &ClassicHash, salt: &[u8], user| record.is_for(hash, salt, user, &setup, &root).unwrap();
        assert!(opens(&hash, &salt, "alice"));
        assert!(!opens(&ClassicHash::of(&salt, "Pass"), &salt, "alice"));
        assert!(!opens(&hash, &[8; 16], "alice"));
        assert!(!opens(&hash, &salt, "bob"));
    }

    #[test]
    fn a_classic_hash_is_64_hexadecimal_digits_and_does_not_show() {
        // SHA-256 of the 4 bytes 00 01 | "ab", as sha256sum says.
        let hash = ClassicHash::of(&[0, 1], "ab");
        assert_eq!(hash.as_str(), "b00d83aa80a3681841ce04d11fd2f2dbfaabc6bec196d61930c36578475e727d");
        assert_eq!(ClassicHash::parse(&hash.as_str().to_uppercase()).unwrap().as_str(), hash.as_str());
        for bad in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
            assert!(ClassicHash::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{hash:?}"), "ClassicHash(..)");
    }
}
