//! The clock of leases: it counts the time that the machine sleeps as well, or a node that wakes up
//! would believe in a lease that ran out meanwhile (`docs/consistency.md`).

use std::time::Duration;

/// An instant on this machine, in nanoseconds since some start of its own. Never a wall clock's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Before every other.
    pub(crate) const START: Self = Self(0);

    /// Now, read from the machine and never from what a task keeps up to date.
    pub(crate) fn now() -> Self {
        Self(nanoseconds())
    }

    pub(crate) fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn as_micros(self) -> i64 {
        i64::try_from(self.0 / 1000).unwrap_or(i64::MAX)
    }

    pub(super) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub(super) fn as_nanos(self) -> u64 {
        self.0
    }
}

/// What counts suspension: `CLOCK_BOOTTIME` on Linux; on Apple's systems `CLOCK_MONOTONIC` does.
#[cfg(unix)]
fn nanoseconds() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let now = clock_gettime(CLOCK);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Windows: the performance counter, which `Instant` reads, goes on while the machine sleeps.
#[cfg(not(unix))]
fn nanoseconds() -> u64 {
    use std::{sync::LazyLock, time::Instant};
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_and_its_sums_saturate() {
        let before = Moment::now();
        std::thread::sleep(Duration::from_millis(2));
        let now = Moment::now();
        assert!(now.since(before) >= Duration::from_millis(2));
        assert!(now.since(before) < Duration::from_mins(1));
        assert_eq!(before.since(now), Duration::ZERO);
        assert!(now.after(Duration::MAX) > now);
    }
}
