//! The moments around each commit of a vault, and the end at one of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Moments until the end; 0 if it is not to come.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// This process ends at the moment with this number from now on, the first being 1; at none if it is 0.
pub fn end_at(moment: usize) {
    LEFT.store(moment, Ordering::SeqCst);
}

/// Listens to the vault and to nothing else.
pub struct Moments;

impl Subscriber for Moments {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("client::vault")
    }

    fn event(&self, _: &Event<'_>) {
        let left = LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left == Ok(1) {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
