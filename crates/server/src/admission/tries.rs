//! Login tries within a window (SE-9).

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use session::limits::{LOGIN_FREE_TRIES, LOGIN_WINDOW_MS};

/// Keys remembered at a time; when it is reached, the one whose window is the oldest is forgotten.
const MAX_KEYS: usize = 65_536;

struct Count {
    tries: u32,
    since_ms: u64,
}

impl Count {
    fn over_ms(&self) -> u64 {
        self.since_ms.saturating_add(LOGIN_WINDOW_MS)
    }
}

#[derive(Default)]
struct Counts {
    by_key: HashMap<String, Count>,
    /// The same keys by the start of their windows.
    by_age: BTreeSet<(u64, String)>,
}

/// Counts tries by key: a device's certificate, an account or an address. A try counts from its start, as the peer can
/// tell from the challenge alone whether its password is right; one that ends well is taken back.
#[derive(Default)]
pub struct Tries(Mutex<Counts>);

impl Tries {
    /// Milliseconds until `key` may try again, if it may not now.
    pub fn wait_ms(&self, key: &str, now_ms: u64) -> Option<u64> {
        self.lock().wait_ms(key, now_ms)
    }

    /// Counts a try of `key`.
    ///
    /// # Errors
    /// The milliseconds until it may try again; nothing is counted then.
    pub fn begin(&self, key: &str, now_ms: u64) -> Result<(), u64> {
        let mut counts = self.lock();
        match counts.wait_ms(key, now_ms) {
            Some(wait) => Err(wait),
            None => {
                counts.add(key, now_ms);
                Ok(())
            }
        }
    }

    /// Counts a failure of `key`, however many there are.
    pub fn failed(&self, key: &str, now_ms: u64) {
        self.lock().add(key, now_ms);
    }

    /// Forgets the tries of `key`, which has logged in.
    pub fn succeeded(&self, key: &str) {
        self.lock().remove(key);
    }

    /// Takes back one try of `key`, which ended well; the others stand.
    pub fn take_back(&self, key: &str) {
        let mut counts = self.lock();
        let Some(count) = counts.by_key.get_mut(key) else { return };
        count.tries = count.tries.saturating_sub(1);
        if count.tries == 0 {
            counts.remove(key);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Counts {
    fn wait_ms(&self, key: &str, now_ms: u64) -> Option<u64> {
        let count = self.by_key.get(key)?;
        let over = count.over_ms();
        (count.tries >= LOGIN_FREE_TRIES && now_ms < over).then(|| over - now_ms)
    }

    fn add(&mut self, key: &str, now_ms: u64) {
        if self.by_key.get(key).is_some_and(|c| now_ms >= c.over_ms()) {
            self.remove(key);
        }
        if let Some(count) = self.by_key.get_mut(key) {
            count.tries = count.tries.saturating_add(1);
            return;
        }
        if self.by_key.len() >= MAX_KEYS
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_key.remove(&oldest);
        }
        self.by_key.insert(key.to_owned(), Count { tries: 1, since_ms: now_ms });
        self.by_age.insert((now_ms, key.to_owned()));
    }

    fn remove(&mut self, key: &str) {
        if let Some((key, count)) = self.by_key.remove_entry(key) {
            self.by_age.remove(&(count.since_ms, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_try_waits_until_the_window_is_over() {
        let tries = Tries::default();
        for n in 0..LOGIN_FREE_TRIES {
            assert_eq!(tries.begin("alice", 1000), Ok(()), "try {n}");
        }
        assert_eq!(tries.begin("alice", 1500), Err(LOGIN_WINDOW_MS - 500));
        assert_eq!(tries.wait_ms("alice", 1500), Some(LOGIN_WINDOW_MS - 500));
        assert_eq!(tries.wait_ms("bob", 1500), None);
        assert_eq!(tries.begin("alice", 1000 + LOGIN_WINDOW_MS), Ok(()));
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

    #[test]
    fn a_try_that_is_taken_back_leaves_the_others() {
        let tries = Tries::default();
        for n in 0..100 {
            assert_eq!(tries.begin("here", n), Ok(()), "good try {n}");
            tries.take_back("here");
        }
        for _ in 1..LOGIN_FREE_TRIES {
            tries.failed("here", 200);
        }
        assert_eq!(tries.begin("here", 200), Ok(()));
        tries.take_back("here");
        assert_eq!(tries.begin("here", 200), Ok(()));
        assert!(tries.begin("here", 200).is_err());
    }

    #[test]
    fn a_full_table_forgets_the_oldest_window_alone() {
        let tries = Tries::default();
        for key in ["oldest", "younger"] {
            for _ in 0..LOGIN_FREE_TRIES {
                tries.failed(key, u64::from(key == "younger"));
            }
        }
        for n in 0..MAX_KEYS - 1 {
            tries.failed(&n.to_string(), 2);
        }
        assert_eq!(tries.wait_ms("oldest", 2), None);
        assert!(tries.wait_ms("younger", 2).is_some());
        let counts = tries.lock();
        assert_eq!((counts.by_key.len(), counts.by_age.len()), (MAX_KEYS, MAX_KEYS));
    }
}
