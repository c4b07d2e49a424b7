//! What this device says: signed, stored and synced before it is sent; sent again, byte for byte, until it is answered.
//!
//! - [`mod@write`]: from a draft to a row of the outbox; many drafts share a transaction.
//! - [`mod@push`]: from the outbox to the server, pipelined, in order, one process at a time.
//! - [`rework`]: what the server refused, signed again once every refusal is stored.
//! - [`waiting`]: who waits for what.

mod push;
mod rework;
mod waiting;
mod write;

pub(crate) use push::push;
pub(crate) use waiting::Waiters;
pub use waiting::{Logged, SendHandle};
pub(crate) use write::{Draft, Job, write};
