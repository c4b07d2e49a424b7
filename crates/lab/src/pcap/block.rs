//! Blocks of pcapng (draft-ietf-opsawg-pcapng, section 4), little-endian.

/// Block types: section header, interface description, enhanced packet.
const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// By which a reader knows the byte order.
const BYTE_ORDER: u32 = 0x1A2B_3C4D;
/// Link type of Ethernet.
const ETHERNET: u16 = 1;
/// Option codes: the end, a comment.
const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
/// Bytes of a block beside its body: type, length, length.
const AROUND: usize = 12;

/// A section and its one interface; times are in microseconds, as they are if nothing else is said.
pub(super) fn beginning() -> Vec<u8> {
    let mut file = Vec::new();
    let mut body = Vec::new();
    body.extend(BYTE_ORDER.to_le_bytes());
    body.extend([1_u16, 0].iter().flat_map(|version| version.to_le_bytes()));
    body.extend((-1_i64).to_le_bytes()); // the section's length is not known
    block(&mut file, SECTION, &body);
    let mut body = Vec::new();
    body.extend([ETHERNET, 0].iter().flat_map(|value| value.to_le_bytes()));
    body.extend(0_u32.to_le_bytes()); // packets are whole
    block(&mut file, INTERFACE, &body);
    file
}

/// Appends a packet; `at_us` is in Unix microseconds.
pub(super) fn packet(file: &mut Vec<u8>, at_us: u64, bytes: &[u8], comment: Option<&str>) {
    let [low, high] = [at_us & u64::from(u32::MAX), at_us >> 32];
    let length = bytes.len() as u64;
    let mut body = Vec::with_capacity(bytes.len() + AROUND);
    for value in [0, high, low, length, length] {
        body.extend(u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
    }
    body.extend(bytes);
    pad(&mut body);
    if let Some(comment) = comment {
        let length = u16::try_from(comment.len()).unwrap_or(u16::MAX);
        body.extend([COMMENT, length].iter().flat_map(|value| value.to_le_bytes()));
        body.extend(comment.bytes().take(usize::from(length)));
        pad(&mut body);
        body.extend([END_OF_OPTIONS, 0].iter().flat_map(|value| value.to_le_bytes()));
    }
    block(file, PACKET, &body);
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = u32::try_from(body.len() + AROUND).unwrap_or(u32::MAX).to_le_bytes();
    file.extend(kind.to_le_bytes());
    file.extend(length);
    file.extend(body);
    file.extend(length);
}

/// Fills up to 32 bits.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
