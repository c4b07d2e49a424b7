//! Bundles: without a pinned root none is valid, whatever is in it. Start from `docs/vectors/evidence`.

#![no_main]

use evidence::bundle::{Root, verify_each};
use evidence::verdict::Word;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let verdict = verify_each(bytes, Root::Unpinned, drop).expect("memory does not fail");
    assert_ne!(verdict.word, Word::Valid);
});
