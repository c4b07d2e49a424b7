//! JSON as the classic programs write it and as they read it (CL-4).

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::{Formatter, Serializer};

use crate::ClassicError;

/// Writes a value with the spacing of Python's `json.dumps`: `", "` and `": "`, and other characters than ASCII as
/// `\uXXXX`.
///
/// # Errors
/// [`ClassicError::Malformed`] for a value that JSON cannot hold.
pub fn write(value: &impl Serialize) -> Result<Vec<u8>, ClassicError> {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = Serializer::with_formatter(&mut bytes, Python);
    value.serialize(&mut serializer).map_err(ClassicError::malformed)?;
    Ok(bytes)
}

/// Reads a value; what stands in the JSON and is not asked for is passed over.
///
/// # Errors
/// [`ClassicError::Malformed`].
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ClassicError> {
    serde_json::from_slice(bytes).map_err(ClassicError::malformed)
}

/// Base64 with padding, as it stands in every classic message.
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Reads base64.
///
/// # Errors
/// [`ClassicError::Malformed`].
pub fn from_base64(text: &str) -> Result<Vec<u8>, ClassicError> {
    STANDARD.decode(text.as_bytes()).map_err(|_| ClassicError::malformed("a field that is no base64"))
}

struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for unit in fragment.encode_utf16() {
            match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() => writer.write_all(&[byte])?,
                _ => write!(writer, "\\u{unit:04x}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_like_pythons() {
        let value = serde_json::json!({"a": [1, "é\u{1f600}\n\u{1}\u{7f}\"\\/"], "b": {"c": null}});
        assert_eq!(
            String::from_utf8(write(&value).unwrap()).unwrap(),
            "{\"a\": [1, \"\\u00e9\\ud83d\\ude00\\n\\u0001\u{7f}\\\"\\\\/\"], \"b\": {\"c\": null}}"
        );
    }
}
