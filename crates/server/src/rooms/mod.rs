//! Rooms: from a statement that arrives to an acknowledged entry that is on its way to everybody.
//!
//! - [`Submission`], [`verify`]: signatures are checked on all cores, off the I/O path.
//! - [`sequencer`]: the one task that orders entries, appends them in one transaction, acknowledges and fans out.
//! - [`keys`]: what shows of the group messages of encrypted rooms.
//! - [`append`]: one transaction, then acknowledgement, then fan-out.
//! - [`room`]: a room in memory: state, tree, what was refused.
//! - [`quota`]: what one device may do in an hour.
//! - [`hub`]: who is connected.
//! - [`query`]: what connections ask of rooms without the sequencer.

mod append;
mod hub;
mod keys;
mod query;
mod quota;
mod room;
mod sequencer;
mod verify;

pub(crate) use append::STATEMENT;
pub(crate) use hub::{Hub, Inbox, Outbound, Session, outbound};
pub(crate) use keys::named;
pub(crate) use query::{check_receipt, direct_parties, members_now};
pub(crate) use quota::HourlyQuota;
pub(crate) use room::LogCertificates;
pub(crate) use sequencer::{Sequencer, SequencerParts};
pub(crate) use verify::{Said, Submission};
