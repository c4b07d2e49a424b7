//! Who may try: login tries are counted by device, account and address (SE-9), connections by kind and address.

mod connections;
mod tries;

pub use connections::{ConnectionPermit, Connections, Pool};
pub use tries::Tries;
