//! What client and server say inside the channel: login, commands, replies and events (docs/session.md).
//!
//! - [`message`]: requests, replies and events, and the codec that frames them.
//! - [`login`]: OPAQUE registration and login, both sides.
//! - [`link`]: invite links.
//! - [`limits`]: every number that both sides rely on.
//!
//! Called by `server` and `client`; holds no socket, clock or runtime.

pub mod limits;
pub mod link;
pub mod login;
pub mod message;
