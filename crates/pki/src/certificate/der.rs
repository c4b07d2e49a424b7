//! The few DER elements that we write by hand.

/// `SEQUENCE`.
pub(crate) const SEQUENCE: u8 = 0x30;
/// `OBJECT IDENTIFIER`.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// `permittedSubtrees [0]` (RFC 5280, section 4.2.1.10).
pub(crate) const PERMITTED_SUBTREES: u8 = 0xa0;
/// `dNSName [2]` (RFC 5280, section 4.2.1.6).
pub(crate) const DNS_NAME: u8 = 0x82;

/// One element of fewer than 128 octets: the longest here has 98.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    let mut element = vec![tag, length];
    element.extend_from_slice(content);
    element
}
