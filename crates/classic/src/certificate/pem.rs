//! PEM as the existing programs read it: text around blocks, headers and odd line lengths are passed over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The first block with one of the labels: its label, its lines, its bytes. `None` if there is none, or it is damaged.
pub(super) fn first<'a>(text: &'a str, labels: &[&'static str]) -> Option<Block<'a>> {
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
pub(super) struct Block<'a> {
    pub label: &'static str,
    /// What stands between its two lines, headers (RFC 1421, section 4.6) included.
    pub body: &'a str,
    pub der: Zeroizing<Vec<u8>>,
}
