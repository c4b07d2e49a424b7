//! The recovery code (GR-30), and what comes of it.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use data_encoding::BASE32_NOPAD;
use session::limits::TOKEN_LEN;
use zeroize::Zeroizing;

use crate::ClientError;

/// Bytes of the code itself.
const CODE: usize = 16;
/// Bytes by which a slip is noticed.
const CHECK: usize = 4;
/// Characters in a group.
const GROUP: usize = 4;

const CHECK_CONTEXT: &[u8] = b"countersign v1 recovery code";
const TOKEN_CONTEXT: &[u8] = b"countersign v1 recovery token";

/// 16 secret bytes that stand on paper.
pub struct RecoveryCode(Zeroizing<[u8; CODE]>);

/// Why a text is not a recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// It has too few characters, too many, or others than codes have.
    #[error("a recovery code has 32 characters, A to Z and 2 to 7, in 8 groups")]
    Shape,
    /// A character is wrong, or two changed places.
    #[error("this is no recovery code: a character is wrong; compare it with the paper")]
    Slip,
}

impl RecoveryCode {
    pub(super) fn generate() -> Result<Self, ClientError> {
        let mut code = Zeroizing::new([0; CODE]);
        aws_lc_rs::rand::fill(code.as_mut_slice()).map_err(|_| ClientError::Cryptography)?;
        Ok(Self(code))
    }

    /// As it is written on paper.
    pub fn format(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; CODE + CHECK]);
        for (to, from) in bytes.iter_mut().zip(self.0.iter().chain(&self.check())) {
            *to = *from;
        }
        let text = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()));
        let mut grouped = Zeroizing::new(String::with_capacity(text.len() + text.len() / GROUP));
        for (at, character) in text.chars().enumerate() {
            if at > 0 && at.is_multiple_of(GROUP) {
                grouped.push('-');
            }
            grouped.push(character);
        }
        grouped
    }

    /// Reads what somebody typed.
    ///
    /// # Errors
    /// [`BadCode`].
    pub fn parse(text: &str) -> Result<Self, BadCode> {
        let mut plain = Zeroizing::new(String::with_capacity(text.len()));
        plain
            .extend(text.chars().filter(|c| *c != '-' && !c.is_whitespace()).map(|c| c.to_ascii_uppercase()));
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(plain.as_bytes()).map_err(|_| BadCode::Shape)?);
        let (code, check) = bytes.split_first_chunk::<CODE>().ok_or(BadCode::Shape)?;
        if check.len() != CHECK {
            return Err(BadCode::Shape);
        }
        let code = Self(Zeroizing::new(*code));
        if code.check() == check { Ok(code) } else { Err(BadCode::Slip) }
    }

    fn check(&self) -> [u8; CHECK] {
        let mut text = Zeroizing::new([0; CHECK_CONTEXT.len() + CODE]);
        for (to, from) in text.iter_mut().zip(CHECK_CONTEXT.iter().chain(self.0.iter())) {
            *to = *from;
        }
        pki::sha256(text.as_slice()).first_chunk().copied().unwrap_or_default()
    }

    /// The token by which the server finds the record (SE-41).
    pub(super) fn token(&self, context: &[u8]) -> Result<[u8; TOKEN_LEN], ClientError> {
        let info = [TOKEN_CONTEXT, context];
        let key = Salt::new(HKDF_SHA256, &[]).extract(self.0.as_slice());
        let mut token = [0; TOKEN_LEN];
        let expanded = key.expand(&info, Length).and_then(|expanded| expanded.fill(&mut token));
        expanded.map_err(|_| ClientError::Cryptography)?;
        Ok(token)
    }

    pub(super) fn as_bytes(&self) -> &[u8; CODE] {
        &self.0
    }
}

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// As many bytes as a token has.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        TOKEN_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GR-30
    #[test]
    fn a_code_is_read_as_it_was_written_and_a_slip_is_noticed() {
        let code = RecoveryCode(Zeroizing::new([7; CODE]));
        // `printf` of the context and 16 bytes 07 through sha256sum, and the 20 bytes through base32.
        assert_eq!(*code.format(), "A4DQ-OBYH-A4DQ-OBYH-A4DQ-OBYH-A7JJ-GZ3H");
        for text in
            [code.format().to_lowercase(), code.format().replace('-', " "), code.format().replace('-', "")]
        {
            assert_eq!(RecoveryCode::parse(&format!(" {text}\n")).unwrap().0, code.0, "{text}");
        }
        let text = code.format();
        for at in 0..text.len() {
            for other in
                ["A", "B", "7"].iter().filter(|other| **other != &text[at..=at] && &text[at..=at] != "-")
            {
                let slip = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                assert_eq!(RecoveryCode::parse(&slip).unwrap_err(), BadCode::Slip, "{slip}");
            }
            assert_eq!(RecoveryCode::parse(&text[..at]).unwrap_err(), BadCode::Shape);
        }
        for bad in ["", "0189", &"A".repeat(33), &"A".repeat(40), "ä"] {
            assert_eq!(RecoveryCode::parse(bad).unwrap_err(), BadCode::Shape, "{bad}");
        }
        assert_eq!(format!("{code:?}"), "RecoveryCode(..)");
    }

    /// SE-41
    #[test]
    fn a_token_is_of_its_code_and_user() {
        let code = RecoveryCode(Zeroizing::new([7; CODE]));
        let other = RecoveryCode(Zeroizing::new([8; CODE]));
        let token = code.token(b"alice").unwrap();
        assert_eq!(token, code.token(b"alice").unwrap());
        assert_ne!(token, code.token(b"bob").unwrap());
        assert_ne!(token, other.token(b"alice").unwrap());
    }
}
