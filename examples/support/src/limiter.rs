//! Ten wrong passwords per name and minute, and then none is looked at.
//!
//! What it does against a guesser: counted is what an answer gives away. The decision falls after
//! the hash was compared, so requests at once learn no more than requests in a row, and once ten
//! are wrong the right one is refused like the others. A success takes nothing off the count: or
//! somebody with an account could sign in between two guesses.
//!
//! What it costs: whoever knows a name can keep its owner from signing in, by guessing ten times a
//! minute. Devices that are signed in are not touched (a renewal needs no password), and a signed-in
//! user's own password change is counted apart, so that it stays open while strangers guess. A real
//! application counts clients that have signed in before apart as well, and counts per address; a
//! demo behind an unknown proxy cannot.
//!
//! The counts are this process's own, and gone with it.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use logout_all::{Clock, Problem, UserId};

use crate::password::Outcome;

const FAILURES: usize = 10;
const PERIOD: Duration = Duration::from_mins(1);

/// How many names are counted at once. Beyond, the one whose last failure is the oldest is
/// forgotten: to make a count forgotten, a guesser pays this many hashes.
const NAMES: usize = 16_384;

/// Whose attempts are counted together.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) enum Counter<'a> {
    /// Sign-ins under this name, whether or not there is such a user.
    SignIn(&'a str),
    /// Password changes of this signed-in user: what a thief of a session may guess.
    PasswordChange(&'a UserId),
}

pub(crate) struct Limiter {
    clock: Clock,
    /// Keys are hashes: names are chosen by strangers, and as long as a body may be.
    keys: RandomState,
    failures: Mutex<HashMap<u64, VecDeque<SystemTime>>>,
}

impl Limiter {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, keys: RandomState::new(), failures: Mutex::default() }
    }

    /// Whether an attempt is worth its hash.
    ///
    /// # Errors
    /// [`Problem::TooManyAttempts`].
    pub(crate) fn check(&self, counter: Counter<'_>) -> Result<(), Problem> {
        let key = self.keys.hash_one(counter);
        let mut failures = self.lock();
        let now = self.clock.now();
        failures.get_mut(&key).map_or(Ok(()), |times| allowed(times, now))
    }

    /// Decides after the comparison, and counts.
    ///
    /// # Errors
    /// [`Problem::TooManyAttempts`], also for the right password.
    pub(crate) fn judge(&self, counter: Counter<'_>, outcome: Outcome) -> Result<(), Problem> {
        let key = self.keys.hash_one(counter);
        let mut failures = self.lock();
        let now = self.clock.now();
        if let Some(times) = failures.get_mut(&key) {
            allowed(times, now)?;
        }
        if outcome == Outcome::Wrong {
            if failures.len() >= NAMES && !failures.contains_key(&key) {
                make_room(&mut failures, now);
            }
            failures.entry(key).or_default().push_back(now);
        }
        Ok(())
    }

    // Every change below is one push or one removal: a poisoned lock still guards whole counts.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, VecDeque<SystemTime>>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what is older than the period, then says whether there is room for one more.
fn allowed(times: &mut VecDeque<SystemTime>, now: SystemTime) -> Result<(), Problem> {
    times.retain(|at| left(*at, now) > Duration::ZERO);
    match times.front() {
        Some(oldest) if times.len() >= FAILURES => {
            let wait = left(*oldest, now).as_millis().div_ceil(1000);
            let retry_after_seconds = u64::try_from(wait).unwrap_or(1).max(1);
            Err(Problem::TooManyAttempts { retry_after_seconds })
        }
        _ => Ok(()),
    }
}

/// How long a failure still counts. A clock that was set back must not lock anybody out for as long
/// as that, and one that was set back a little must not forgive.
fn left(at: SystemTime, now: SystemTime) -> Duration {
    let age = match now.duration_since(at) {
        Ok(age) => age,
        Err(ahead) if ahead.duration() < PERIOD => Duration::ZERO,
        Err(_) => PERIOD,
    };
    PERIOD.saturating_sub(age)
}

