//! Verifications are counted where they happen, at a cost that a verification from the cache does not
//! feel: each thread has a line of the processor's cache of its own, and what was counted goes to the
//! recorder once a second.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use metrics::counter;

use super::VERIFICATIONS;

/// How a verification went, and what answered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    /// The current token, from memory.
    Remembered,
    /// The predecessor within the grace, from memory.
    RememberedInGrace,
    /// The current token, as the store says.
    Read,
    /// The predecessor within the grace, as the store says.
    ReadInGrace,
    /// Its bytes are not one of ours: nobody was asked.
    Invalid,
    /// Past its `exp`: nobody was asked.
    Expired,
    /// Its session is over.
    Ended,
    /// It was replaced, and the grace is over.
    Superseded,
    /// The store did not answer.
    Unanswered,
    /// Another mistake: the application's.
    Misused,
}

impl Verification {
    const ALL: [Self; 10] = [
        Self::Remembered,
        Self::RememberedInGrace,
        Self::Read,
        Self::ReadInGrace,
        Self::Invalid,
        Self::Expired,
        Self::Ended,
        Self::Superseded,
        Self::Unanswered,
        Self::Misused,
    ];

    /// Outcome, in the words of `docs/http.md` where it has one, and source.
    fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Remembered => ("accepted", "cache"),
            Self::RememberedInGrace => ("accepted-in-grace", "cache"),
            Self::Read => ("accepted", "store"),
            Self::ReadInGrace => ("accepted-in-grace", "store"),
            Self::Invalid => ("token-invalid", "token"),
            Self::Expired => ("token-expired", "token"),
            Self::Ended => ("session-ended", "store"),
            Self::Superseded => ("token-superseded", "store"),
            Self::Unanswered => ("store-unavailable", "store"),
            Self::Misused => ("misconfigured", "store"),
        }
    }
}

const KINDS: usize = Verification::ALL.len();
const STRIPES: usize = 32;

/// The counts of one `Sessions`.
#[derive(Debug)]
pub(crate) struct Tally {
    stripes: [Stripe; STRIPES],
    /// What the recorder was told of each.
    told: [AtomicU64; KINDS],
}

/// Two lines of the processor's cache: threads that count disturb each other only by chance.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; KINDS]);

impl Tally {
    pub(crate) fn new() -> Self {
        Self { stripes: Default::default(), told: Default::default() }
    }

    pub(crate) fn count(&self, verification: Verification) {
        let stripe = STRIPE.with(|stripe| *stripe);
        self.stripes[stripe].0[verification as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the recorder what was counted since. One caller at a time.
    pub(crate) fn publish(&self) {
        for verification in Verification::ALL {
            let at = verification as usize;
            let counts = self.stripes.iter().map(|stripe| stripe.0[at].load(Ordering::Relaxed));
            let sum = counts.fold(0, u64::wrapping_add);
            let news = sum.wrapping_sub(self.told[at].swap(sum, Ordering::Relaxed));
            let (outcome, source) = verification.labels();
            counter!(VERIFICATIONS, "outcome" => outcome, "source" => source).increment(news);
        }
    }
}

thread_local! {
    /// The stripe of this thread: the first threads have one each.
    static STRIPE: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_place_and_its_own_labels() {
        for (at, verification) in Verification::ALL.into_iter().enumerate() {
            assert_eq!(verification as usize, at);
            let same = |other: &Verification| other.labels() == verification.labels();
            assert_eq!(Verification::ALL.iter().filter(|other| same(other)).count(), 1);
        }
    }
}
