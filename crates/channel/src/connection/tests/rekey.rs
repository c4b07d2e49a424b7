//! Rekeys, also under traffic and by peers that break the rules (CH-50 to CH-59).

use proptest::prelude::*;

use super::*;

#[test]
fn the_first_rekey_after_the_login_makes_epoch_1_and_later_ones_ratchet() {
    let mut pair = Pair::established();
    pair.client.bind_login(password_login()).unwrap();
    pair.server.bind_login(password_login()).unwrap();
    for number in 1..=3 {
        pair.client.start_rekey().unwrap();
        pair.run().unwrap();
        let (at_client, at_server) = pair.events_of_both();
        assert!(matches!(&at_client[..], [Event::EpochChanged(n)] if *n == number), "{at_client:?}");
        assert!(matches!(&at_server[..], [Event::EpochChanged(n)] if *n == number), "{at_server:?}");
        pair.client.send(b"up").unwrap();
        pair.server.send(b"down").unwrap();
        pair.run().unwrap();
        assert_eq!((data(&mut pair.client), data(&mut pair.server)), (b"down".to_vec(), b"up".to_vec()));
    }
}

#[test]
fn a_server_that_has_not_bound_the_login_answers_when_it_has() {
    let mut pair = Pair::established();
    pair.client.send(b"last message of the login").unwrap();
    pair.client.bind_login(password_login()).unwrap();
    pair.client.start_rekey().unwrap();
    pair.run().unwrap();
    assert_eq!(data(&mut pair.server), b"last message of the login");
    assert_eq!(pair.server.buffered_transmit(), 0);
    pair.server.bind_login(password_login()).unwrap();
    pair.run().unwrap();
    assert_eq!((pair.client.epoch(), pair.server.epoch()), (Some(1), Some(1)));
}

#[test]
fn logins_that_differ_in_anything_end_the_connection() {
    let others: [fn(&mut LoginBinding); 6] = [
        |login| login.method = 2,
        |login| login.user = b"bob".to_vec(),
        |login| login.device = b"phone".to_vec(),
        |login| login.opaque_session_key = None,
        |login| login.opaque_session_key = Some(OpaqueSessionKey::new([8; 64])),
        |login| {
            login.user = b"annl".to_vec();
            login.device = b"aptop".to_vec();
        },
    ];
    for change in others {
        let mut pair = Pair::established();
        pair.client.bind_login(password_login()).unwrap();
        let mut login = password_login();
        change(&mut login);
        pair.server.bind_login(login).unwrap();
        pair.client.start_rekey().unwrap();
        let refusal = pair.run().unwrap_err();
        assert!(matches!(refusal, Error::Misbehaved(Misbehaviour::BadRecord)), "{refusal:?}");
    }
}

#[test]
fn the_server_asks_and_the_client_starts() {
    let mut pair = Pair::logged_in();
    assert!(matches!(pair.server.start_rekey(), Err(Error::Misuse(Misuse::WrongSide))));
    assert!(matches!(pair.client.request_rekey(), Err(Error::Misuse(Misuse::WrongSide))));
    pair.server.request_rekey().unwrap();
    assert!(matches!(pair.server.request_rekey(), Err(Error::Misuse(Misuse::RekeyUnderWay))));
    pair.run().unwrap();
    assert_eq!((pair.client.epoch(), pair.server.epoch()), (Some(2), Some(2)));
    // Both at once.
    pair.server.request_rekey().unwrap();
    pair.client.start_rekey().unwrap();
    assert!(matches!(pair.client.start_rekey(), Err(Error::Misuse(Misuse::RekeyUnderWay))));
    pair.run().unwrap();
    assert_eq!((pair.client.epoch(), pair.server.epoch()), (Some(3), Some(3)));
}

#[test]
fn a_rekey_needs_a_login_once() {
    let mut pair = Pair::established();
    assert!(matches!(pair.client.start_rekey(), Err(Error::Misuse(Misuse::NoLogin))));
    assert!(matches!(pair.server.request_rekey(), Err(Error::Misuse(Misuse::NoLogin))));
    let mut long = password_login();
    long.user = vec![b'a'; 256];
    assert!(matches!(pair.client.bind_login(long), Err(Error::Misuse(Misuse::BadLogin))));
    pair.client.bind_login(password_login()).unwrap();
    assert!(matches!(pair.client.bind_login(password_login()), Err(Error::Misuse(Misuse::BadLogin))));
}

