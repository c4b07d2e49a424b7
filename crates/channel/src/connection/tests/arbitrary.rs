//! Any bytes in any state: an error or nothing, never a panic, never trust.

use proptest::prelude::*;
use wire::frame;

use super::*;

/// Bytes that are often almost frames.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..2_100);
    let sized = prop_oneof![Just(1_usize), Just(80), Just(83), Just(1_266), Just(2_064), Just(2_194)]
        .prop_flat_map(|size| prop::collection::vec(any::<u8>(), size));
    let types = prop_oneof![
        Just(FrameType::ClientHello),
        Just(FrameType::ServerHello),
        Just(FrameType::ClientFinish),
        Just(FrameType::ClearAlert),
        Just(FrameType::SealedAlert),
        Just(FrameType::Record),
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        (types, prop_oneof![body, sized]).prop_map(|(kind, body)| frame::encode(kind, &body).unwrap()),
    ]
}

fn states(forge: &Forge) -> Vec<Connection> {
    let fresh = || Pair::new(forge.client_config(), forge.server_config());
    let first = fresh();
    let mut second = fresh();
    second.server.handle_input(&second.client.poll_transmit().unwrap(), NOW).unwrap();
    let mut third = fresh();
    third.server.handle_input(&third.client.poll_transmit().unwrap(), NOW).unwrap();
    third.client.handle_input(&third.server.poll_transmit().unwrap(), NOW).unwrap();
    let open = Pair::logged_in();
    let mut rekeying = Pair::logged_in();
    rekeying.client.start_rekey().unwrap();
    vec![first.client, first.server, second.server, third.client, open.client, open.server, rekeying.client]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_input_is_never_accepted(inputs in prop::collection::vec(input(), 1..5)) {
        for mut connection in states(&forge()) {
            connection.poll_transmit();
            events(&mut connection);
            for bytes in &inputs {
                let result = connection.handle_input(bytes, NOW);
                prop_assert!(events(&mut connection).is_empty());
                if result.is_err() {
                    prop_assert!(connection.deadline().is_none());
                    prop_assert!(connection.handle_input(bytes, NOW).is_err());
                }
            }
        }
    }
}
