//! M1, M2 and M3 in bytes (CH-7 to CH-13).

use wire::bytes::{Reader, Writer};

use super::chain::{self, Received};
use crate::exchange::{REQUEST_SIZE, RESPONSE_SIZE};
use crate::schedule::seal::TAG_SIZE;
use crate::{Incompatible, Malformed, Suite};

const VERSION: u16 = 1;
const NONCE_SIZE: usize = 32;
const SUITE_SLOTS: usize = 8;
const SIGNATURE_SIZE: usize = 64;
const FINISHED_SIZE: usize = 32;

/// Size of M1 in bytes (CH-7).
pub(crate) const CLIENT_HELLO_SIZE: usize = 2 + 2 * SUITE_SLOTS + NONCE_SIZE + REQUEST_SIZE;
/// Size of M2p in bytes (CH-9).
pub(crate) const SERVER_HELLO_CLEAR_SIZE: usize = 2 + NONCE_SIZE + RESPONSE_SIZE;
/// M2's plaintext fills a multiple of this (CH-10).
const SERVER_PLAINTEXT_STEP: usize = 1024;
/// Most bytes of M2's plaintext (CH-10).
pub(crate) const MAX_SERVER_PLAINTEXT: usize = 8192;
/// Size of M3's plaintext in bytes (CH-11).
pub(crate) const CLIENT_PLAINTEXT_SIZE: usize = 2048;
/// Size of M3 in bytes.
pub(crate) const CLIENT_FINISH_SIZE: usize = CLIENT_PLAINTEXT_SIZE + TAG_SIZE;

const _: () =
    assert!(CLIENT_HELLO_SIZE == 1266 && SERVER_HELLO_CLEAR_SIZE == 1154 && CLIENT_FINISH_SIZE == 2064);

/// Whether M2 can have `length` bytes.
pub(crate) fn is_server_hello_size(length: usize) -> bool {
    length.checked_sub(SERVER_HELLO_CLEAR_SIZE + TAG_SIZE).is_some_and(|plaintext| {
        plaintext > 0 && plaintext <= MAX_SERVER_PLAINTEXT && plaintext.is_multiple_of(SERVER_PLAINTEXT_STEP)
    })
}

/// What M1 says.
#[derive(Debug)]
pub(crate) struct ClientHello<'a> {
    /// The known suites among those offered, in the client's order.
    pub(crate) offered: Vec<Suite>,
    /// `dh_c | ek`.
    pub(crate) shares: &'a [u8; REQUEST_SIZE],
}

impl<'a> ClientHello<'a> {
    /// M1 for these suites; those past the eighth are left out.
    pub(crate) fn encode(suites: &[Suite], nonce: &[u8; NONCE_SIZE], shares: &[u8; REQUEST_SIZE]) -> Vec<u8> {
        let mut out = Writer::with_capacity(CLIENT_HELLO_SIZE);
        out.u16(VERSION);
        let numbers = suites.iter().map(|suite| suite.number()).chain(std::iter::repeat(0));
        for number in numbers.take(SUITE_SLOTS) {
            out.u16(number);
        }
        out.bytes(nonce).bytes(shares);
        out.into_vec()
    }

    /// Reads M1.
    ///
    /// # Errors
    /// [`Malformed::ClientHello`], or [`Incompatible::Version`], whichever rule of CH-8 it breaks.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, crate::Error> {
        let malformed = |_| Malformed::ClientHello;
        let mut reader = Reader::new(bytes);
        let version = reader.u16().map_err(malformed)?;
        // CH-6
        if version != VERSION {
            return Err(Incompatible::Version(version).into());
        }
        let mut numbers = Vec::with_capacity(SUITE_SLOTS);
        let mut ended = false;
        for _ in 0..SUITE_SLOTS {
            let number = reader.u16().map_err(malformed)?;
            if number != 0 && (ended || numbers.contains(&number)) {
                return Err(Malformed::ClientHello.into());
            }
            ended |= number == 0;
            if number != 0 {
                numbers.push(number);
            }
        }
        if numbers.is_empty() {
            return Err(Malformed::ClientHello.into());
        }
        let _nonce: &[u8; NONCE_SIZE] = reader.array().map_err(malformed)?;
        let shares = reader.array().map_err(malformed)?;
        reader.finish().map_err(malformed)?;
        Ok(Self { offered: numbers.into_iter().filter_map(Suite::from_number).collect(), shares })
    }
}

