//! Names of rooms (EV-5).

use crate::limits::MAX_ROOM_NAME;

/// A room's name: 1 to 64 bytes of text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoomName(String);

/// Why a text cannot be a room's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRoomName {
    /// Empty, or longer than 64 bytes.
    #[error("a room's name has 1 to {MAX_ROOM_NAME} bytes")]
    Length,
    /// A control character, or white space at an end.
    #[error("a room's name has no control characters and no white space at its ends")]
    Character,
    /// It could be taken for a user or an id.
    #[error("a room's name does not start with @ and is not 64 hexadecimal digits")]
    Ambiguous,
}

impl RoomName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`BadRoomName`].
    pub fn parse(text: &str) -> Result<Self, BadRoomName> {
        // EV-5
        if text.is_empty() || text.len() > MAX_ROOM_NAME {
            return Err(BadRoomName::Length);
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(BadRoomName::Character);
        }
        let looks_like_id = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if text.starts_with('@') || looks_like_id {
            return Err(BadRoomName::Ambiguous);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
