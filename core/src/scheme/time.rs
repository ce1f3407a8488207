//! Instants as stores keep them: microseconds since 1970, and a clock that tests can move.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The wall clock, with an offset that only tests set.
///
/// Clones share the offset. Stores whose clock is the process (memory, SQLite) ask [`now`];
/// stores with a clock of their own add [`offset_micros`] to it in their statements.
///
/// [`now`]: Clock::now
/// [`offset_micros`]: Clock::offset_micros
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_micros: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clock as it is.
    pub fn system() -> Self {
        Self::default()
    }

    /// Now, cut to whole microseconds so that a row reads back equal from every store.
    pub fn now(&self) -> SystemTime {
        from_micros(to_micros(SystemTime::now()).saturating_add(self.offset_micros()))
    }

    /// What tests have moved the clock by, in microseconds; 0 in production.
    pub fn offset_micros(&self) -> i64 {
        self.offset_micros.load(Ordering::SeqCst)
    }

    /// Moves this clock and its clones forward.
    pub fn advance(&self, by: Duration) {
        self.offset_micros.fetch_add(micros(by), Ordering::SeqCst);
    }

    /// Moves this clock and its clones back, as a correction of the machine's time would.
    pub fn set_back(&self, by: Duration) {
        self.offset_micros.fetch_sub(micros(by), Ordering::SeqCst);
    }
}

/// Microseconds since 1970, negative before it, saturating at the ends of `i64`.
pub fn to_micros(at: SystemTime) -> i64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(after) => micros(after),
        Err(before) => -micros(before.duration()),
    }
}

/// The instant that many microseconds after 1970. Beyond what the platform can represent it is
/// 1970: such a row is long expired, which is the safe reading of a damaged value.
pub fn from_micros(at: i64) -> SystemTime {
    let distance = Duration::from_micros(at.unsigned_abs());
    let instant =
        if at >= 0 { UNIX_EPOCH.checked_add(distance) } else { UNIX_EPOCH.checked_sub(distance) };
    instant.unwrap_or(UNIX_EPOCH)
}

/// The same instant without its fraction of a second: what a JWT can say (RFC 7519, section 2,
/// `NumericDate`; ours are integers).
pub fn whole_seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The instant so many seconds after 1970, as a JWT says it.
pub(crate) fn from_seconds(seconds: u64) -> SystemTime {
    from_micros(i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000))
}

/// `at + by`, saturating: no duration that an application configures can make it panic.
pub(crate) fn later(at: SystemTime, by: Duration) -> SystemTime {
    from_micros(to_micros(at).saturating_add(micros(by)))
}

/// How long after `earlier` it is; zero when the clock went back between the two.
pub(crate) fn elapsed(earlier: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(earlier).unwrap_or(Duration::ZERO)
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_a_store() {
        let now = Clock::system().now();
        assert_eq!(from_micros(to_micros(now)), now);
        assert_eq!(to_micros(from_micros(-5)), -5);
        assert_eq!(from_micros(0), UNIX_EPOCH);
    }

    #[test]
    fn clones_share_the_offset() {
        let clock = Clock::system();
        let other = clock.clone();
        let before = other.now();
        clock.advance(Duration::from_hours(1));
        assert!(elapsed(before, other.now()) >= Duration::from_hours(1));
        clock.set_back(Duration::from_hours(2));
        assert!(other.now() < before);
    }

    #[test]
    fn sums_saturate() {
        let far = later(SystemTime::now(), Duration::MAX);
        assert!(far > SystemTime::now());
    }
}
