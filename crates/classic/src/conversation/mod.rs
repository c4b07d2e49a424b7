//! What every classic server and client has, whichever protocol it speaks.
//!
//! - [`Event`]: what happens, for whoever watches.
//! - [`Lines`]: what a person, or a script, says.
//! - [`serve()`]: a listener with a task for each connection; [`within`]: a limit of time.

mod deadline;
mod event;
mod lines;
mod serve;

pub use deadline::within;
pub use event::{Event, Reporter, What};
pub use lines::{Lines, Says};
pub use serve::{Stop, serve};

/// Reads the time, in Unix milliseconds; given by the edge.
pub type Clock = fn() -> u64;
