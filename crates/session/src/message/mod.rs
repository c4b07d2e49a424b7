//! Requests, replies and events, arrays of a number and fields (SE-3), and the codec that frames them (SE-1 to SE-4).

mod codec;
mod command;
mod record;
mod reply;

pub use codec::{MessageDecoder, MessageError, encode};
pub use command::{Command, Request, Role};
pub use record::{
    DeviceInfo, Entry, HistoryBox, HistoryKeysGiven, HistoryPiece, InviteInfo, KnownCertificate,
    PendingDevice, ProvenLeaf, ReceiptItem, RoomInfo, SealedRecovery, UserInfo,
};
pub use reply::{Event, FailureCode, Reply, ServerMessage};
