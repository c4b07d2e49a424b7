//! PEM (RFC 7468): a labelled block of base64 in lines of 64 characters.

use pkcs8::der::pem::{LineEnding, decode_vec, encode_string};
use zeroize::Zeroizing;

use crate::ClassicError;

/// Label of a SubjectPublicKeyInfo.
pub const PUBLIC_KEY: &str = "PUBLIC KEY";

/// Writes a block. It ends in a newline.
///
/// # Errors
/// None in practice: memory is the only limit.
pub fn encode(label: &str, der: &[u8]) -> Result<String, ClassicError> {
    encode_string(label, LineEnding::LF, der).map_err(|_| ClassicError::Cryptography)
}

/// Reads the first block: its label, one of `labels`, and its bytes.
///
/// # Errors
/// [`ClassicError::Malformed`] for anything else.
pub fn decode<'l>(text: &str, labels: &[&'l str]) -> Result<(&'l str, Zeroizing<Vec<u8>>), ClassicError> {
    let (found, der) =
        decode_vec(text.as_bytes()).map_err(|_| ClassicError::malformed("a field that is no PEM"))?;
    let der = Zeroizing::new(der);
    let label = labels.iter().find(|label| **label == found);
    let label = label.ok_or_else(|| ClassicError::malformed("PEM of something else"))?;
    Ok((label, der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_as_they_are_written_and_nothing_else_is() {
        let text = encode(PUBLIC_KEY, &[7; 100]).unwrap();
        assert!(
            text.starts_with("-----BEGIN PUBLIC KEY-----\n") && text.ends_with("-----END PUBLIC KEY-----\n")
        );
        for text in [text.as_str(), text.trim_end(), &text.replace('\n', "\r\n")] {
            assert_eq!(*decode(text, &["X", PUBLIC_KEY]).unwrap().1, [7; 100]);
        }
        assert!(decode(&text, &["X"]).is_err());
        for end in 0..text.len() - 1 {
            assert!(decode(&text[..end], &[PUBLIC_KEY]).is_err(), "{end}");
        }
    }
}
