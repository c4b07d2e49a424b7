//! PEM (RFC 7468) as the existing programs write it, and read it: text around blocks, headers and odd line lengths are passed over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::pem::{LineEnding, encode_string};
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

/// Reads the first block with one of the labels: its label and its bytes.
///
/// # Errors
/// [`ClassicError::Malformed`] if there is none, or it is damaged.
pub fn decode(
    text: &str,
    labels: &[&'static str],
) -> Result<(&'static str, Zeroizing<Vec<u8>>), ClassicError> {
    let block = first(text, labels)
        .ok_or_else(|| ClassicError::malformed("a field that is not the PEM it should be"))?;
    Ok((block.label, block.der))
}

/// The first block with one of the labels: its label, its lines, its bytes. `None` if there is none, or it is damaged.
pub(crate) fn first<'a>(text: &'a str, labels: &[&'static str]) -> Option<Block<'a>> {
    let blocks = labels.iter().filter_map(|label| {
        let begin = format!("-----BEGIN {label}-----");
        text.find(&begin).map(|at| (at, at + begin.len(), *label))
    });
    let (_, start, label) = blocks.min()?;
    let body = text.get(start..)?;
    let body = body.get(..body.find(&format!("-----END {label}-----"))?)?;
    let mut digits = Zeroizing::new(String::with_capacity(body.len()));
    let lines = body.lines().filter(|line| !line.contains(':'));
    digits.extend(lines.flat_map(str::chars).filter(|c| !c.is_ascii_whitespace()));
    Some(Block { label, body, der: Zeroizing::new(STANDARD.decode(digits.as_bytes()).ok()?) })
}

/// One block of a PEM file.
pub(crate) struct Block<'a> {
    pub label: &'static str,
    /// What stands between its two lines, headers (RFC 1421, section 4.6) included.
    pub body: &'a str,
    pub der: Zeroizing<Vec<u8>>,
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
        let headed = text.replacen('\n', "\nProc-Type: 4\n\n", 1);
        for text in
            [text.as_str(), text.trim_end(), &text.replace('\n', "\r\n"), &format!("Bag\n{text}"), &headed]
        {
            assert_eq!(*decode(text, &["X", PUBLIC_KEY]).unwrap().1, [7; 100]);
        }
        assert!(decode(&text, &["X"]).is_err());
        for end in 0..text.len() - 1 {
            assert!(decode(&text[..end], &[PUBLIC_KEY]).is_err(), "{end}");
        }
    }
}