#[test]
fn a_close_during_a_rekey_is_orderly_on_both_sides() {
    // The client closes after R1.
    let mut pair = Pair::logged_in();
    pair.client.start_rekey().unwrap();
    pair.client.close().unwrap();
    pair.run().unwrap();
    pair.server.send(b"under the new keys").unwrap();
    pair.server.close().unwrap();
    pair.run().unwrap();
    assert_eq!(data(&mut pair.client), b"under the new keys");
    pair.client.handle_eof().unwrap();
    pair.server.handle_eof().unwrap();
    // The server closes before R1 reaches it.
    let mut pair = Pair::logged_in();
    pair.client.start_rekey().unwrap();
    pair.server.close().unwrap();
    pair.run().unwrap();
    pair.client.send(b"under the old keys").unwrap();
    pair.client.close().unwrap();
    pair.run().unwrap();
    assert_eq!(data(&mut pair.server), b"under the old keys");
    pair.client.handle_eof().unwrap();
    pair.server.handle_eof().unwrap();
}

/// Delivers a forged record from one side to the other.
fn refusal(mut pair: Pair, from_client: bool, kind: Kind, content: &[u8]) -> Error {
    let (from, to) =
        if from_client { (&mut pair.client, &mut pair.server) } else { (&mut pair.server, &mut pair.client) };
    let record = forge_record(from, kind, content);
    to.handle_input(&record, NOW).expect_err("refused")
}

/// CH-43
#[test]
fn an_empty_data_record_is_malformed() {
    for from_client in [true, false] {
        let refusal = refusal(Pair::established(), from_client, Kind::Data, b"");
        assert!(matches!(refusal, Error::Malformed(Malformed::Record)), "{refusal:?}");
    }
}

#[test]
fn records_out_of_their_place_are_fatal() {
    let shares = |number: u32, size: usize| [&number.to_be_bytes()[..], &vec![9; size]].concat();
    let (client, server) = (true, false);
    let unexpected = [
        (client, Kind::Confirm, vec![0; 32]),
        (server, Kind::Confirm, vec![0; 32]),
        (client, Kind::RekeyResponse, shares(2, 1120)),
        (server, Kind::RekeyResponse, shares(2, 1120)),
        (server, Kind::RekeyRequest, shares(2, 1216)),
        (client, Kind::RekeyDone, shares(2, 0)),
        (server, Kind::RekeyDone, shares(2, 0)),
        (client, Kind::AskRekey, vec![]),
    ];
    for (from, kind, content) in unexpected {
        let error = refusal(Pair::logged_in(), from, kind, &content);
        assert!(matches!(error, Error::Misbehaved(Misbehaviour::UnexpectedRecord)), "{kind:?}: {error:?}");
    }
    for number in [0, 1, 3, u32::MAX] {
        let error = refusal(Pair::logged_in(), client, Kind::RekeyRequest, &shares(number, 1216));
        assert!(matches!(error, Error::Misbehaved(Misbehaviour::BadEpochNumber)), "{number}: {error:?}");
    }
    let malformed = [
        (client, Kind::RekeyRequest, shares(2, 1215)),
        (client, Kind::RekeyRequest, shares(2, 1217)),
        (client, Kind::RekeyRequest, vec![]),
        (server, Kind::AskRekey, vec![1]),
        (client, Kind::Data, vec![]),
        (client, Kind::Close, vec![0]),
        (client, Kind::Alert, vec![]),
        (client, Kind::Alert, vec![1, 1]),
    ];
    for (from, kind, content) in malformed {
        let error = refusal(Pair::logged_in(), from, kind, &content);
        assert!(matches!(error, Error::Malformed(Malformed::Record)), "{kind:?}: {error:?}");
    }
    let unreduced = [&2_u32.to_be_bytes()[..], &[0xff; 1216]].concat();
    let error = refusal(Pair::logged_in(), client, Kind::RekeyRequest, &unreduced);
    assert!(matches!(error, Error::Misbehaved(Misbehaviour::BadShare)), "{error:?}");
    let error = refusal(Pair::established(), server, Kind::AskRekey, &[]);
    assert!(matches!(error, Error::Misbehaved(Misbehaviour::UnexpectedRecord)), "{error:?}");
}

#[test]
fn a_second_request_in_one_epoch_is_fatal() {
    let mut pair = Pair::logged_in();
    pair.server.request_rekey().unwrap();
    let mut bytes = pair.server.poll_transmit().unwrap();
    bytes.extend(forge_record(&mut pair.server, Kind::AskRekey, &[]));
    let refusal = pair.client.handle_input(&bytes, NOW);
    assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::UnexpectedRecord))));
    // Two R1.
    let mut pair = Pair::logged_in();
    pair.client.start_rekey().unwrap();
    let mut bytes = pair.client.poll_transmit().unwrap();
    bytes.extend(forge_record(&mut pair.client, Kind::RekeyRequest, &bytes.clone()[..1220]));
    let refusal = pair.server.handle_input(&bytes, NOW);
    assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::UnexpectedRecord))));
}

