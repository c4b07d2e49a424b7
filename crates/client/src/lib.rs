//! The SDK: a home on disk, a running client, and what it tells.
//!
//! - [`join`], [`join_device`], [`recover`]: from a link to a [`Home`].
//! - [`Client`]: connects, follows rooms, sends, and does it again after whatever heals by itself.
//! - [`Event`], [`TimelineItem`]: what happens, and what was said.
//! - [`ExportOptions`]: evidence of a room, for [`Client::export`].
//!
//! Below: `vault` (what is stored, sealed), `connection` (one TCP connection and its channel), `account` (login and
//! enrolment), `certificates` (whose keys are accepted), `directory` (where they were entered), `room` (a log, verified whole before anything of it is shown),
//! `mls` (the keys of rooms), `file` (files that are sealed apart from messages), `history` (what a user's devices keep for each other), `recovery` (a device on paper), `outbox` (what is said and not answered yet), `engine` (the tasks that drive them).
//!
//! Called by the command line and by whoever builds on it. Runs on tokio; clock and sockets are read here.

mod account;
mod certificates;
mod client;
mod clock;
mod connection;
mod directory;
mod engine;
mod error;
mod event;
mod export;
mod file;
mod history;
mod home;
mod mls;
mod outbox;
mod platform;
mod recovery;
mod reply;
mod room;
mod timeline;
mod vault;

pub use account::{Joiner, Progress, join, join_device};
pub use client::{
    Client, ClientOptions, Compared, Contradiction, Device, DeviceRequest, Invite, InviteSummary,
    MemberDevice, Outgoing, Person, PersonDevice, Queued, RoomSummary, User, Voucher,
};
pub use clock::{Clock, system_clock};
pub use connection::{Address, ConnectionError};
pub use directory::DirectoryNews;
pub use error::ClientError;
pub use event::{Event, Events};
pub use export::{Disclose, ExportOptions, Exported};
pub use file::{Fetched, FileToSend, Transfer, Upload};
pub use home::Home;
pub use outbox::{Logged, SendHandle};
pub use recovery::{BadCode, RecoveryCode, RecoverySheet, recover};
pub use timeline::{MessageState, TimelineItem, What};
pub use vault::VaultError;

/// The MLS ciphersuite of encrypted rooms (docs/group.md, GR-1), by the name that the library gives it.
pub const CIPHERSUITE: &str = "MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519";
