//! Frames in words (LA-30 to LA-33).

use lab::capture::{End, Frame};
use lab::decode::{Decoder, MAX_SHOWN, Readable};
use lab::exhibit::Column;

fn read(decoder: &mut Decoder, bytes: &[u8]) -> Readable {
    decoder.read(&Frame { flow: 0, at_us: 0, from: End::Client, bytes: bytes.to_vec(), note: None })
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

#[test]
fn a_password_in_clear_is_marked() {
    let login = br#"{"type": "login", "username": "alice", "password": "correct horse"}"#;
    let seen = read(&mut Decoder::new(Column::Broadcast), login);
    assert_eq!(seen.name, "login");
    assert!(seen.learnt.contains(&"the password, in clear: correct horse".to_owned()), "{seen:?}");
    assert!(seen.learnt.contains(&"a user's name, in clear: alice".to_owned()), "{seen:?}");
}

#[test]
fn equal_blocks_are_marked_for_ecb_alone() {
    // Base64 of 32 equal bytes: two equal blocks.
    let message =
        framed(br#"{"type": "msg", "seqno": 1, "ct": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="}"#);
    let blocks = |seen: Readable| seen.learnt.into_iter().find(|line| line.contains("equal blocks"));
    let mut decoder = Decoder::new(Column::CianrPkcs1);
    assert!(blocks(read(&mut decoder, &message)).unwrap().contains("1 block "));
    assert!(blocks(read(&mut decoder, &message)).unwrap().contains("2 blocks "));
    assert_eq!(blocks(read(&mut Decoder::new(Column::CianrPss), &message)), None);
}

#[test]
fn an_equal_prefix_is_marked_for_key_transport() {
    let message = b"{\"cipher\": \"QUFBQUFBQUFBQUFBQUFBQUJCQkJCQkJCQkJCQkJCQkI=\", \"hmac\": \"\"}\n\n";
    let other = b"{\"cipher\": \"QUFBQUFBQUFBQUFBQUFBQUNDQ0NDQ0NDQ0NDQ0NDQ0M=\", \"hmac\": \"\"}\n\n";
    let mut decoder = Decoder::new(Column::KeyTransport);
    assert!(!read(&mut decoder, message).learnt.iter().any(|line| line.contains("equal prefix")));
    let seen = read(&mut decoder, other);
    assert!(seen.learnt.iter().any(|line| line.contains("the same 16 bytes")), "{seen:?}");
}

/// Regression: a number of 600 digits made a message of the exchange “credentials”.
#[test]
fn the_values_of_an_exchange_have_names() {
    let message =
        framed(format!("{{\"type\": \"dh_client\", \"g\": 2, \"A\": {}}}", "9".repeat(617)).as_bytes());
    let seen = read(&mut Decoder::new(Column::CianrPkcs1), &message);
    let fields: Vec<_> =
        seen.fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
    assert_eq!(seen.name, "dh_client");
    assert_eq!(fields, [("A", "999999999999999999999999… (617 characters)"), ("g", "2")]);
}

#[test]
fn of_countersign_kind_epoch_and_size_are_seen() {
    let record = [&[6, 0, 0, 0, 2, 0, 83][..], &[7; 83]].concat();
    let seen = read(&mut Decoder::new(Column::Countersign), &record);
    let fields: Vec<_> =
        seen.fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
    assert_eq!((seen.name.as_str(), fields), ("record", vec![("epoch", "2"), ("length", "83 bytes")]));
}

#[test]
fn any_bytes_have_words_of_bounded_length() {
    let samples: [&[u8]; 9] = [
        b"",
        b"\0\0",
        b"\0\0\0\x05{",
        b"SERVER_PUB\n",
        b"{\"type\": 7}\n",
        b"\xff\xfe\n",
        b"{\"ct\": \"=\"}",
        b"{\"client_cert\": \"-----BEGIN CERTIFICATE-----\"}",
        b"\x06\0\0\0\0\xff\xff",
    ];
    let long = format!("{{\"type\": \"\\u001b{}\"}}", "a".repeat(10_000));
    for column in Column::ALL {
        let mut decoder = Decoder::new(column);
        for bytes in samples.into_iter().chain([long.as_bytes()]) {
            for bytes in [bytes.to_vec(), framed(bytes)] {
                let seen = read(&mut decoder, &bytes);
                assert!(!seen.name.is_empty());
                for text in
                    seen.fields.iter().map(|field| &field.value).chain([&seen.name]).chain(&seen.learnt)
                {
                    assert!(
                        text.chars().count() <= MAX_SHOWN + 120 && !text.contains(char::is_control),
                        "{text}"
                    );
                }
            }
        }
    }
}
