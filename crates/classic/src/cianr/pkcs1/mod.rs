//! The handshake of `cianr-pkcs1`: certificates, chat keys, and credentials in a frame of bare ciphertext (CL-30).

pub mod client;
pub mod message;
pub mod server;
