//! Statements, Merkle log, checkpoints, receipts, bundles, verification (`docs/evidence.md`).
//!
//! - [`content`]: what was said, its commitment, openings.
//! - [`cose`]: signed objects. [`statement`], [`membership`], [`erasure`], [`entry`], [`receipt`], [`refusal`] have their
//!   kinds.
//! - [`room`]: ids, and the rules by which entries follow each other.
//! - [`log`]: the Merkle tree. [`checkpoint`]: signed tree heads. [`directory`]: the log of certificates.
//! - [`mls`]: what shows of a room's group messages.
//! - [`relation`]: what messages say of earlier ones, and what comes of that.
//! - [`bundle`]: exported evidence, written and verified. [`verdict`]: what came of it, for people and programs.
//!
//! Nothing here reads a clock or opens anything: times, bytes and readers are passed in. Called by server, client
//! and the offline verifier, which must agree.

pub mod bundle;
pub mod checkpoint;
pub mod content;
pub mod cose;
pub mod directory;
pub mod entry;
pub mod erasure;
mod hash;
pub mod limits;
pub mod log;
pub mod membership;
pub mod mls;
pub mod receipt;
pub mod refusal;
pub mod relation;
pub mod room;
pub mod statement;
pub mod verdict;

pub use hash::Hash;
