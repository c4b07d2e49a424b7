//! Messages of a session, in both directions.

#![no_main]

use libfuzzer_sys::fuzz_target;
use session::message::{MessageDecoder, Request, ServerMessage};

fuzz_target!(|input: (bool, Vec<&[u8]>)| {
    let (to_server, parts) = input;
    let mut decoder = MessageDecoder::new(1 << 16);
    for part in parts {
        decoder.push(part);
        loop {
            let more = if to_server {
                decoder.poll::<Request>().map(|message| message.is_some())
            } else {
                decoder.poll::<ServerMessage>().map(|message| message.is_some())
            };
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => return,
            }
        }
    }
});