#[test]
fn the_first_record_of_an_epoch_must_confirm_it() {
    for (kind, content) in [(Kind::Data, &b"data"[..]), (Kind::Confirm, &[0; 32]), (Kind::Confirm, &[0; 31])]
    {
        let mut pair = Pair::logged_in();
        pair.client.start_rekey().unwrap();
        pair.server.handle_input(&pair.client.poll_transmit().unwrap(), NOW).unwrap();
        pair.client.handle_input(&pair.server.poll_transmit().unwrap(), NOW).unwrap();
        // R3 passes, the confirm is replaced.
        let r3 = pair.client.poll_transmit().unwrap();
        pair.server.handle_input(&r3[..r3.len() / 2], NOW).unwrap();
        let State::Open(open) = &mut pair.client.state else { panic!("not open") };
        let key = open.secret.traffic(open.suite, Side::Client).unwrap();
        open.sealer = crate::record::Sealer::new(key, 2);
        let forged = forge_record(&mut pair.client, kind, content);
        let refusal = pair.server.handle_input(&forged, NOW).unwrap_err();
        assert!(
            matches!(refusal, Error::Misbehaved(Misbehaviour::UnexpectedRecord | Misbehaviour::BadConfirm)),
            "{refusal:?}"
        );
        assert_eq!(pair.server.epoch(), None);
    }
}

/// CH-56
#[test]
fn the_end_of_an_epoch_cannot_be_cut_off() {
    let mut pair = Pair::logged_in();
    pair.client.start_rekey().unwrap();
    pair.server.handle_input(&pair.client.poll_transmit().unwrap(), NOW).unwrap();
    pair.client.send(b"still epoch 1").unwrap();
    let old = pair.client.poll_transmit().unwrap();
    pair.client.handle_input(&pair.server.poll_transmit().unwrap(), NOW).unwrap();
    let new = pair.client.poll_transmit().unwrap();
    assert!(!old.is_empty());
    let refusal = pair.server.handle_input(&new, NOW);
    assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::BadRecord))), "{refusal:?}");
}

#[derive(Debug, Clone)]
enum Step {
    Send { from_client: bool, size: usize },
    Start,
    Ask,
    Deliver { to_client: bool, bytes: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), prop_oneof![1..200_usize, 1..40_000_usize])
            .prop_map(|(from_client, size)| Step::Send { from_client, size }),
        2 => Just(Step::Start),
        1 => Just(Step::Ask),
        8 => (any::<bool>(), prop_oneof![1..100_usize, 1..5_000_usize, Just(1_000_000_usize)])
            .prop_map(|(to_client, bytes)| Step::Deliver { to_client, bytes }),
    ]
}

/// One direction between the two ends.
#[derive(Default)]
struct Wire {
    in_flight: Vec<u8>,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Wire {
    fn send(&mut self, from: &mut Connection, size: usize) {
        let data: Vec<u8> = (0..size).map(|index| (self.sent.len() + index) as u8).collect();
        from.send(&data).unwrap();
        self.sent.extend(data);
    }

    fn deliver(&mut self, from: &mut Connection, to: &mut Connection, bytes: usize) {
        self.in_flight.extend(from.poll_transmit().unwrap_or_default());
        let part: Vec<u8> = self.in_flight.drain(..bytes.min(self.in_flight.len())).collect();
        to.handle_input(&part, NOW).unwrap();
        self.received.extend(data(to));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn data_flow_in_both_directions_whatever_the_rekeys(
        steps in prop::collection::vec(step(), 1..60),
        small_limits in any::<bool>(),
    ) {
        let mut pair = Pair::logged_in();
        if small_limits {
            let limits = EpochLimits { records: 400, bytes: 1 << 22, ..EpochLimits::DEFAULT };
            pair.client.limits = limits;
            pair.server.limits = limits;
        }
        let (mut up, mut down) = (Wire::default(), Wire::default());
        for step in steps {
            let Pair { client, server, .. } = &mut pair;
            match step {
                Step::Send { from_client: true, size } => up.send(client, size),
                Step::Send { from_client: false, size } => down.send(server, size),
                Step::Start => drop(client.start_rekey()),
                Step::Ask => drop(server.request_rekey()),
                Step::Deliver { to_client: true, bytes } => down.deliver(server, client, bytes),
                Step::Deliver { to_client: false, bytes } => up.deliver(client, server, bytes),
            }
        }
        for _ in 0..6 {
            up.deliver(&mut pair.client, &mut pair.server, usize::MAX);
            down.deliver(&mut pair.server, &mut pair.client, usize::MAX);
        }
        prop_assert_eq!(up.sent, up.received);
        prop_assert_eq!(down.sent, down.received);
        prop_assert_eq!(pair.client.epoch(), pair.server.epoch());
    }
}
