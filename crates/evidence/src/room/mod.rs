//! Rooms: id, name, how one is created, and who may add what to its log (EV-3 to EV-5, EV-13 to EV-19).

mod context;
pub(crate) mod creation;
mod keys;
mod name;
mod said;
mod state;

pub use context::{Certificates, Context, Roots, Seen};
pub use creation::{ContentSuite, Creation, MODE_ON_RECORD};
pub use keys::KeyEpoch;
pub use name::{BadRoomName, RoomName};
pub use said::ErasureFault;
pub use state::{Member, MembershipFault, RoomState, Unacceptable};

use crate::hash::Hash;

/// The id of a room, which commits to how it was created (EV-3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(pub Hash);

impl std::fmt::Display for RoomId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for RoomId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoomId({self})")
    }
}

/// Text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a room id: it has 64 hexadecimal digits in lower case")]
pub struct BadRoomId;

impl std::str::FromStr for RoomId {
    type Err = BadRoomId;

    fn from_str(text: &str) -> Result<Self, BadRoomId> {
        let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(BadRoomId)?;
        let id = Self(bytes);
        if id.to_string() == text { Ok(id) } else { Err(BadRoomId) }
    }
}
