//! Alerts before there are records (CH-60 to CH-63).

use wire::frame::{FrameType, Header};

use crate::schedule::handshake::HandshakeKey;
use crate::schedule::seal::TAG_SIZE;
use crate::schedule::transcript::Th1;
use crate::{Alert, Error, LocalFailure, Malformed, Misbehaviour};

/// Size of a clear alert's body in bytes.
pub(crate) const CLEAR_SIZE: usize = 1;
const PLAINTEXT_SIZE: usize = 64;
/// Size of a sealed alert's body in bytes.
pub(crate) const SEALED_SIZE: usize = PLAINTEXT_SIZE + TAG_SIZE;

const SEALED_HEADER: Header =
    Header { frame_type: FrameType::SealedAlert, epoch: 0, length: SEALED_SIZE as u16 };
const CLEAR_HEADER: Header =
    Header { frame_type: FrameType::ClearAlert, epoch: 0, length: CLEAR_SIZE as u16 };

/// A clear alert's frame.
pub(crate) fn clear(alert: Alert) -> Vec<u8> {
    let mut frame = CLEAR_HEADER.to_bytes().to_vec();
    frame.push(alert.code());
    frame
}

/// The error that a clear alert is.
pub(crate) fn received_clear(body: &[u8]) -> Error {
    let alert = body.first().map_or(Alert::Unspecified, |code| Alert::from_code(*code));
    Error::Alert { alert, authenticated: false }
}

/// A sealed alert's frame. The last act of a connection, so its number under `key` is used once.
pub(crate) fn seal(alert: Alert, key: &HandshakeKey, th1: &Th1) -> Result<Vec<u8>, LocalFailure> {
    let mut plaintext = [0; PLAINTEXT_SIZE];
    if let Some(code) = plaintext.first_mut() {
        *code = alert.code();
    }
    let tag = key.seal_alert(&associated(th1), &mut plaintext)?;
    let mut frame = SEALED_HEADER.to_bytes().to_vec();
    frame.extend_from_slice(&plaintext);
    frame.extend_from_slice(&tag);
    Ok(frame)
}

/// The error that a sealed alert is, or that its seal or form is.
pub(crate) fn received_sealed(mut body: Vec<u8>, key: &HandshakeKey, th1: &Th1) -> Error {
    if key.open_alert(&associated(th1), &mut body).is_err() {
        return Misbehaviour::BadSeal.into();
    }
    match body.split_first() {
        Some((code, pad)) if pad.iter().all(|byte| *byte == 0) => {
            Error::Alert { alert: Alert::from_code(*code), authenticated: true }
        }
        _ => Malformed::SealedAlert.into(),
    }
}

fn associated(th1: &Th1) -> Vec<u8> {
    [&SEALED_HEADER.to_bytes()[..], th1.as_bytes()].concat()
}
