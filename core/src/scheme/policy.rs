//! The numbers of the scheme, their defaults, and the contradictions that are refused.

use std::time::Duration;

use super::{Usage, time::elapsed};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// How long `verify` still accepts the token that was just replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace(Duration);

impl Grace {
    /// That long after the rotation.
    pub const fn of(duration: Duration) -> Self {
        Self(duration)
    }

    /// The literal scheme: the old token stops at the very moment of the rotation.
    pub const fn none() -> Self {
        Self(Duration::ZERO)
    }
}

/// Until when a client that never got the answer to its renewal may ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// Until somebody presented the successor: a lost answer never logs anyone out.
    UntilSeen,
    /// The same, and no longer than this after the rotation.
    Within(Duration),
    /// Not at all after the grace: one lost answer counts as theft.
    Never,
}

/// What happens when a token that was replaced long ago is renewed: somebody has a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reuse {
    /// End that device session.
    EndDevice,
    /// End every session of the user.
    EndAll,
    /// Deny this request and only raise the event.
    DenyOnly,
}

/// How many devices of one user may be signed in at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceLimit {
    /// At most this many; a new login ends the least recently seen.
    Evict(u32),
    /// At most this many; a new login beyond is refused.
    Refuse(u32),
    /// Any number.
    Unlimited,
}

/// What a new login does to the sessions that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Nothing: it fits.
    Fits,
    /// That many, the least recently seen, make room.
    Evict(usize),
    /// The login is refused.
    Refuse,
}

impl DeviceLimit {
    /// What one more login does where `live` sessions are there already.
    pub fn overflow(self, live: usize) -> Overflow {
        let room = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        match self {
            Self::Evict(limit) if live >= room(limit) => Overflow::Evict(live + 1 - room(limit)),
            Self::Refuse(limit) if live >= room(limit) => Overflow::Refuse,
            _ => Overflow::Fits,
        }
    }
}

/// Whether the cookie outlives the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It does ("remember me"): `Max-Age` is sent.
    Persistent,
    /// It ends with the browser: no `Max-Age`.
    BrowserSession,
}

/// One session's own limits, fixed at its login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Dead after this long without activity.
    pub idle: Duration,
    /// Dead this long after the login, whatever happens.
    pub absolute: Duration,
    /// Whether the cookie outlives the browser.
    pub persistence: Persistence,
}

/// The resolved numbers. Made by [`PolicyDraft::resolve`] alone, so that they never contradict.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) token_lifetime: Duration,
    pub(crate) limits: Limits,
    pub(crate) interval: Duration,
    pub(crate) grace: Duration,
    pub(crate) window: Duration,
    pub(crate) recovery: Recovery,
    pub(crate) reuse: Reuse,
    pub(crate) device_limit: DeviceLimit,
    pub(crate) granularity: Duration,
    pub(crate) leeway: Duration,
}

impl Policy {
    /// How long a token lasts.
    pub fn token_lifetime(&self) -> Duration {
        self.token_lifetime
    }

    /// The limits of a session whose login says nothing else.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether one login's own limits agree with the rest.
    ///
    /// # Errors
    /// [`Usage::OutOfRange`] as at the builder.
    pub fn admits(&self, limits: Limits) -> Result<(), Usage> {
        let mut refusals = Vec::new();
        check_limits(self.token_lifetime, limits, &mut refusals);
        refused(&refusals)
    }

    pub(crate) fn within_grace(
        &self,
        rotated_at: std::time::SystemTime,
        now: std::time::SystemTime,
    ) -> bool {
        elapsed(rotated_at, now) < self.grace
    }
}

/// What the application has set; what it has not takes its default, which may follow from the rest.
#[derive(Clone, Debug, Default)]
pub struct PolicyDraft {
    pub(crate) token_lifetime: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) absolute: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    pub(crate) grace: Option<Grace>,
    pub(crate) window: Option<Duration>,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) reuse: Option<Reuse>,
    pub(crate) device_limit: Option<DeviceLimit>,
    pub(crate) granularity: Option<Duration>,
    pub(crate) leeway: Option<Duration>,
}

impl PolicyDraft {
    /// Fills in the defaults and refuses contradictions (`docs/scheme.md`, "Defaults").
    ///
    /// # Errors
    /// [`Usage::OutOfRange`] with every contradiction in one text.
    pub fn resolve(&self) -> Result<Policy, Usage> {
        let lifetime = self.token_lifetime.unwrap_or(60 * MINUTE);
        let limits = Limits {
            idle: self.idle.unwrap_or(14 * DAY),
            absolute: self.absolute.unwrap_or(90 * DAY),
            persistence: Persistence::Persistent,
        };
        let interval = self.interval.unwrap_or(MINUTE.min(lifetime / 4));
        let third = interval / 3;
        let short = Duration::from_secs(10).min(third);
        let grace = self.grace.map_or(short, |grace| grace.0);
        let window = self.window.unwrap_or(short);
        let device_limit = self.device_limit.unwrap_or(DeviceLimit::Evict(20));
        let leeway = self.leeway.unwrap_or(Duration::ZERO);

        let mut refusals = Vec::new();
        let mut refuse = |when: bool, why: String| {
            if when {
                refusals.push(why);
            }
        };
        refuse(
            interval >= lifetime / 2,
            format!(
                "the minimum renewal interval ({interval:?}) must be shorter than half the token \
                 lifetime ({lifetime:?}), or clients could not renew in time"
            ),
        );
        refuse(
            grace > third,
            format!(
                "the grace ({grace:?}) must be at most a third of the minimum renewal interval \
                 ({interval:?}), or a late request could present a token that is two rotations old"
            ),
        );
        refuse(
            window.is_zero() || window > third,
            format!(
                "the window ({window:?}) must be more than zero and at most a third of the minimum \
                 renewal interval ({interval:?}): tabs that renew at once need it"
            ),
        );
        refuse(
            matches!(device_limit, DeviceLimit::Evict(0) | DeviceLimit::Refuse(0)),
            "the device limit must be at least 1, or nobody could sign in".to_owned(),
        );
        refuse(
            leeway > Duration::from_mins(5),
            format!("the leeway on `exp` ({leeway:?}) must be at most 300 s"),
        );
        check_limits(lifetime, limits, &mut refusals);
        refused(&refusals)?;

        Ok(Policy {
            token_lifetime: lifetime,
            limits,
            interval,
            grace,
            window,
            recovery: self.recovery.unwrap_or(Recovery::UntilSeen),
            reuse: self.reuse.unwrap_or(Reuse::EndDevice),
            device_limit,
            granularity: self.granularity.unwrap_or(MINUTE),
            leeway,
        })
    }
}

