//! HMAC-SHA-256, and keys that are derived with it.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use zeroize::Zeroizing;

use crate::ClassicError;

/// Size of a code, in bytes.
pub const CODE_LEN: usize = 32;

/// HMAC-SHA-256 of a message (RFC 2104).
pub fn code(key: &[u8], message: &[u8]) -> [u8; CODE_LEN] {
    let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, key), message);
    let mut code = [0; CODE_LEN];
    for (to, from) in code.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    code
}

/// Compares a code with the message's own, in constant time.
///
/// # Errors
/// [`ClassicError::BadCode`].
pub fn check(key: &[u8], message: &[u8], code: &[u8]) -> Result<(), ClassicError> {
    hmac::verify(&hmac::Key::new(HMAC_SHA256, key), message, code).map_err(|_| ClassicError::BadCode)
}

/// 32 bytes by HKDF-SHA-256 without a salt (RFC 5869).
///
/// # Errors
/// [`ClassicError::Cryptography`] if the library refuses.
pub fn derive(secret: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, ClassicError> {
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, &[]).extract(secret).expand(&[info], Size)?.fill(&mut *key)?;
    Ok(key)
}

struct Size;

impl KeyType for Size {
    fn len(&self) -> usize {
        32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn codes_are_those_of_rfc_4231() {
        let code = code(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex::encode(code), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        check(b"Jefe", b"what do ya want for nothing?", &code).unwrap();
        for wrong in [&code[..31], &[0; 32], b""] {
            let checked = check(b"Jefe", b"what do ya want for nothing?", wrong);
            assert!(matches!(checked, Err(ClassicError::BadCode)));
        }
    }

    /// RFC 5869, appendix A.3: no salt, no info; the first 32 bytes.
    #[test]
    fn keys_are_those_of_rfc_5869() {
        let key = derive(&[0x0b; 22], b"").unwrap();
        assert_eq!(hex::encode(*key), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    }
}
