//! The handshake of `cianr-pss`: certificates, credentials, chat key (CL-21, CL-22).

pub mod client;
pub mod message;
pub mod server;
