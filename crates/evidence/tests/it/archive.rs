//! Takes bundles apart and puts them together again, odd ones too; written from the page, not from the product.

use std::io::Read;

use pki::sha256;

pub type Parts = Vec<(String, Vec<u8>)>;

/// The parts of a bundle, read by the `tar` library.
pub fn unpack(bundle: &[u8]) -> Parts {
    let mut archive = tar::Archive::new(bundle);
    let part = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    };
    archive.entries().unwrap().map(part).collect()
}

/// A bundle of these parts, as they are.
pub fn pack(parts: &Parts) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, body) in parts {
        out.extend_from_slice(&header(name, body.len()));
        out.extend_from_slice(body);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// A bundle of these parts with a manifest that fits them.
pub fn repack(mut parts: Parts) -> Vec<u8> {
    parts.retain(|(name, _)| name != "manifest.txt");
    let line = |(name, body): &(String, Vec<u8>)| format!("{}  {name}\n", hex::encode(sha256(body)));
    let manifest: String = parts.iter().map(line).collect();
    parts.push(("manifest.txt".to_owned(), manifest.into_bytes()));
    pack(&parts)
}

/// The bundle with one part changed, manifest and all.
pub fn with_part(bundle: &[u8], name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut parts = unpack(bundle);
    change(part(&mut parts, name));
    repack(parts)
}

pub fn part<'a>(parts: &'a mut Parts, name: &str) -> &'a mut Vec<u8> {
    &mut parts.iter_mut().find(|(found, _)| found == name).unwrap().1
}

pub fn header(name: &str, size: usize) -> [u8; 512] {
    let mut fields: Vec<u8> = name.as_bytes().to_vec();
    fields.resize(100, 0);
    fields.extend_from_slice(b"0000644\0");
    fields.extend_from_slice(b"0000000\0");
    fields.extend_from_slice(b"0000000\0");
    fields.extend_from_slice(format!("{size:011o}\0").as_bytes());
    fields.extend_from_slice(b"00000000000\0");
    fields.extend_from_slice(b"        ");
    fields.push(b'0');
    fields.resize(257, 0);
    fields.extend_from_slice(b"ustar\x0000");
    fields.resize(512, 0);
    let sum: u32 = fields.iter().copied().map(u32::from).sum();
    fields[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    fields.try_into().unwrap()
}
