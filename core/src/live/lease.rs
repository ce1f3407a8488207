//! The lease: until when this node may answer from memory (`docs/consistency.md`, "Lease").

use std::{fmt, time::Duration};

use super::{
    moment::Moment,
    sync::{AtomicU64, Ordering},
};

/// Runs while `now < sent_at(last applied poll) + the length in that poll's answer`.
///
/// Whoever answers from memory asks this **first**, with a moment that was read during the call, and
/// only then looks for what it answers: an entry that was found before is what a node that stopped
/// in between would let in after a logout.
pub(crate) struct Held {
    until: AtomicU64,
}

impl Held {
    pub(crate) fn new() -> Self {
        Self { until: AtomicU64::new(0) }
    }

    pub(crate) fn runs_at(&self, now: Moment) -> bool {
        now < Moment::from_nanos(self.until.load(Ordering::SeqCst))
    }

    /// How long it runs from then on.
    pub(crate) fn left(&self, now: Moment) -> Duration {
        Moment::from_nanos(self.until.load(Ordering::SeqCst)).since(now)
    }

    /// Answers of polls may come in any order: it never becomes shorter by one of them. Called when
    /// all that the answer tells is marked.
    pub(super) fn extend(&self, until: Moment) {
        self.until.fetch_max(until.as_nanos(), Ordering::SeqCst);
    }

    /// Nothing that was known holds any more.
    pub(super) fn end(&self) {
        self.until.store(0, Ordering::SeqCst);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}
