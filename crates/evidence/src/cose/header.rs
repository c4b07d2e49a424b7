//! The protected header: the labels of EV-10, of which each kind has some.

use minicbor::encode::Error as EncodeError;
use minicbor::{Decoder, Encoder};

use super::{Malformed, TYP_PREFIX};
use crate::hash::Hash;
use crate::log::TreeHead;

const ALG: i64 = 1;
const TYP: i64 = 16;
const X5T: i64 = 34;
const PAYLOAD_HASH_ALG: i64 = 258;
const PREIMAGE_CONTENT_TYPE: i64 = 259;
const ROOM: i64 = -65_537;
const SEQ: i64 = -65_538;
const TIME: i64 = -65_539;
const EPOCH: i64 = -65_540;
const CIPHERTEXT: i64 = -65_541;
const CHECKPOINT: i64 = -65_542;

const EDDSA: i64 = -8;
const SHA_256: i64 = -16;
const COMMITMENT_TYPE: &str = "application/vnd.countersign.commitment-v1+cbor";

/// A protected header without its `typ`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// SHA-256 of the signer's certificate.
    pub certificate: Hash,
    /// Whether the payload is a hash envelope's (RFC 9995) around a commitment.
    pub hash_envelope: bool,
    /// Room id.
    pub room: Option<Hash>,
    /// Number among the signer's entries in the room.
    pub seq: Option<u64>,
    /// When it was signed, Unix milliseconds.
    pub time_ms: Option<u64>,
    /// Epoch of the room.
    pub epoch: Option<u64>,
    /// SHA-256 of the ciphertext.
    pub ciphertext: Option<Hash>,
    /// A checkpoint.
    pub checkpoint: Option<TreeHead>,
}

impl Header {
    /// The dCBOR of the map, with this `typ` word.
    #[expect(clippy::expect_used, reason = "writing to a Vec cannot fail")]
    pub(super) fn encode(&self, typ: &str) -> Vec<u8> {
        let mut e = Encoder::new(Vec::with_capacity(320));
        self.write(typ, &mut e).expect("encoding to memory");
        e.into_writer()
    }

    fn write(
        &self,
        typ: &str,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), EncodeError<std::convert::Infallible>> {
        let optional = [
            self.room.is_some(),
            self.seq.is_some(),
            self.time_ms.is_some(),
            self.epoch.is_some(),
            self.ciphertext.is_some(),
            self.checkpoint.is_some(),
        ];
        let labels = 3 + 2 * u64::from(self.hash_envelope) + optional.into_iter().map(u64::from).sum::<u64>();
        e.map(labels)?.i64(ALG)?.i64(EDDSA)?.i64(TYP)?.str(&format!("{TYP_PREFIX}{typ}"))?;
        e.i64(X5T)?.array(2)?.i64(SHA_256)?.bytes(&self.certificate)?;
        if self.hash_envelope {
            e.i64(PAYLOAD_HASH_ALG)?.i64(SHA_256)?.i64(PREIMAGE_CONTENT_TYPE)?.str(COMMITMENT_TYPE)?;
        }
        if let Some(room) = &self.room {
            e.i64(ROOM)?.bytes(room)?;
        }
        for (label, value) in [(SEQ, self.seq), (TIME, self.time_ms), (EPOCH, self.epoch)] {
            if let Some(value) = value {
                e.i64(label)?.u64(value)?;
            }
        }
        if let Some(ciphertext) = &self.ciphertext {
            e.i64(CIPHERTEXT)?.bytes(ciphertext)?;
        }
        if let Some(head) = &self.checkpoint {
            e.i64(CHECKPOINT)?.array(2)?.u64(head.size)?.bytes(&head.root)?;
        }
        Ok(())
    }

    /// Reads the map. Order, repetition and encoding are for the caller to check by encoding again.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::read(bytes).ok_or(Malformed::Header)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut header = Self::default();
        let d = &mut Decoder::new(bytes);
        for _ in 0..d.map().ok()?? {
            match d.i64().ok()? {
                ALG => (d.i64().ok()? == EDDSA).then_some(())?,
                TYP => drop(d.str().ok()?),
                X5T => {
                    (d.array().ok()? == Some(2) && d.i64().ok()? == SHA_256).then_some(())?;
                    header.certificate = hash(d)?;
                }
                PAYLOAD_HASH_ALG => (d.i64().ok()? == SHA_256).then_some(())?,
                PREIMAGE_CONTENT_TYPE => {
                    header.hash_envelope = true;
                    (d.str().ok()? == COMMITMENT_TYPE).then_some(())?;
                }
                ROOM => header.room = Some(hash(d)?),
                SEQ => header.seq = Some(d.u64().ok()?),
                TIME => header.time_ms = Some(d.u64().ok()?),
                EPOCH => header.epoch = Some(d.u64().ok()?),
                CIPHERTEXT => header.ciphertext = Some(hash(d)?),
                CHECKPOINT => {
                    (d.array().ok()? == Some(2)).then_some(())?;
                    header.checkpoint = Some(TreeHead { size: d.u64().ok()?, root: hash(d)? });
                }
                _ => return None,
            }
        }
        Some(header)
    }
}

/// The word behind [`TYP_PREFIX`] in a protected header.
pub(super) fn typ(protected: &[u8]) -> Option<&str> {
    let mut d = Decoder::new(protected);
    d.map().ok()??;
    if d.i64().ok()? != ALG {
        return None;
    }
    d.i64().ok()?;
    if d.i64().ok()? != TYP {
        return None;
    }
    d.str().ok()?.strip_prefix(TYP_PREFIX)
}

fn hash(d: &mut Decoder<'_>) -> Option<Hash> {
    d.bytes().ok()?.try_into().ok()
}
