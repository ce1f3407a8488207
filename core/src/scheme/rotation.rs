//! The two decisions of the scheme as pure functions of one snapshot: V1 to V4 for `verify`, R1
//! to R5 for `renew` (`docs/scheme.md` has the same tables for users). No clock is read here and
//! nothing is written; what the decision asks for is done by compare-and-swap verbs of the store,
//! and a lost race is decided again on a fresh snapshot.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Denied, Policy, Recovery, RefTokId, SessionRow, Snapshot, UserState, time};

/// What `verify` finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// V2: the current token.
    Current,
    /// V3: the direct predecessor, within the grace.
    Superseded,
    /// V1 or V4.
    Denied(Denied),
}

/// What `renew` has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// R1: swap the refTokID.
    Rotate {
        /// The new token's times.
        times: TokenTimes,
        /// The row's new end, if it moves.
        extension: Option<SystemTime>,
    },
    /// R1c: hand out the row's token again.
    Coalesce {
        /// Fresh times, if the row's token is spent.
        remint: Option<TokenTimes>,
    },
    /// R2: hand out the successor that the presented token already has.
    Replay {
        /// Fresh times, if the successor is spent.
        remint: Option<TokenTimes>,
    },
    /// R3: nobody has shown that they received the successor; hand it out anew.
    Recover {
        /// The successor's fresh times.
        times: TokenTimes,
    },
    /// R4: a token that was replaced and whose successor is in use: theft.
    Reuse,
    /// R5.
    Denied(Denied),
}

/// What a renewal did, as the header `Session-Renewal` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RenewalKind {
    /// R1.
    Rotated,
    /// R1c.
    Coalesced,
    /// R2.
    Replayed,
    /// R3.
    Recovered,
}

impl RenewalKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotated => "rotated",
            Self::Coalesced => "coalesced",
            Self::Replayed => "replayed",
            Self::Recovered => "recovered",
        }
    }
}

/// When a token is made and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTimes {
    /// The exact instant, on the store's clock; `iat` is this in whole seconds.
    pub issued_at: SystemTime,
    /// `exp`: a whole second, never past the session's absolute end.
    pub expires_at: SystemTime,
}

impl TokenTimes {
    /// The times of a token made at `now`; none if it would be spent at once, because the session
    /// ends within the second.
    pub fn at(now: SystemTime, lifetime: Duration, absolute_end: SystemTime) -> Option<Self> {
        let end = time::later(now, lifetime).min(absolute_end);
        let expires_at = UNIX_EPOCH + Duration::from_secs(time::whole_seconds(end));
        (expires_at > now).then_some(Self { issued_at: now, expires_at })
    }
}

/// V1 to V4. It never asks for a write: a verification ends no session.
pub(crate) fn verdict(policy: &Policy, snapshot: &Snapshot, presented: RefTokId) -> Verdict {
    let Some(row) = live_row(snapshot) else {
        return Verdict::Denied(Denied::SessionEnded);
    };
    if row.ref_tok_id == presented {
        return Verdict::Current;
    }
    let in_grace = row.rotated_at.is_some_and(|at| policy.within_grace(at, snapshot.now));
    if row.prev_ref_tok_id == Some(presented) && in_grace {
        return Verdict::Superseded;
    }
    Verdict::Denied(Denied::TokenSuperseded)
}

/// R1 to R5. `seen_here` is when this node first saw the row's current token, if that is still on
/// its way to the store.
pub(crate) fn renewal(
    policy: &Policy,
    snapshot: &Snapshot,
    presented: RefTokId,
    seen_here: Option<SystemTime>,
) -> Renewal {
    let Some(row) = live_row(snapshot) else {
        return Renewal::Denied(Denied::SessionEnded);
    };
    let now = snapshot.now;
    let fresh = TokenTimes::at(now, policy.token_lifetime, row.absolute_end());
    let Some(times) = fresh else {
        return Renewal::Denied(Denied::SessionEnded);
    };
    let remint = (row.token_expires_at <= now).then_some(times);

    if row.ref_tok_id == presented {
        return if may_rotate(policy, row, now) {
            Renewal::Rotate { times, extension: row.extension(now) }
        } else {
            Renewal::Coalesce { remint }
        };
    }
    let (Some(previous), Some(rotated_at)) = (row.prev_ref_tok_id, row.rotated_at) else {
        return Renewal::Reuse;
    };
    if previous != presented {
        return Renewal::Reuse;
    }
    let seen_at = row.confirmed_at.or(seen_here);
    let seen_just_now = seen_at.is_some_and(|at| time::elapsed(at, now) < policy.window);
    if policy.within_grace(rotated_at, now) || seen_just_now {
        return Renewal::Replay { remint };
    }
    let recoverable = match policy.recovery {
        Recovery::UntilSeen => true,
        Recovery::Within(limit) => time::elapsed(rotated_at, now) <= limit,
        Recovery::Never => false,
    };
    match seen_at {
        None if recoverable => Renewal::Recover { times },
        // Without grace and recovery, tabs that renew at once would else be thieves to each other.
        None if time::elapsed(rotated_at, now) < policy.window => Renewal::Replay { remint },
        _ => Renewal::Reuse,
    }
}