fn check_limits(lifetime: Duration, limits: Limits, refusals: &mut Vec<String>) {
    // A JWT counts whole seconds: a shorter life could be over before it began.
    if lifetime < Duration::from_secs(1) {
        refusals.push(format!("the token lifetime ({lifetime:?}) must be at least 1 s"));
    }
    if lifetime > limits.idle {
        refusals.push(format!(
            "the token lifetime ({lifetime:?}) must not be longer than the idle limit ({:?})",
            limits.idle
        ));
    }
    if limits.idle > limits.absolute {
        refusals.push(format!(
            "the idle limit ({:?}) must not be longer than the absolute limit ({:?})",
            limits.idle, limits.absolute
        ));
    }
    if limits.absolute > 36_525 * DAY {
        refusals.push("the absolute limit must be at most 100 years".to_owned());
    }
}

fn refused(refusals: &[String]) -> Result<(), Usage> {
    if refusals.is_empty() { Ok(()) } else { Err(Usage::OutOfRange(refusals.join("; ").into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps)] // what a draft holds
    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn the_defaults_are_those_of_the_docs() {
        let policy = PolicyDraft::default().resolve().unwrap();
        assert_eq!(policy.token_lifetime, Duration::from_hours(1));
        assert_eq!(policy.limits.idle, 14 * DAY);
        assert_eq!(policy.limits.absolute, 90 * DAY);
        assert_eq!(policy.interval, Duration::from_mins(1));
        assert_eq!(policy.grace, Duration::from_secs(10));
        assert_eq!(policy.window, Duration::from_secs(10));
        assert_eq!(policy.recovery, Recovery::UntilSeen);
        assert_eq!(policy.reuse, Reuse::EndDevice);
        assert_eq!(policy.device_limit, DeviceLimit::Evict(20));
        assert_eq!(policy.granularity, Duration::from_mins(1));
        assert_eq!(policy.leeway, Duration::ZERO);
    }

    #[test]
    fn short_lifetimes_shorten_what_follows_from_them() {
        let draft = PolicyDraft { token_lifetime: seconds(60), ..PolicyDraft::default() };
        let policy = draft.resolve().unwrap();
        assert_eq!(policy.interval, Duration::from_secs(15));
        assert_eq!(policy.grace, Duration::from_secs(5));
        assert_eq!(policy.window, Duration::from_secs(5));
    }

    #[test]
    fn contradictions_are_refused_and_named() {
        let base = PolicyDraft::default;
        let none = Some(Duration::ZERO);
        for (draft, word) in [
            (PolicyDraft { token_lifetime: none, ..base() }, "token lifetime"),
            (PolicyDraft { idle: seconds(60), ..base() }, "idle limit"),
            (PolicyDraft { absolute: seconds(3600 * 24), ..base() }, "absolute limit"),
            (PolicyDraft { absolute: Some(DAY * 40_000), ..base() }, "100 years"),
            (PolicyDraft { interval: seconds(1800), ..base() }, "renewal interval"),
            (PolicyDraft { grace: Some(Grace::of(Duration::from_secs(21))), ..base() }, "grace"),
            (PolicyDraft { window: none, ..base() }, "window"),
            (PolicyDraft { window: seconds(21), ..base() }, "window"),
            (PolicyDraft { device_limit: Some(DeviceLimit::Evict(0)), ..base() }, "device limit"),
            (PolicyDraft { device_limit: Some(DeviceLimit::Refuse(0)), ..base() }, "device limit"),
            (PolicyDraft { leeway: seconds(301), ..base() }, "leeway"),
        ] {
            let refusal = draft.resolve().unwrap_err().to_string();
            assert!(refusal.contains(word), "{refusal}");
        }
        let none = PolicyDraft { grace: Some(Grace::none()), ..base() };
        assert_eq!(none.resolve().unwrap().grace, Duration::ZERO);
    }

    #[test]
    fn the_limit_makes_room_for_exactly_one() {
        assert_eq!(DeviceLimit::Evict(20).overflow(19), Overflow::Fits);
        assert_eq!(DeviceLimit::Evict(20).overflow(20), Overflow::Evict(1));
        assert_eq!(DeviceLimit::Evict(20).overflow(25), Overflow::Evict(6));
        assert_eq!(DeviceLimit::Refuse(1).overflow(1), Overflow::Refuse);
        assert_eq!(DeviceLimit::Unlimited.overflow(1_000_000), Overflow::Fits);
    }
}
