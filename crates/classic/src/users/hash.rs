//! The password hash of the classic systems.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

/// SHA-256(salt | password), 32 bytes (CL-60). Worth as much as the password against a guesser: never shown, erased on drop.
pub struct PasswordHash(Zeroizing<[u8; 32]>);

impl PasswordHash {
    /// Hashes a password.
    pub fn compute(salt: &[u8], password: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(salt);
        context.update(password);
        let mut hash = Zeroizing::new([0; 32]);
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }

    /// A hash that was computed elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Of 64 hexadecimal digits; none if it is anything else.
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        let mut hash = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, hash.as_mut_slice()).ok()?;
        Some(Self(hash))
    }

    /// As 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_slice()))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether two are the same, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_slice(), other.0.as_slice()).is_ok()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'saltpassword' | sha256sum`
    const SALTPASSWORD: &str = "13601bda4ea78e55a07b98866d2be6be0744e3866f13c00c811cab608a28f322";

    #[test]
    fn cl60_a_hash_is_sha256_of_salt_and_password_and_shows_itself_nowhere() {
        let hash = PasswordHash::compute(b"salt", b"password");
        assert_eq!(hash.to_hex().as_str(), SALTPASSWORD);
        assert!(hash.matches(&PasswordHash::from_hex(SALTPASSWORD.to_uppercase().as_bytes()).unwrap()));
        assert!(!hash.matches(&PasswordHash::compute(b"salt", b"Password")));
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
        for wrong in
            ["", "13", &SALTPASSWORD[1..], &format!("{SALTPASSWORD}00"), &SALTPASSWORD.replace('3', "g")]
        {
            assert!(PasswordHash::from_hex(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
