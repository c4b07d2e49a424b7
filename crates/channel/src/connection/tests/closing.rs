//! The orderly end, and every other one (CH-64, CH-65, CH-70).

use super::*;
use crate::HANDSHAKE_TIMEOUT_MS;

#[test]
fn an_orderly_end_is_told_from_truncation() {
    let mut pair = Pair::established();
    pair.client.send(b"last words").unwrap();
    pair.client.close().unwrap();
    pair.client.close().unwrap();
    assert!(matches!(pair.client.send(b"more"), Err(Error::Misuse(Misuse::Closed))));
    pair.run().unwrap();
    let at_server = events(&mut pair.server);
    assert!(matches!(&at_server[..], [Event::Data(_), Event::PeerClosed]), "{at_server:?}");
    // The other direction goes on until it is closed too.
    pair.server.send(b"answer").unwrap();
    pair.run().unwrap();
    assert_eq!(data(&mut pair.client), b"answer");
    assert!(pair.server.handle_eof().is_ok());
    assert!(matches!(pair.server.request_rekey(), Err(Error::Misuse(Misuse::Closed))));
    pair.server.close().unwrap();
    pair.run().unwrap();
    assert!(pair.client.handle_eof().is_ok());
    assert_eq!((pair.client.deadline(), pair.server.deadline()), (None, None));
}

#[test]
fn an_end_of_stream_without_close_is_truncation_in_every_state() {
    let forge = forge();
    let truncated = |connection: &mut Connection| {
        assert!(matches!(connection.handle_eof(), Err(Error::Truncated)));
        assert!(connection.poll_transmit().is_none());
        assert!(matches!(connection.handle_eof(), Err(Error::Misuse(Misuse::Dead))));
    };
    let mut pair = Pair::new(forge.client_config(), forge.server_config());
    pair.client.poll_transmit();
    truncated(&mut pair.client);
    truncated(&mut pair.server);
    let mut pair = Pair::logged_in();
    truncated(&mut pair.client);
    truncated(&mut pair.server);
    // In the middle of a record that would have been the close.
    let mut pair = Pair::established();
    pair.client.close().unwrap();
    let close = pair.client.poll_transmit().unwrap();
    pair.server.handle_input(&close[..close.len() - 1], NOW).unwrap();
    truncated(&mut pair.server);
}

#[test]
fn nothing_may_follow_a_close() {
    let mut pair = Pair::established();
    pair.client.close().unwrap();
    let after = forge_record(&mut pair.client, Kind::Data, b"after");
    pair.run().unwrap();
    let refusal = pair.server.handle_input(&after, NOW);
    assert!(matches!(refusal, Err(Error::Misbehaved(Misbehaviour::AfterClose))));
}

#[test]
fn a_dead_connection_takes_and_sends_nothing() {
    let mut pair = Pair::established();
    assert!(pair.server.handle_input(b"GET / HTTP/1.1\r\n", NOW).is_err());
    assert!(pair.server.poll_transmit().is_some());
    for refusal in [
        pair.server.handle_input(b"x", NOW),
        pair.server.handle_timeout(NOW),
        pair.server.send(b"x"),
        pair.server.close(),
        pair.server.bind_login(password_login()),
        pair.server.request_rekey(),
        pair.server.exporter().map(|_| ()),
    ] {
        assert!(matches!(refusal, Err(Error::Misuse(Misuse::Dead))), "{refusal:?}");
    }
    assert_eq!(pair.server.poll_transmit(), None);
    assert_eq!((pair.server.deadline(), pair.server.epoch()), (None, None));
}

#[test]
fn a_slow_handshake_ends_by_itself_in_every_state() {
    let forge = forge();
    let late = NOW + HANDSHAKE_TIMEOUT_MS;
    let too_slow = |connection: &mut Connection| {
        assert_eq!(connection.deadline(), Some(late));
        connection.handle_timeout(late - 1).unwrap();
        assert!(matches!(connection.handle_timeout(late), Err(Error::TooSlow)));
    };
    let fresh = || Pair::new(forge.client_config(), forge.server_config());
    let mut pair = fresh();
    let m1 = pair.client.poll_transmit().unwrap();
    too_slow(&mut pair.client);
    too_slow(&mut pair.server);
    let mut pair = Pair::new(forge.client_config(), forge.server_config());
    pair.server.handle_input(&m1, NOW).unwrap();
    pair.server.poll_transmit();
    too_slow(&mut pair.server);
    let mut pair = fresh();
    pair.server.handle_input(&pair.client.poll_transmit().unwrap(), NOW).unwrap();
    pair.client.handle_input(&pair.server.poll_transmit().unwrap(), NOW).unwrap();
    pair.client.poll_transmit();
    too_slow(&mut pair.client);
    assert_eq!(peer_hears_in_handshake(&mut fresh(), late), (Alert::TooSlow, true));
}

/// What a client hears whose M3 comes too late.
fn peer_hears_in_handshake(pair: &mut Pair, late: u64) -> (Alert, bool) {
    pair.server.handle_input(&pair.client.poll_transmit().unwrap(), NOW).unwrap();
    pair.client.handle_input(&pair.server.poll_transmit().unwrap(), NOW).unwrap();
    let m3 = pair.client.poll_transmit().unwrap();
    assert!(matches!(pair.server.handle_input(&m3, late), Err(Error::TooSlow)));
    peer_hears(&mut pair.server, &mut pair.client)
}
