use crate::schedule::epoch::{EpochSecret, Side};
use crate::schedule::kdf::Secret;
use crate::{Error, MAX_RECORD_CONTENT, Suite};

use super::*;

const LIMITS: EpochLimits = EpochLimits::DEFAULT;

fn key(suite: Suite) -> SealKey {
    EpochSecret::first(Secret::from_bytes([5; 32])).traffic(suite, Side::Client).unwrap()
}

fn seal(suite: Suite, kind: Kind, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Sealer::new(key(suite), 3).seal(kind, content, &LIMITS, &mut out).unwrap();
    out
}

fn open(suite: Suite, frame: &[u8]) -> Result<Record, Error> {
    let mut opener = Opener::new(key(suite), 3);
    let mut reader = wire::frame::FrameReader::default();
    let frame = reader.read(&mut &frame[..], |header| opener.admit(header));
    let frame = frame
        .map_err(|error| match error {
            wire::frame::FrameError::Refused(error) => error,
            wire::frame::FrameError::UnknownType(byte) => Malformed::FrameType(byte).into(),
        })?
        .ok_or(Malformed::FrameHeader)?;
    opener.open(&frame.header, frame.body, &LIMITS)
}

/// Seals a plaintext that [`Sealer`] would not make.
fn seal_plaintext(suite: Suite, mut plaintext: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(plaintext.len() + TAG_SIZE).unwrap();
    let header = Header { frame_type: FrameType::Record, epoch: 3, length }.to_bytes();
    let tag = key(suite).seal(0, &header, &mut plaintext).unwrap();
    [&header[..], &plaintext, &tag].concat()
}

#[test]
fn what_is_sealed_opens() {
    for suite in Suite::ALL {
        for size in [0, 1, 63, 64, 65, 100, 1_000, 16_383, 16_384] {
            let content = vec![0xaa; size];
            let frame = seal(suite, Kind::Data, &content);
            let record = open(suite, &frame).unwrap();
            assert_eq!((record.kind, record.content), (Kind::Data, content));
            assert!(padding::is_class(frame.len() - HEADER_SIZE - OVERHEAD));
        }
        let mut out = b"before".to_vec();
        let refusal =
            Sealer::new(key(suite), 3).seal(Kind::Data, &vec![0; MAX_RECORD_CONTENT + 1], &LIMITS, &mut out);
        assert!(refusal.is_err());
        assert_eq!(out, b"before");
    }
}

#[test]
fn no_byte_of_a_record_can_be_changed() {
    for suite in Suite::ALL {
        let frame = seal(suite, Kind::Data, &[0xaa; 100]);
        for index in 0..frame.len() {
            for bit in 0..8 {
                let mut changed = frame.clone();
                changed[index] ^= 1 << bit;
                assert!(open(suite, &changed).is_err(), "bit {bit} of byte {index}");
            }
        }
        for length in 0..frame.len() {
            assert!(open(suite, &frame[..length]).is_err(), "{length} bytes");
        }
    }
}

#[test]
fn a_plaintext_that_breaks_a_rule_is_malformed() {
    let plaintext = |padded: usize, change: fn(&mut Vec<u8>)| {
        let mut bytes = vec![0; padded];
        bytes.extend([1, 0, 10]);
        change(&mut bytes);
        bytes
    };
    let good = seal_plaintext(Suite::Aes256Gcm, plaintext(64, |_| ()));
    assert_eq!(open(Suite::Aes256Gcm, &good).unwrap().content, [0; 10]);
    let bad = [
        plaintext(64, |bytes| bytes[10] = 1),  // padding
        plaintext(64, |bytes| bytes[63] = 1),  // padding
        plaintext(64, |bytes| bytes[64] = 0),  // kind
        plaintext(64, |bytes| bytes[64] = 9),  // kind
        plaintext(64, |bytes| bytes[66] = 65), // size past the end
        plaintext(64, |bytes| bytes[65] = 0xff),
        plaintext(96, |_| ()), // a class too large
    ];
    for plaintext in bad {
        let refusal = open(Suite::Aes256Gcm, &seal_plaintext(Suite::Aes256Gcm, plaintext));
        assert!(matches!(refusal, Err(Error::Malformed(Malformed::Record))), "{refusal:?}");
    }
    let refusal = open(Suite::Aes256Gcm, &seal_plaintext(Suite::Aes256Gcm, plaintext(65, |_| ())));
    assert!(matches!(refusal, Err(Error::Malformed(Malformed::FrameHeader))), "{refusal:?}");
}

#[test]
fn numbers_count_and_end() {
    let limits = EpochLimits { records: 2, ..LIMITS };
    let mut sealer = Sealer::new(key(Suite::Aes256Gcm), 3);
    let mut out = Vec::new();
    sealer.seal(Kind::Data, b"same", &limits, &mut out).unwrap();
    sealer.seal(Kind::Data, b"same", &limits, &mut out).unwrap();
    let (one, two) = out.split_at(out.len() / 2);
    assert_ne!(one, two);
    assert!(matches!(sealer.seal(Kind::Data, b"same", &limits, &mut out), Err(Error::EpochUsedUp)));
}
