//! `kill -9` at every write of a vault: whatever a home was about, it goes on.
//!
//! A vault is written by transactions alone, so the states that a kill can leave are as many as they, times two: all that was done up to a
//! transaction and not the transaction itself, and the transaction with nothing of what follows from it, above all nothing of what it was to allow to be
//! sent. A process of its own (`victim`) does something with a home while the server and the others of a room run here, and ends itself by SIGKILL right
//! before its first commit, in the next run right after it, then before the second, until a run comes to its end (`life`, `parts`). It is a kill, of a
//! process, in an order of writes, requests and answers that has happened, and no copy of a home taken meanwhile: a copy that is older than what the server
//! was sent is another thing (docs/group.md, GR-22). The moments are those that the vault traces around each commit, which costs it nothing
//! when nobody listens; SQLite has a hook for the first of the two and none for the second.

#![expect(clippy::unwrap_used, reason = "clippy.toml exempts test functions and not what they call")]

#[path = "../common/mod.rs"]
mod common;
mod life;
mod moment;
mod parts;
mod victim;
