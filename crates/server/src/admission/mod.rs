//! Who may try: failed logins are counted by account and by address (SE-9), connections by address.

mod connections;
mod tries;

pub use connections::{ConnectionPermit, Connections};
pub use tries::Tries;
