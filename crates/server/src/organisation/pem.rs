//! Requests and revocation lists as PEM (RFC 7468).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Characters in a line.
const LINE: usize = 64;

/// PEM with this label.
pub fn to_pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(LINE) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The first block with this label; text around it is passed over.
pub fn from_pem(label: &str, text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let text = format!("subject\n{}", to_pem("X509 CRL", &[7; 100]));
        assert_eq!(from_pem("X509 CRL", &text), Some(vec![7; 100]));
        assert_eq!(from_pem("X509 CRL", &text.replace('\n', "\r\n")), Some(vec![7; 100]));
        assert_eq!(from_pem("CERTIFICATE", &text), None);
        assert_eq!(from_pem("X509 CRL", &text.replace("Bw", "*")), None);
    }
}
