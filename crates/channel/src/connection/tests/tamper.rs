//! Messages changed, cut, repeated, reordered, reflected and oversized on their way.

use super::*;
use crate::Incompatible;
use crate::exchange::Initiator;
use crate::handshake::message::ClientHello;

/// The frames of a handshake as far as `count`, sent by a fresh pair; the last one still to be delivered.
fn up_to(client: &ClientConfig, server: &ServerConfig, count: usize) -> (Pair, Vec<u8>) {
    let mut pair = Pair::new(client.clone(), server.clone());
    let mut frame = pair.client.poll_transmit().unwrap();
    for number in 1..count {
        let (from, to) =
            if number % 2 == 1 { (&mut pair.server, &frame) } else { (&mut pair.client, &frame) };
        from.handle_input(to, NOW).unwrap();
        frame = from.poll_transmit().unwrap();
    }
    (pair, frame)
}

/// Delivers a changed frame number `count` and runs to the end; nobody may trust what came of it.
fn never_accepted(mut pair: Pair, frame: &[u8], count: usize, what: &str) {
    let now = pair.now;
    let receiver = if count % 2 == 1 { &mut pair.server } else { &mut pair.client };
    let _ = receiver.handle_input(frame, now);
    let _ = pair.run();
    assert!(!is_established(&mut pair.client), "client, {what}");
    // The server is established before the confirm, its own message, is changed.
    assert!(count == 4 || !is_established(&mut pair.server), "server, {what}");
}

#[test]
fn no_byte_of_a_handshake_message_can_be_changed() {
    let forge = forge();
    for config in [forge.client_config(), forge.anonymous_config()] {
        let server = forge.server_config();
        for count in 1..=4 {
            let length = up_to(&config, &server, count).1.len();
            for index in 0..length {
                let (pair, mut frame) = up_to(&config, &server, count);
                frame[index] ^= 1 << (index % 8);
                never_accepted(pair, &frame, count, &format!("byte {index} of frame {count}"));
            }
        }
    }
}

#[test]
fn a_cut_or_oversized_handshake_message_is_never_accepted() {
    let forge = forge();
    let (config, server) = (forge.client_config(), forge.server_config());
    for count in 1..=4 {
        let (_, frame) = up_to(&config, &server, count);
        let body = frame.len() - 7;
        for length in [0, 1, body - 1, body + 1, 0xffff] {
            let (pair, mut frame) = up_to(&config, &server, count);
            frame.resize(7 + length, 0);
            frame[5..7].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            never_accepted(pair, &frame, count, &format!("{length} bytes of frame {count}"));
        }
    }
}

#[test]
fn an_oversized_frame_is_refused_at_its_header() {
    let mut server = Connection::server(forge().server_config(), NOW);
    let refusal = server.handle_input(&[1, 0, 0, 0, 0, 0xff, 0xff], NOW);
    assert!(matches!(refusal, Err(Error::Malformed(Malformed::FrameHeader))));
    let mut pair = Pair::established();
    let refusal = pair.server.handle_input(&[6, 0, 0, 0, 0, 0x40, 0x14], NOW);
    assert!(matches!(refusal, Err(Error::Malformed(Malformed::FrameHeader))));
}

#[test]
fn a_handshake_message_cannot_be_repeated_reflected_or_taken_from_another_handshake() {
    let forge = forge();
    let (config, server) = (forge.client_config(), forge.server_config());
    // Reflected: M1 to the client, M2 to the server.
    let (mut pair, m1) = up_to(&config, &server, 1);
    assert!(matches!(
        pair.client.handle_input(&m1, NOW),
        Err(Error::Misbehaved(Misbehaviour::UnexpectedFrame))
    ));
    let (mut pair, m2) = up_to(&config, &server, 2);
    assert!(pair.server.handle_input(&m2, NOW).is_err());
    // Repeated: M1, M2 and M3 twice.
    let (mut pair, m1) = up_to(&config, &server, 1);
    pair.server.handle_input(&m1, NOW).unwrap();
    assert!(pair.server.handle_input(&m1, NOW).is_err());
    let (mut pair, m2) = up_to(&config, &server, 2);
    pair.client.handle_input(&m2, NOW).unwrap();
    assert!(pair.client.handle_input(&m2, NOW).is_err());
    let (mut pair, m3) = up_to(&config, &server, 3);
    pair.server.handle_input(&m3, NOW).unwrap();
    assert!(pair.server.handle_input(&m3, NOW).is_err());
    // Of another handshake of the same two.
    for count in 2..=4 {
        let (_, other) = up_to(&config, &server, count);
        let (pair, _) = up_to(&config, &server, count);
        never_accepted(pair, &other, count, &format!("another's frame {count}"));
    }
}

#[test]
fn an_edited_offer_list_is_noticed_by_the_client() {
    let forge = forge();
    let (pair, mut m1) = up_to(&forge.client_config(), &forge.server_config(), 1);
    // Leaves only the second suite.
    m1.copy_within(7 + 4..7 + 6, 7 + 2);
    m1[7 + 4..7 + 6].fill(0);
    let mut pair = pair;
    pair.server.handle_input(&m1, NOW).unwrap();
    let m2 = pair.server.poll_transmit().unwrap();
    assert_eq!(m2[7..9], [0, 2]);
    let refusal = pair.client.handle_input(&m2, NOW);
    assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::BadSeal))), "{refusal:?}");
}

