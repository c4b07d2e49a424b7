//! Failed logins within a window (SE-9).

use std::collections::HashMap;
use std::sync::Mutex;

use session::limits::{LOGIN_FREE_TRIES, LOGIN_WINDOW_MS};

/// Keys remembered at a time; when it is passed, those whose window is over are dropped, then all.
const MAX_KEYS: usize = 65_536;

struct Count {
    failures: u32,
    since_ms: u64,
}

/// Counts failures by key: an account's name or an address.
#[derive(Default)]
pub struct Tries(Mutex<HashMap<String, Count>>);

impl Tries {
    /// Milliseconds until `key` may try again, if it may not now.
    pub fn wait_ms(&self, key: &str, now_ms: u64) -> Option<u64> {
        let counts = self.lock();
        let count = counts.get(key)?;
        let over = count.since_ms.saturating_add(LOGIN_WINDOW_MS);
        (count.failures >= LOGIN_FREE_TRIES && now_ms < over).then(|| over - now_ms)
    }

    /// Counts a failure of `key`.
    pub fn failed(&self, key: &str, now_ms: u64) {
        let mut counts = self.lock();
        if counts.len() >= MAX_KEYS {
            counts.retain(|_, c| now_ms < c.since_ms.saturating_add(LOGIN_WINDOW_MS));
            if counts.len() >= MAX_KEYS {
                counts.clear();
            }
        }
        let count = counts.entry(key.to_owned()).or_insert(Count { failures: 0, since_ms: now_ms });
        if now_ms >= count.since_ms.saturating_add(LOGIN_WINDOW_MS) {
            *count = Count { failures: 0, since_ms: now_ms };
        }
        count.failures = count.failures.saturating_add(1);
    }

    /// Forgets the failures of `key`, which has logged in.
    pub fn succeeded(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Count>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_try_waits_until_the_window_is_over() {
        let tries = Tries::default();
        for n in 0..LOGIN_FREE_TRIES {
            assert_eq!(tries.wait_ms("alice", 1000), None, "try {n}");
            tries.failed("alice", 1000);
        }
        assert_eq!(tries.wait_ms("alice", 1500), Some(LOGIN_WINDOW_MS - 500));
        assert_eq!(tries.wait_ms("bob", 1500), None);
        assert_eq!(tries.wait_ms("alice", 1000 + LOGIN_WINDOW_MS), None);
        tries.failed("alice", 1000 + LOGIN_WINDOW_MS);
        assert_eq!(tries.wait_ms("alice", 1001 + LOGIN_WINDOW_MS), None);
    }

    #[test]
    fn a_success_starts_the_count_again() {
        let tries = Tries::default();
        for _ in 0..LOGIN_FREE_TRIES {
            tries.failed("alice", 0);
        }
        tries.succeeded("alice");
        assert_eq!(tries.wait_ms("alice", 1), None);
    }
}
