//! The organisation's own authority: a root, an issuing CA under it (or under an operator's root), and
//! what they issue.

mod error;
mod issuing;
mod operator;
mod profile;
mod root;

pub use error::CaError;
pub use issuing::IssuingCa;
pub use operator::{issuing_ca_request, openssl_extensions};
pub use profile::Validity;
pub use root::RootCa;
