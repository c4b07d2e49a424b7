//! A hand that passes on everything but some of a client's messages.

use crate::capture::End;
use crate::tap::{Act, Hand};

/// What to do with a client's message; what it gives `None` for is passed on, as is all that the server sends.
pub(super) struct Relay<F>(pub F);

impl<F: FnMut(&[u8]) -> Option<Vec<Act>> + Send> Hand for Relay<F> {
    fn message(&mut self, from: End, message: &[u8]) -> Vec<Act> {
        let acts = if from == End::Client { (self.0)(message) } else { None };
        acts.unwrap_or_else(|| vec![Act::On(message.to_vec())])
    }
}
