//! Checkpoints: C2SP signed notes over tree heads, and timestamped cosignatures (EV-24 to EV-27).

mod cosignature;
mod note;

pub use cosignature::{COSIGNATURE_LEN, Cosignature, cosigner_name, device_name};
pub use note::{BadCheckpoint, SignedCheckpoint};
use pki::Organisation;

use crate::log::TreeHead;
use crate::room::RoomId;

/// Which log a checkpoint is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    organisation: Organisation,
    line: String,
}

impl Origin {
    /// The log of a room: `ORG/rooms/ROOM`.
    pub fn room(organisation: &Organisation, room: RoomId) -> Self {
        Self { organisation: organisation.clone(), line: format!("{organisation}/rooms/{room}") }
    }

    /// The directory: `ORG/directory`.
    pub fn directory(organisation: &Organisation) -> Self {
        Self { organisation: organisation.clone(), line: format!("{organisation}/directory") }
    }

    /// The origin line, which is also the name of the log's key.
    pub fn as_str(&self) -> &str {
        &self.line
    }

    /// The organisation whose log it is.
    pub fn organisation(&self) -> &Organisation {
        &self.organisation
    }
}

/// What a checkpoint says: this log has this many entries under this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Size and root.
    pub head: TreeHead,
}
