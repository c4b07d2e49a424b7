//! The account: joining, new devices, login, and what administrators do.

mod enrolment;
mod imported;
mod login;

pub use enrolment::{Joiner, Progress, join, join_device};
pub(crate) use enrolment::{ask, connect_to, name};
pub(crate) use login::{LoggedIn, challenge, log_in};
