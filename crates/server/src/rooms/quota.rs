//! What one device may do in an hour (SE-18, SE-20, SE-21, SE-34, SE-35).

use std::collections::HashMap;

use store::Hash;

const HOUR_MS: u64 = 3_600_000;

/// Counts by device, all within the same hour: what is held is bounded by what an hour brings.
pub(crate) struct HourlyQuota {
    most: u32,
    since_ms: u64,
    used: HashMap<Hash, u32>,
}

impl HourlyQuota {
    /// A quota of `most` for each device.
    pub(crate) fn new(most: u32) -> Self {
        Self { most, since_ms: 0, used: HashMap::new() }
    }

    /// Counts `count` more of `device`.
    ///
    /// # Errors
    /// The milliseconds until it may have them; nothing is counted then.
    pub(crate) fn take(&mut self, device: Hash, count: u32, now_ms: u64) -> Result<(), u64> {
        // Most statements add nobody.
        if count == 0 {
            return Ok(());
        }
        let mut over_ms = self.since_ms.saturating_add(HOUR_MS);
        if now_ms >= over_ms {
            self.used.clear();
            self.since_ms = now_ms;
            over_ms = now_ms.saturating_add(HOUR_MS);
        }
        let used = self.used.entry(device).or_default();
        let wanted = used.saturating_add(count);
        if wanted > self.most {
            return Err(over_ms - now_ms);
        }
        *used = wanted;
        Ok(())
    }

    /// Counts `bytes` more of `device`, in a quota of KiB: what is left over counts as one.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(crate) fn take_bytes(&mut self, device: Hash, bytes: usize, now_ms: u64) -> Result<(), u64> {
        self.take(device, u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX), now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_has_its_own_and_gets_it_anew_after_the_hour() {
        let (ann, bob) = ([1; 32], [2; 32]);
        let mut quota = HourlyQuota::new(3);
        let start = 10 * HOUR_MS;
        assert_eq!(quota.take(ann, 2, start), Ok(()));
        assert_eq!(quota.take(ann, 2, start + 1000), Err(HOUR_MS - 1000));
        assert_eq!(quota.take(ann, 1, start + 1000), Ok(()), "what was refused did not count");
        assert_eq!(quota.take(bob, 3, start + 1000), Ok(()));
        assert_eq!(quota.take(ann, 1, start + HOUR_MS - 1), Err(1));
        assert_eq!(quota.take(ann, 3, start + HOUR_MS), Ok(()));
        assert_eq!(quota.used.len(), 1, "who was counted before is forgotten");
    }

    #[test]
    fn bytes_count_as_whole_kib() {
        let mut quota = HourlyQuota::new(3);
        assert_eq!(quota.take_bytes([1; 32], 0, 0), Ok(()));
        assert_eq!(quota.take_bytes([1; 32], 1025, 0), Ok(()));
        assert_eq!(quota.take_bytes([1; 32], 1025, 0), Err(HOUR_MS));
        assert_eq!(quota.take_bytes([1; 32], 1, 0), Ok(()));
        assert_eq!(quota.take_bytes([1; 32], usize::MAX, 0), Err(HOUR_MS));
    }
}