/// Whether the current token may be replaced: the last rotation, recovery or re-mint is at least
/// the interval ago. A login is none of these, so generation 0 always may.
pub(crate) fn may_rotate(policy: &Policy, row: &SessionRow, now: SystemTime) -> bool {
    row.generation == 0 || time::elapsed(row.token_issued_at, now) >= policy.interval
}

/// V1 and R5, checked before everything else.
pub(crate) fn live_row(snapshot: &Snapshot) -> Option<&SessionRow> {
    if matches!(snapshot.user, UserState::Inactive) {
        return None;
    }
    snapshot.row.as_ref().filter(|row| row.is_live(snapshot.epochs, snapshot.now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::{Epochs, Guid, PolicyDraft, UserId};

    const INTERVAL: u64 = 60;
    const GRACE: u64 = 10;
    const WINDOW: u64 = 20;
    const LIFETIME: u64 = 3600;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + secs(1_800_000_000)
    }

    fn policy(recovery: Recovery) -> Policy {
        let draft = PolicyDraft {
            grace: Some(super::super::Grace::of(secs(GRACE))),
            window: Some(secs(WINDOW)),
            recovery: Some(recovery),
            ..PolicyDraft::default()
        };
        draft.resolve().unwrap()
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Shown {
        Current,
        Previous,
        Older,
    }
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum State {
        Live,
        Absent,
        Expired,
        UserEpochBehind,
        GlobalEpochBehind,
        UserInactive,
    }
    /// One line of the table: everything that the decision may depend on.
    #[derive(Clone, Copy, Debug)]
    struct Case {
        shown: Shown,
        state: State,
        generation: u64,
        /// Seconds since the last token of this refTokID was made.
        issued_ago: u64,
        rotated_ago: u64,
        seen_ago: Option<u64>,
        seen_here_ago: Option<u64>,
        row_token_spent: bool,
        recovery: Recovery,
    }

    fn snapshot(case: Case) -> (Snapshot, RefTokId) {
        let ids = [RefTokId::random(), RefTokId::random(), RefTokId::random()];
        let rotated = case.generation > 0;
        let epochs = Epochs { user: 7, global: 3 };
        let row = SessionRow {
            user: UserId::new(1).unwrap(),
            guid: Guid::random(),
            ref_tok_id: ids[0],
            prev_ref_tok_id: rotated.then_some(ids[1]),
            generation: case.generation,
            epoch: epochs.user - i64::from(case.state == State::UserEpochBehind),
            global_epoch: epochs.global - i64::from(case.state == State::GlobalEpochBehind),
            created_at: now() - secs(86_400),
            auth_time: now() - secs(86_400),
            rotated_at: rotated.then(|| now() - secs(case.rotated_ago)),
            token_issued_at: now() - secs(case.issued_ago),
            token_expires_at: if case.row_token_spent { now() } else { now() + secs(5) },
            confirmed_at: case.seen_ago.map(|ago| now() - secs(ago)),
            last_seen_at: now() - secs(100),
            user_agent: None,
            ip: None,
            label: None,
            limits: PolicyDraft::default().resolve().unwrap().limits(),
            expires_at: if case.state == State::Expired { now() } else { now() + secs(86_400) },
        };
        let presented = match case.shown {
            Shown::Current => ids[0],
            Shown::Previous => ids[1],
            Shown::Older => ids[2],
        };
        let user = match case.state {
            State::UserInactive => UserState::Inactive,
            _ => UserState::Active(None),
        };
        let row = (case.state != State::Absent).then_some(row);
        (Snapshot { now: now(), epochs, row, user }, presented)
    }

    /// The table of the docs, read line by line, independently of the code above.
    fn expected(case: Case) -> &'static str {
        if case.state != State::Live {
            return "ended";
        }
        let direct_predecessor = case.shown == Shown::Previous && case.generation > 0;
        let seen = match (case.seen_ago, case.seen_here_ago) {
            (Some(ago), _) | (None, Some(ago)) => Some(ago),
            (None, None) => None,
        };
        match case.shown {
            Shown::Current if case.generation == 0 || case.issued_ago >= INTERVAL => "rotate",
            Shown::Current if case.row_token_spent => "coalesce anew",
            Shown::Current => "coalesce",
            _ if !direct_predecessor => "reuse",
            _ if case.rotated_ago < GRACE || seen.is_some_and(|ago| ago < WINDOW) => {
                if case.row_token_spent { "replay anew" } else { "replay" }
            }
            _ if seen.is_some() => "reuse",
            _ => match case.recovery {
                Recovery::UntilSeen => "recover",
                Recovery::Within(limit) if secs(case.rotated_ago) <= limit => "recover",
                _ if case.rotated_ago < WINDOW && case.row_token_spent => "replay anew",
                _ if case.rotated_ago < WINDOW => "replay",
                _ => "reuse",
            },
        }
    }

    fn all_cases() -> Vec<Case> {
        let mut cases = Vec::new();
        let states = [
            State::Live,
            State::Absent,
            State::Expired,
            State::UserEpochBehind,
            State::GlobalEpochBehind,
            State::UserInactive,
        ];
        let seen = [None, Some(0), Some(WINDOW - 1), Some(WINDOW), Some(3000)];
        let recoveries = [Recovery::UntilSeen, Recovery::Within(secs(300)), Recovery::Never];
        for shown in [Shown::Current, Shown::Previous, Shown::Older] {
            for state in states {
                for generation in [0, 1, 9] {
                    for issued_ago in [0, INTERVAL - 1, INTERVAL, 4000] {
                        for rotated_ago in [0, GRACE - 1, GRACE, 300, 301] {
                            for (seen_ago, seen_here_ago) in
                                seen.iter().flat_map(|a| seen.iter().map(move |b| (*a, *b)))
                            {
                                for row_token_spent in [true, false] {
                                    for recovery in recoveries {
                                        cases.push(Case {
                                            shown,
                                            state,
                                            generation,
                                            issued_ago,
                                            rotated_ago,
                                            seen_ago,
                                            seen_here_ago,
                                            row_token_spent,
                                            recovery,
                                        });
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        cases
    }

    /// "The renewal decision is one pure function": every line of R1 to R5.
    #[test]
    fn renewal_follows_the_table() {
        let cases = all_cases();
        assert!(cases.len() > 100_000, "{} cases", cases.len());
        for case in cases {
            let (snapshot, presented) = snapshot(case);
            let seen_here = case.seen_here_ago.map(|ago| now() - secs(ago));
            let decision = renewal(&policy(case.recovery), &snapshot, presented, seen_here);
            let found = match decision {
                Renewal::Rotate { times, .. } => {
                    assert_eq!(times.issued_at, now());
                    assert_eq!(times.expires_at, now() + secs(LIFETIME));
                    "rotate"
                }
                Renewal::Coalesce { remint: None } => "coalesce",
                Renewal::Coalesce { remint: Some(_) } => "coalesce anew",
                Renewal::Replay { remint: None } => "replay",
                Renewal::Replay { remint: Some(_) } => "replay anew",
                Renewal::Recover { .. } => "recover",
                Renewal::Reuse => "reuse",
                Renewal::Denied(Denied::SessionEnded) => "ended",
                Renewal::Denied(_) => "another denial",
            };
            assert_eq!(found, expected(case), "{case:?}");
        }
    }

    /// "Verify never ends a session", and accepts the current token, and the direct predecessor
    /// within the grace.
    #[test]
    fn verdict_follows_the_table() {
        for case in all_cases() {
            let (snapshot, presented) = snapshot(case);
            let verdict = verdict(&policy(case.recovery), &snapshot, presented);
            let wanted = match case.shown {
                _ if case.state != State::Live => Verdict::Denied(Denied::SessionEnded),
                Shown::Current => Verdict::Current,
                Shown::Previous if case.generation > 0 && case.rotated_ago < GRACE => {
                    Verdict::Superseded
                }
                _ => Verdict::Denied(Denied::TokenSuperseded),
            };
            assert_eq!(verdict, wanted, "{case:?}");
        }
    }

    #[test]
    fn no_grace_means_the_old_token_stops_at_the_rotation() {
        let draft =
            PolicyDraft { grace: Some(super::super::Grace::none()), ..PolicyDraft::default() };
        assert!(!draft.resolve().unwrap().within_grace(now(), now()));
    }

    #[test]
    fn no_token_outlives_the_absolute_end_and_none_is_born_spent() {
        let end = now() + Duration::from_millis(2500);
        let times = TokenTimes::at(now(), secs(LIFETIME), end).unwrap();
        assert_eq!(times.expires_at, now() + secs(2));
        let late = now() + Duration::from_millis(2100);
        assert_eq!(TokenTimes::at(late, secs(LIFETIME), end), None);
    }
}