#[test]
fn a_suite_that_was_not_offered_is_refused() {
    let forge = forge();
    let mut config = forge.client_config();
    config.suites = vec![Suite::Aes256Gcm];
    let (mut pair, mut m2) = up_to(&config, &forge.server_config(), 2);
    m2[8] = 2;
    let refusal = pair.client.handle_input(&m2, NOW);
    assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::SuiteNotOffered))));
    assert_eq!(peer_hears(&mut pair.client, &mut pair.server), (Alert::HandshakeFailed, false));
}

/// CH-6
#[test]
fn another_version_is_refused_and_named() {
    let forge = forge();
    let (mut pair, mut m1) = up_to(&forge.client_config(), &forge.server_config(), 1);
    m1[8] = 2;
    let refusal = pair.server.handle_input(&m1, NOW);
    assert!(matches!(refusal, Err(Error::Incompatible(Incompatible::Version(2)))));
}

#[test]
fn low_order_and_unreduced_shares_are_refused() {
    let (_, request) = Initiator::generate().unwrap();
    let low_order = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let server = |shares: &[u8; 1216]| {
        let m1 = ClientHello::encode(&Suite::ALL, &[1; 32], shares);
        let mut server = Connection::server(forge().server_config(), NOW);
        server.handle_input(&wire::frame::encode(FrameType::ClientHello, &m1).unwrap(), NOW)
    };
    for point in low_order {
        let mut shares = request;
        shares[..32].copy_from_slice(&hex::decode(point).unwrap());
        let refusal = server(&shares);
        assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::BadShare))), "{point}: {refusal:?}");
        // At the client.
        let (initiator, _) = Initiator::generate().unwrap();
        let mut response = [0; 1120];
        response[..32].copy_from_slice(&hex::decode(point).unwrap());
        assert!(matches!(initiator.finish(&response), Err(Error::Misbehaved(Misbehaviour::BadShare))));
    }
    // FIPS 203, section 7.2: a coefficient of 0xfff is not below the modulus.
    let mut shares = request;
    shares[32..35].fill(0xff);
    assert!(matches!(server(&shares), Err(Error::Misbehaved(Misbehaviour::BadShare))));
}

#[test]
fn a_clear_alert_ends_the_handshake_and_nothing_else_follows() {
    let forge = forge();
    let mut client = Connection::client(forge.client_config(), NOW).unwrap();
    client.poll_transmit().unwrap();
    let refusal = client.handle_input(&[4, 0, 0, 0, 0, 0, 1, 3], NOW);
    assert!(matches!(refusal, Err(Error::Alert { alert: Alert::NothingInCommon, authenticated: false })));
    assert!(client.poll_transmit().is_none());
    assert!(matches!(client.handle_input(&[1], NOW), Err(Error::Misuse(Misuse::Dead))));
    // Not taken once there are keys.
    let mut pair = Pair::established();
    let refusal = pair.client.handle_input(&[4, 0, 0, 0, 0, 0, 1, 3], NOW);
    assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::UnexpectedFrame))));
}

#[test]
fn a_forged_sealed_alert_is_no_alert() {
    let forge = forge();
    let (mut pair, _) = up_to(&forge.client_config(), &forge.server_config(), 3);
    let mut frame = vec![5, 0, 0, 0, 0, 0, 80];
    frame.resize(87, 0);
    let refusal = pair.server.handle_input(&frame, NOW);
    assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::BadSeal))), "{refusal:?}");
}

#[test]
fn records_cannot_be_changed_repeated_reordered_dropped_or_reflected() {
    let two_records = |pair: &mut Pair| {
        pair.client.send(b"one").unwrap();
        let one = pair.client.poll_transmit().unwrap();
        pair.client.send(b"two").unwrap();
        (one, pair.client.poll_transmit().unwrap())
    };
    let refused = |pair: &mut Pair, bytes: &[u8]| {
        let refusal = pair.server.handle_input(bytes, NOW);
        assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::BadRecord))), "{refusal:?}");
        assert_eq!(peer_hears(&mut pair.server, &mut pair.client), (Alert::RecordRefused, true));
    };
    let mut pair = Pair::established();
    let (one, _) = two_records(&mut pair);
    pair.server.handle_input(&one, NOW).unwrap();
    refused(&mut pair, &one);
    assert_eq!(data(&mut pair.server), b"one");

    let mut pair = Pair::established();
    let (_, two) = two_records(&mut pair);
    refused(&mut pair, &two);

    let mut pair = Pair::established();
    let (mut one, _) = two_records(&mut pair);
    one[20] ^= 1;
    refused(&mut pair, &one);

    let mut pair = Pair::established();
    let (one, _) = two_records(&mut pair);
    let refusal = pair.client.handle_input(&one, NOW);
    assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::BadRecord))), "{refusal:?}");
}

#[test]
fn a_record_of_another_epoch_is_fatal() {
    let mut pair = Pair::established();
    let mut record = forge_record(&mut pair.client, Kind::Data, b"text");
    record[4] = 1;
    let refusal = pair.server.handle_input(&record, NOW);
    assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::WrongEpoch { got: 1, current: 0 }))));
}
