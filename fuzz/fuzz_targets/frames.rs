//! Frames of the wire, however the stream is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frame::FrameReader;

fuzz_target!(|parts: Vec<&[u8]>| {
    let mut reader = FrameReader::default();
    for mut part in parts {
        while !part.is_empty() {
            match reader.read(&mut part, |_| Ok::<_, ()>(())) {
                Ok(Some(frame)) => assert_eq!(frame.body.len(), usize::from(frame.header.length)),
                Ok(None) => assert!(part.is_empty()),
                Err(_) => return,
            }
        }
    }
});
