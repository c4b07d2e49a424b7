//! Random schedules that follow from their seed on every machine. `COUNTERSIGN_SCHEDULES` is how many a test runs, `COUNTERSIGN_SEED` the
//! first of them.

use std::ops::Range;

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    /// One that rolls what follows from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).expect("a number of sides fits")
    }
}

/// The seeds to run, `count` of them unless the environment says otherwise.
pub fn seeds(count: u64) -> Range<u64> {
    let number = |name: &str, or: u64| {
        std::env::var(name).ok().map_or(or, |text| text.parse().expect("a number of schedules or a seed"))
    };
    let first = number("COUNTERSIGN_SEED", 1);
    first..first + number("COUNTERSIGN_SCHEDULES", count)
}
