//! What tests need and the product does not have: peers that say anything, databases of other makers. Development only.
//!
//! - [`authority`]: certificates without a server.
//! - [`browser`]: a Chromium for one test.
//! - [`clear`]: rooms that a server reads, as earlier versions made them.
//! - [`database`]: a MariaDB server for one test.
//! - [`dice`]: schedules that follow from a seed.
//! - [`peer`]: one end of a session by hand, request by request.
//! - [`program`]: a Python program that a test talks to.
//! - [`member`]: an enrolled user that signs whatever a test wants signed.
//! - [`sealed`]: one with keys of encrypted rooms.

#![expect(clippy::expect_used, clippy::panic, reason = "a test's helper fails the test")]

pub mod authority;
pub mod browser;
pub mod clear;
pub mod database;
pub mod dice;
pub mod member;
pub mod peer;
pub mod program;
pub mod sealed;
