//! Handshakes that succeed, and their sizes.

use super::*;
use crate::Incompatible;

#[test]
fn both_sides_know_each_other_after_a_certified_handshake() {
    let forge = forge();
    for suite in Suite::ALL {
        let mut config = forge.client_config();
        config.suites = vec![suite];
        let mut pair = Pair::new(config, forge.server_config());
        pair.run().unwrap();
        let (at_client, at_server) = pair.events_of_both();
        let [Event::Established { peer: Peer::Certified(server), suite: taken, pinned_root: None }] =
            &at_client[..]
        else {
            panic!("{at_client:?}")
        };
        assert_eq!(server.identity().holder, node());
        assert_eq!(*taken, suite);
        let [Event::Established { peer: Peer::Certified(client), .. }] = &at_server[..] else {
            panic!("{at_server:?}")
        };
        assert_eq!(client.identity().holder, laptop());
        assert_eq!(pair.client.exporter().unwrap().as_bytes(), pair.server.exporter().unwrap().as_bytes());
        assert_eq!((pair.client.epoch(), pair.server.epoch()), (Some(0), Some(0)));

        pair.client.send(b"from the client").unwrap();
        pair.server.send(&[9; 40_000]).unwrap();
        pair.run().unwrap();
        assert_eq!(data(&mut pair.server), b"from the client");
        assert_eq!(data(&mut pair.client), [9; 40_000]);
    }
}

#[test]
fn a_joiner_gets_the_root_that_its_invite_named() {
    let forge = forge();
    let mut pair = Pair::new(forge.anonymous_config(), forge.server_config());
    pair.run().unwrap();
    let (at_client, at_server) = pair.events_of_both();
    let [Event::Established { peer: Peer::Certified(_), pinned_root: Some(root), .. }] = &at_client[..]
    else {
        panic!("{at_client:?}")
    };
    assert_eq!(root, forge.root.certificate());
    assert!(matches!(&at_server[..], [Event::Established { peer: Peer::Anonymous, .. }]));
}

