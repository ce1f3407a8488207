//! Chance that can be repeated: the seed is printed, and may be given.

use std::time::{SystemTime, UNIX_EPOCH};

/// A number that repeats a run.
const SEED: &str = "LOGOUT_ALL_SEED";

/// `SplitMix64`: small, and good enough to choose where a connection breaks.
pub(crate) struct Dice(u64);

impl Dice {
    /// The seed that was given, or one of the clock's.
    pub(crate) fn seed() -> u64 {
        if let Ok(given) = std::env::var(SEED) {
            return given.parse().expect("LOGOUT_ALL_SEED is a number");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_secs() ^ u64::from(now.subsec_nanos())
    }

    /// One of many that have a seed in common.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed ^ number.rotate_left(32));
        dice.roll();
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to one less than the bound, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}
