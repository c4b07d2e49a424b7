//! What the tests share.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use lab::exhibit::{Column, attack};
use lab::matrix::{self, Run};
use lab::stage::Stage;

#[expect(clippy::disallowed_methods, reason = "the edge of the tests")]
pub fn clock_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

pub fn clock_ms() -> u64 {
    clock_us() / 1000
}

/// The stage of all tests that run at the same time: to make its certificates takes longer than most attacks.
pub fn stage() -> Arc<Stage> {
    static SHARED: Mutex<Weak<Stage>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let stage = Arc::new(Stage::new(clock_ms).unwrap());
        *shared = Arc::downgrade(&stage);
        stage
    })
}

/// Runs an attack against the columns that are named and compares.
pub async fn check(name: &str, columns: &[Column]) {
    for column in columns {
        run(name, *column).await;
    }
}

/// Runs an attack against a column and compares.
pub async fn run(name: &str, column: Column) -> Run {
    let run = matrix::run(&stage(), attack(name).unwrap(), column, clock_us).await;
    assert!(run.ok, "{name} against {column}: {:?} and not {:?}: {}", run.outcome, run.expected, run.seen);
    run
}
