//! The end of an epoch by time and volume (CH-72).

use super::*;

const SMALL: EpochLimits = EpochLimits { records: 40, bytes: 1 << 20, age_ms: 8_000, login_ms: 2_000 };

fn small(mut pair: Pair) -> Pair {
    pair.client.limits = SMALL;
    pair.server.limits = SMALL;
    pair
}

#[test]
fn the_client_rekeys_by_itself_after_a_quarter_of_the_volume() {
    let mut pair = small(Pair::logged_in());
    for number in 0..100_u8 {
        pair.client.send(&[number]).unwrap();
        pair.run().unwrap();
    }
    assert_eq!(data(&mut pair.server), (0..100).collect::<Vec<u8>>());
    assert!(pair.client.epoch() > Some(8), "{:?}", pair.client.epoch());
    assert_eq!(pair.client.epoch(), pair.server.epoch());
    // What the server sends counts too.
    let before = pair.client.epoch();
    for number in 0..40 {
        pair.server.send(&[number]).unwrap();
        pair.run().unwrap();
    }
    assert!(pair.client.epoch() > before);
    // Bytes count too.
    let before = pair.client.epoch();
    for _ in 0..20 {
        pair.server.send(&[0; 16_384]).unwrap();
        pair.run().unwrap();
    }
    assert!(pair.client.epoch() > before);
}

#[test]
fn the_client_rekeys_by_itself_after_half_of_the_time() {
    let mut pair = small(Pair::logged_in());
    assert_eq!(pair.client.deadline(), Some(NOW + 4_000));
    assert_eq!(pair.server.deadline(), Some(NOW + 8_000));
    pair.client.handle_timeout(NOW + 3_999).unwrap();
    assert_eq!(pair.client.buffered_transmit(), 0);
    pair.now = NOW + 4_000;
    pair.client.handle_timeout(pair.now).unwrap();
    assert!(pair.client.buffered_transmit() > 0);
    pair.run().unwrap();
    assert_eq!((pair.client.epoch(), pair.server.epoch()), (Some(2), Some(2)));
    assert_eq!(pair.client.deadline(), Some(pair.now + 4_000));
}

#[test]
fn an_epoch_past_its_time_ends_the_connection() {
    let mut pair = small(Pair::logged_in());
    assert!(matches!(pair.server.handle_timeout(NOW + 8_000), Err(Error::EpochUsedUp)));
    assert_eq!(peer_hears(&mut pair.server, &mut pair.client), (Alert::EpochUsedUp, true));
    let mut pair = small(Pair::established());
    assert_eq!(pair.server.deadline(), Some(NOW + 2_000));
    assert!(matches!(pair.client.handle_timeout(NOW + 2_000), Err(Error::EpochUsedUp)));
}

#[test]
fn an_epoch_past_its_volume_ends_the_connection_on_either_side() {
    let mut pair = Pair::established();
    pair.client.limits = SMALL;
    for _ in 0..40 {
        pair.client.send(b"x").unwrap();
    }
    assert!(matches!(pair.client.send(b"x"), Err(Error::EpochUsedUp)));
    assert!(matches!(pair.client.send(b"x"), Err(Error::Misuse(Misuse::Dead))));

    let mut pair = Pair::established();
    pair.server.limits = SMALL;
    for _ in 0..41 {
        pair.client.send(b"x").unwrap();
    }
    assert!(matches!(pair.run(), Err(Error::EpochUsedUp)));
}
