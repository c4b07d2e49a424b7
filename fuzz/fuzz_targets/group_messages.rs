//! Group messages, as far as they show: no part of one is one, nor a tree.

#![no_main]

use evidence::mls::{Message, is_content, is_tree};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(message) = Message::read(bytes) else {
        is_tree(bytes);
        return;
    };
    assert!(!is_tree(bytes));
    for length in 0..bytes.len() {
        assert_eq!(Message::read(&bytes[..length]), None);
    }
    let Message::Content(place) = message else { return };
    assert!(is_content(bytes, &place.room, place.at));
    assert!(!is_content(bytes, &place.room, place.at.next()));
});