fn make_room(failures: &mut HashMap<u64, VecDeque<SystemTime>>, now: SystemTime) {
    failures.retain(|_, times| times.back().is_some_and(|at| left(*at, now) > Duration::ZERO));
    if failures.len() >= NAMES {
        let oldest = failures.iter().min_by_key(|(_, times)| times.back().copied());
        if let Some(key) = oldest.map(|(key, _)| *key) {
            failures.remove(&key);
        }
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Counter<'_> = Counter::SignIn("ada");

    fn failed(limiter: &Limiter, times: usize) {
        for _ in 0..times {
            limiter.judge(ADA, Outcome::Wrong).unwrap();
        }
    }

    fn seconds(refusal: Result<(), Problem>) -> Option<u64> {
        match refusal {
            Err(Problem::TooManyAttempts { retry_after_seconds }) => Some(retry_after_seconds),
            _ => None,
        }
    }

    /// "ten failures per name and minute, then 429, right password or not"
    #[test]
    fn ten_failures_a_minute_and_then_the_right_one_is_refused_too() {
        let clock = Clock::system();
        let limiter = Limiter::new(clock.clone());
        failed(&limiter, FAILURES);
        assert!(seconds(limiter.check(ADA)).is_some_and(|left| (59..=60).contains(&left)));
        assert!(limiter.judge(ADA, Outcome::Right).is_err());
        assert!(limiter.judge(ADA, Outcome::Wrong).is_err());
        assert!(limiter.check(Counter::SignIn("grace")).is_ok(), "others are not touched");

        clock.advance(Duration::from_secs(50));
        assert!(seconds(limiter.check(ADA)).is_some_and(|left| (9..=10).contains(&left)));
        clock.advance(Duration::from_secs(11));
        assert!(limiter.judge(ADA, Outcome::Right).is_ok());
    }

    /// Any minute, and not the minutes of a clock on the wall.
    #[test]
    fn the_minute_slides() {
        let clock = Clock::system();
        let limiter = Limiter::new(clock.clone());
        failed(&limiter, 5);
        clock.advance(Duration::from_secs(40));
        failed(&limiter, 5);
        clock.advance(Duration::from_secs(25));
        failed(&limiter, 5);
        assert!(limiter.check(ADA).is_err(), "ten of them are from this minute");
    }

    #[test]
    fn a_success_takes_nothing_off() {
        let limiter = Limiter::new(Clock::system());
        for _ in 0..FAILURES {
            limiter.judge(ADA, Outcome::Right).unwrap();
            failed(&limiter, 1);
        }
        assert!(limiter.judge(ADA, Outcome::Right).is_err());
    }

    /// Forty requests that were all let in before the first was compared.
    #[test]
    fn requests_at_once_learn_no_more_than_ten_answers() {
        let limiter = Limiter::new(Clock::system());
        let told = (0..40).filter(|_| limiter.judge(ADA, Outcome::Wrong).is_ok()).count();
        assert_eq!(told, FAILURES);
    }

    #[test]
    fn a_stranger_who_guesses_does_not_close_the_password_change() {
        let limiter = Limiter::new(Clock::system());
        failed(&limiter, FAILURES);
        let ada = UserId::new("ada").unwrap();
        assert!(limiter.check(Counter::PasswordChange(&ada)).is_ok());
    }

    #[test]
    fn a_clock_that_goes_back_neither_locks_out_nor_forgives() {
        let clock = Clock::system();
        let limiter = Limiter::new(clock.clone());
        failed(&limiter, FAILURES);
        clock.set_back(Duration::from_secs(2));
        assert!(limiter.check(ADA).is_err());
        clock.set_back(Duration::from_hours(2));
        assert!(limiter.check(ADA).is_ok());
    }

    #[test]
    fn names_are_bounded_and_those_in_use_are_kept() {
        let limiter = Limiter::new(Clock::system());
        for number in 0..NAMES + 10 {
            if number % 1000 == 0 && number < 10_000 {
                failed(&limiter, 1);
            }
            if number + 20 == NAMES {
                limiter.judge(Counter::SignIn("late"), Outcome::Wrong).unwrap();
            }
            limiter.judge(Counter::SignIn(&number.to_string()), Outcome::Wrong).unwrap();
        }
        let failures = limiter.lock();
        assert_eq!(failures.len(), NAMES);
        let kept = |name| failures.contains_key(&limiter.keys.hash_one(Counter::SignIn(name)));
        assert!(kept("ada") && kept("late") && !kept("0"));
    }
}
