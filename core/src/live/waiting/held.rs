//! What was passed over for a lock: it rests apart, and is tried again.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use crate::scheme::RefTokId;

/// How long what was passed over rests before it is tried again: so long at first, and twice as long
/// each time, up to the second, and no shorter than trying it took. That is longer than a renewal holds a
/// row, and short beside the second within which a confirmation reaches the store: what arrives
/// meanwhile waits as long, and may be passed over twice.
///
/// It rests apart from the others, which are taken first then; a quarter of a batch is for what has
/// rested.
pub(super) const RESTS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(160)];

/// Which of the touches were passed over for a lock. Some may wait no more, for they were taken at
/// another place.
#[derive(Debug)]
pub(super) struct Held {
    /// They rest until then.
    resting: HashSet<RefTokId>,
    until: Instant,
    /// They have rested, and are tried again.
    rested: Vec<RefTokId>,
    /// Some of these are in the batch that is on its way.
    trying: bool,
    /// When these went on.
    woken: Instant,
    /// How long the next rest is.
    rest: Duration,
}

impl Held {
    /// All rest together: from now where this is the first, or others are being tried again, which may
    /// take several batches; else until those do that rest already.
    pub(super) fn push(&mut self, token: RefTokId, now: Instant) {
        if self.trying {
            self.until = now + self.rest.max(now.duration_since(self.woken));
        } else if self.resting.is_empty() {
            self.until = now + self.rest;
        }
        self.resting.insert(token);
    }

    /// Those that have rested by now: how many wait to be tried again.
    pub(super) fn rested(&mut self, now: Instant) -> usize {
        self.wake(now);
        self.trying = !self.rested.is_empty();
        self.rested.len()
    }

    /// One of these.
    pub(super) fn pop(&mut self) -> Option<RefTokId> {
        self.rested.pop()
    }

    /// How long there is nothing to try; none while there is.
    pub(super) fn rests_for(&self, now: Instant) -> Option<Duration> {
        self.rested.is_empty().then(|| self.until.saturating_duration_since(now))
    }

    /// Those that have rested go on; what is passed over again rests longer.
    fn wake(&mut self, now: Instant) {
        match (self.resting.is_empty(), self.rested.is_empty()) {
            (true, true) => self.rest = RESTS[0],
            (false, true) if self.until <= now => {
                self.rested.extend(self.resting.drain());
                self.rest = (self.rest * 2).min(RESTS[1]);
                self.woken = now;
            }
            _ => {}
        }
    }
}

impl Default for Held {
    fn default() -> Self {
        Self {
            resting: HashSet::new(),
            until: Instant::now(),
            rested: Vec::new(),
            trying: false,
            woken: Instant::now(),
            rest: RESTS[0],
        }
    }
}
