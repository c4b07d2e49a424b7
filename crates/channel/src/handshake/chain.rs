//! Certificate chains in M2 and M3 (CH-12, CH-13).

use pki::Chain;
use wire::bytes::{Reader, Writer};

use super::message::{CLIENT_PLAINTEXT_SIZE, MAX_SERVER_PLAINTEXT};
use crate::IdentityError;

/// Most certificates in the server's chain, root included.
const MAX_SERVER_COUNT: usize = 4;
/// Fewest: a leaf and the root.
const MIN_SERVER_COUNT: usize = 2;
/// Most certificates in a client's chain.
const MAX_CLIENT_COUNT: usize = 3;
/// Most bytes of the server's encoded chain: what M2 holds beside signature and finished value.
const MAX_SERVER_CHAIN: usize = MAX_SERVER_PLAINTEXT - 64 - 32;
/// Most bytes of a client's encoded chain: what M3 holds beside signature and finished value.
const MAX_CLIENT_CHAIN: usize = CLIENT_PLAINTEXT_SIZE - 64 - 32;

/// An anonymous client's chain.
pub(crate) const EMPTY: [u8; 1] = [0];

pub(crate) fn encode_server(chain: &Chain) -> Result<Vec<u8>, IdentityError> {
    encode(chain, MIN_SERVER_COUNT..=MAX_SERVER_COUNT, MAX_SERVER_CHAIN)
}

pub(crate) fn encode_client(chain: &Chain) -> Result<Vec<u8>, IdentityError> {
    encode(chain, 1..=MAX_CLIENT_COUNT, MAX_CLIENT_CHAIN)
}

/// A chain as it stands in a message: its exact bytes, and what they say.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) encoded: &'a [u8],
    pub(crate) chain: Chain,
}

/// Reads the server's chain from the front of a plaintext.
pub(crate) fn read_server<'a>(reader: &mut Reader<'a>) -> Option<Received<'a>> {
    read(reader, MAX_SERVER_CHAIN)
        .filter(|received| (MIN_SERVER_COUNT..=MAX_SERVER_COUNT).contains(&received.chain.0.len()))
}

/// Reads a client's chain, which may be empty.
pub(crate) fn read_client<'a>(reader: &mut Reader<'a>) -> Option<Received<'a>> {
    read(reader, MAX_CLIENT_CHAIN).filter(|received| received.chain.0.len() <= MAX_CLIENT_COUNT)
}

fn encode(
    chain: &Chain,
    counts: std::ops::RangeInclusive<usize>,
    limit: usize,
) -> Result<Vec<u8>, IdentityError> {
    let certificates = &chain.0;
    let count = u8::try_from(certificates.len())
        .ok()
        .filter(|_| counts.contains(&certificates.len()))
        .ok_or(IdentityError::Count(certificates.len()))?;
    let mut out = Writer::with_capacity(limit);
    out.u8(count);
    for certificate in certificates {
        if certificate.is_empty() {
            return Err(IdentityError::Size);
        }
        out.prefixed_u16(certificate).map_err(|_| IdentityError::Size)?;
    }
    if out.len() > limit {
        return Err(IdentityError::Size);
    }
    Ok(out.into_vec())
}

fn read<'a>(reader: &mut Reader<'a>, limit: usize) -> Option<Received<'a>> {
    let start = reader.rest();
    let count = reader.u8().ok()?;
    if usize::from(count) > MAX_SERVER_COUNT {
        return None;
    }
    let mut certificates = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let certificate = reader.prefixed_u16(limit).ok()?;
        if certificate.is_empty() {
            return None;
        }
        certificates.push(certificate.to_vec());
    }
    let encoded = start.get(..start.len() - reader.rest().len())?;
    (encoded.len() <= limit).then_some(Received { encoded, chain: Chain(certificates) })
}
