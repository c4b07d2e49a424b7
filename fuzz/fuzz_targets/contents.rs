//! Contents: what is read is written the same way, and no two contents have one commitment.

#![no_main]

use evidence::content::{Binding, Content};
use evidence::room::RoomId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (one, two) = input;
    let user = fuzz::name("alice");
    let binding = Binding { user: &user, certificate: [1; 32], room: RoomId([2; 32]), seq: 3 };
    let read = |bytes: &[u8]| {
        let content = Content::from_bytes(bytes).ok()?;
        assert_eq!(content.to_bytes(), bytes);
        Some(content.commitment(&binding))
    };
    if let (Some(first), Some(second)) = (read(one), read(two)) {
        assert_eq!(first == second, one == two);
    }
});
