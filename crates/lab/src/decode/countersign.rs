//! Frames of Countersign (channel.md, CH-1 and CH-2): kind, epoch and size is all that there is to see.

use super::{Field, Readable, octets};

/// Size of a frame's header, in bytes.
const HEADER: usize = 7;

pub(super) fn read(bytes: &[u8]) -> Readable {
    let header = bytes.split_first_chunk::<HEADER>();
    let Some(([kind, e0, e1, e2, e3, high, low], body)) = header else { return unknown(bytes) };
    let (name, learnt) = match kind {
        1 => ("M1", "somebody connects; who, it does not say"),
        2 => ("M2", "a server answers; its certificate is sealed, the size bounds the length of its chain"),
        3 => (
            "M3",
            "the client finishes; its certificate, if it has one, is sealed and does not show in the size",
        ),
        4 => ("clear alert", "the connection fails, and why"),
        5 => ("sealed alert", "the connection ends; why is sealed"),
        6 => ("record", "a time, a direction and a size class; kind, sender and text are sealed"),
        _ => return unknown(bytes),
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if body.len() != length {
        return unknown(bytes);
    }
    let mut fields = Vec::new();
    if *kind == 6 {
        let epoch = u32::from_be_bytes([*e0, *e1, *e2, *e3]);
        fields.push(Field { name: "epoch".to_owned(), value: epoch.to_string() });
    }
    fields.push(Field { name: "length".to_owned(), value: format!("{length} bytes") });
    Readable { name: name.to_owned(), fields, learnt: vec![learnt.to_owned()] }
}

fn unknown(bytes: &[u8]) -> Readable {
    let fields = vec![Field { name: "bytes".to_owned(), value: octets(bytes) }];
    Readable { name: "no frame of Countersign".to_owned(), fields, learnt: Vec::new() }
}
