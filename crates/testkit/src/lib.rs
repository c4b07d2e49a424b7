//! What tests need and the product does not have: peers that say anything. Development only.
//!
//! - [`peer`]: one end of a session by hand, request by request.
//! - [`member`]: an enrolled user that signs whatever a test wants signed.

#![expect(clippy::expect_used, reason = "a test's helper fails the test")]

pub mod member;
pub mod peer;