/// What M2 says in clear.
#[derive(Debug)]
pub(crate) struct ServerHello<'a> {
    /// M2p, as it was received.
    pub(crate) clear: &'a [u8],
    /// The suite taken.
    pub(crate) suite: u16,
    /// `dh_s | ct`.
    pub(crate) shares: &'a [u8; RESPONSE_SIZE],
    /// What follows, sealed.
    pub(crate) sealed: &'a [u8],
}

impl<'a> ServerHello<'a> {
    /// M2p.
    pub(crate) fn encode_clear(
        suite: Suite,
        nonce: &[u8; NONCE_SIZE],
        shares: &[u8; RESPONSE_SIZE],
    ) -> Vec<u8> {
        let mut out = Writer::with_capacity(SERVER_HELLO_CLEAR_SIZE);
        out.u16(suite.number()).bytes(nonce).bytes(shares);
        out.into_vec()
    }

    /// Splits M2.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (clear, sealed) = bytes.split_at_checked(SERVER_HELLO_CLEAR_SIZE)?;
        let mut reader = Reader::new(clear);
        let suite = reader.u16().ok()?;
        let _nonce: &[u8; NONCE_SIZE] = reader.array().ok()?;
        let shares = reader.array().ok()?;
        Some(Self { clear, suite, shares, sealed })
    }
}

/// What M2 and M3 say sealed.
#[derive(Debug)]
pub(crate) struct Proof<'a> {
    pub(crate) chain: Received<'a>,
    /// None from an anonymous client.
    pub(crate) signature: Option<&'a [u8; SIGNATURE_SIZE]>,
    pub(crate) finished: &'a [u8; FINISHED_SIZE],
}

impl<'a> Proof<'a> {
    /// M2's plaintext, padded (CH-10). The chain comes from [`chain::encode_server`], so it fits.
    pub(crate) fn encode_server(
        chain: &[u8],
        signature: &[u8; SIGNATURE_SIZE],
        finished: &[u8; FINISHED_SIZE],
    ) -> Vec<u8> {
        let mut plaintext = Vec::with_capacity(MAX_SERVER_PLAINTEXT + TAG_SIZE);
        plaintext.extend_from_slice(chain);
        plaintext.extend_from_slice(signature);
        plaintext.extend_from_slice(finished);
        plaintext.resize(plaintext.len().next_multiple_of(SERVER_PLAINTEXT_STEP), 0);
        plaintext
    }

    /// M3's plaintext, padded (CH-11).
    pub(crate) fn encode_client(chain: &[u8], signature: &[u8], finished: &[u8; FINISHED_SIZE]) -> Vec<u8> {
        let mut plaintext = Vec::with_capacity(CLIENT_FINISH_SIZE);
        plaintext.extend_from_slice(chain);
        plaintext.extend_from_slice(signature);
        plaintext.extend_from_slice(finished);
        plaintext.resize(CLIENT_PLAINTEXT_SIZE, 0);
        plaintext
    }

    /// Reads M2's plaintext.
    pub(crate) fn decode_server(plaintext: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(plaintext);
        let chain = chain::read_server(&mut reader)?;
        let signature = Some(reader.array().ok()?);
        let finished = reader.array().ok()?;
        let padding = reader.rest();
        // CH-10, CH-13
        (padding.len() < SERVER_PLAINTEXT_STEP && is_zero(padding)).then_some(Self {
            chain,
            signature,
            finished,
        })
    }

    /// Reads M3's plaintext.
    pub(crate) fn decode_client(plaintext: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(plaintext);
        let chain = chain::read_client(&mut reader)?;
        let signature = if chain.chain.0.is_empty() { None } else { Some(reader.array().ok()?) };
        let finished = reader.array().ok()?;
        is_zero(reader.rest()).then_some(Self { chain, signature, finished })
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