#[test]
fn the_client_chooses_among_what_the_server_allows() {
    let forge = forge();
    let mut config = forge.client_config();
    config.suites = vec![Suite::ChaCha20Poly1305, Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
    for (allowed, taken) in
        [(&Suite::ALL[..], Suite::ChaCha20Poly1305), (&[Suite::Aes256Gcm][..], Suite::Aes256Gcm)]
    {
        let mut server = forge.server_config();
        server.suites = allowed.to_vec();
        let mut pair = Pair::new(config.clone(), server);
        pair.run().unwrap();
        let events = events(&mut pair.client);
        assert!(matches!(&events[..], [Event::Established { suite, .. }] if *suite == taken));
    }
    config.suites.clear();
    assert!(matches!(Connection::client(config, NOW), Err(Error::Misuse(Misuse::NoSuite))));
}

#[test]
fn without_a_common_suite_both_sides_say_so() {
    let forge = forge();
    let mut client = forge.client_config();
    client.suites = vec![Suite::Aes256Gcm];
    let mut server = forge.server_config();
    server.suites = vec![Suite::ChaCha20Poly1305];
    let mut pair = Pair::new(client, server);
    let refusal = pair.run().unwrap_err();
    assert!(matches!(refusal, Error::Incompatible(Incompatible::NoCommonSuite)));
    assert_eq!(peer_hears(&mut pair.server, &mut pair.client), (Alert::NothingInCommon, false));
}

#[test]
fn messages_have_the_same_size_for_everyone() {
    let forge = forge();
    let long = Holder::Device {
        user: Name::parse("a-very-long-name-of-a-user-there").unwrap(),
        device: Name::parse("an-even-longer-name-of-a-machine").unwrap(),
    };
    let (chain, key) = forge.issue(&long, &validity());
    let mut long_config = forge.client_config();
    long_config.identity = Some(Arc::new(ClientIdentity::new(&chain, key).unwrap()));
    let sizes = |config: ClientConfig| {
        let mut client = Connection::client(config, NOW).unwrap();
        let mut server = Connection::server(forge.server_config(), NOW);
        let m1 = client.poll_transmit().unwrap();
        server.handle_input(&m1, NOW).unwrap();
        let m2 = server.poll_transmit().unwrap();
        client.handle_input(&m2, NOW).unwrap();
        let m3 = client.poll_transmit().unwrap();
        server.handle_input(&m3, NOW).unwrap();
        (m1.len(), m3.len(), server.poll_transmit().unwrap().len())
    };
    let certified = sizes(forge.client_config());
    assert_eq!(certified, (7 + 1266, 7 + 2064, 7 + 83));
    assert_eq!(sizes(forge.anonymous_config()), certified);
    assert_eq!(sizes(long_config), certified);
}

#[test]
fn bytes_may_come_one_at_a_time() {
    let forge = forge();
    let mut pair = Pair::new(forge.client_config(), forge.server_config());
    while !(pair.client.epoch().is_some() && pair.server.epoch().is_some()) {
        for byte in pair.client.poll_transmit().unwrap_or_default() {
            pair.server.handle_input(&[byte], NOW).unwrap();
        }
        for byte in pair.server.poll_transmit().unwrap_or_default() {
            pair.client.handle_input(&[byte], NOW).unwrap();
        }
    }
    pair.client.send(&[3; 20_000]).unwrap();
    for byte in pair.client.poll_transmit().unwrap() {
        pair.server.handle_input(&[byte], NOW).unwrap();
    }
    assert_eq!(data(&mut pair.server), [3; 20_000]);
}

#[test]
fn nothing_is_sent_before_the_connection_is_established() {
    let forge = forge();
    let mut client = Connection::client(forge.client_config(), NOW).unwrap();
    let mut server = Connection::server(forge.server_config(), NOW);
    let early = |connection: &mut Connection| {
        let refusals = [
            connection.send(b"early"),
            connection.exporter().map(|_| ()),
            connection.close(),
            connection.start_rekey(),
            connection.bind_login(password_login()),
        ];
        for refusal in refusals {
            assert!(matches!(refusal, Err(Error::Misuse(Misuse::NotEstablished))), "{refusal:?}");
        }
    };
    early(&mut client);
    early(&mut server);
    server.handle_input(&client.poll_transmit().unwrap(), NOW).unwrap();
    early(&mut server);
    client.handle_input(&server.poll_transmit().unwrap(), NOW).unwrap();
    early(&mut client); // M3 is sent, the confirm is not here
    assert!(events(&mut client).is_empty());
    server.handle_input(&client.poll_transmit().unwrap(), NOW).unwrap();
    client.handle_input(&server.poll_transmit().unwrap(), NOW).unwrap();
    assert!(is_established(&mut client) && is_established(&mut server));
}

#[test]
fn data_may_follow_the_confirm_at_once() {
    let forge = forge();
    let mut pair = Pair::new(forge.client_config(), forge.server_config());
    pair.server.handle_input(&pair.client.poll_transmit().unwrap(), NOW).unwrap();
    pair.client.handle_input(&pair.server.poll_transmit().unwrap(), NOW).unwrap();
    pair.server.handle_input(&pair.client.poll_transmit().unwrap(), NOW).unwrap();
    pair.server.send(b"welcome").unwrap();
    pair.client.handle_input(&pair.server.poll_transmit().unwrap(), NOW).unwrap();
    let events = events(&mut pair.client);
    assert!(matches!(&events[..], [Event::Established { .. }, Event::Data(data)] if data == b"welcome"));
}

#[test]
fn a_connection_can_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Connection>();
}

/// CH-71
#[test]
fn a_half_open_handshake_holds_a_few_kilobytes() {
    assert_eq!(message::CLIENT_FINISH_SIZE.max(message::CLIENT_HELLO_SIZE), 2_064);
    let largest = (0..=usize::from(u16::MAX)).rfind(|length| message::is_server_hello_size(*length));
    assert_eq!(largest, Some(9_362));
    assert!(size_of::<server::AwaitClientFinish>() < 3 * 1024);
    assert!(size_of::<Connection>() < 512);
}
