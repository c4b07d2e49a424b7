//! What goes into the store and comes out of it.

mod account;
mod device;
mod directory;
mod health;
mod history;
mod import;
mod key;
mod log;
mod receipt;
mod recovery;
mod room;

pub use account::{Account, Enrolment, Invite, NewAccount, NewInvite, OpaqueRecord, Role};
pub use device::{Device, DeviceEnrolment, DeviceLink, DeviceLinkState, NewDevice, NewDeviceLink};
pub use directory::{
    Certificate, DirectoryAppend, DirectoryEntry, DirectoryHead, DirectoryLeaf, LeafKind, NewCertificate,
    Revocation,
};
pub use health::{Depth, Problem, Report};
pub use history::{History, NewHistory};
pub use import::{Import, ImportEnrolment, NewImport};
pub use key::{BlobPiece, KeyPackageCount, NewPiece, PieceOutcome};
pub use log::{Entry, NewEntry, RoomAppend, RoomHead};
pub use receipt::{Equivocation, FinalRefusal, NewEquivocation, NewReceipt, Receipt, ReceiptOutcome};
pub use recovery::Recovery;
pub use room::{Member, MemberChange, NewRoom, Room, RoomListing};
