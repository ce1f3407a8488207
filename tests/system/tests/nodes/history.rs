//! What was called and what came, and the law over it: nobody is let in by a call that *started* after
//! a logout had *returned*, with a token of a login that had returned before the logout began.
//!
//! Intervals, and no order guessed inside them: a call that overlaps the logout may go either way.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;

/// A session: the user, and which of the user's logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) user: usize,
    pub(crate) login: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Login(Session),
    /// A verification or a renewal.
    Use(Session),
    LogOut(Session),
    LogOutEverywhere {
        user: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Let in; for a logout: it reported success.
    Well,
    Denied,
    /// 503 or no answer: it promises nothing.
    Failed,
}

/// Instants are this machine's monotonic clock's: all processes of a test are on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) node: usize,
    pub(crate) what: What,
    pub(crate) outcome: Outcome,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// Records while it is shared by all clients.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Vec<Call>>);

impl Recorder {
    pub(crate) async fn call(
        &self,
        node: usize,
        what: What,
        call: impl Future<Output = Outcome>,
    ) -> Outcome {
        let began = Instant::now();
        let outcome = call.await;
        let call = Call { node, what, outcome, began, ended: Instant::now() };
        self.0.lock().unwrap().push(call);
        outcome
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap().clone()
    }
}

/// Every use that was let in though its session had been ended before it began, with that logout.
pub(crate) fn violations(calls: &[Call]) -> Vec<(Call, Call)> {
    let mut found = Vec::new();
    let done = |call: &&Call| call.outcome == Outcome::Well;
    let logins = |session| {
        let of_session = move |call: &&Call| call.what == What::Login(session);
        calls.iter().filter(done).find(of_session)
    };
    for used in calls.iter().filter(done) {
        let What::Use(session) = used.what else { continue };
        let Some(login) = logins(session) else { continue };
        let ends = |call: &&Call| match call.what {
            What::LogOut(gone) => gone == session,
            What::LogOutEverywhere { user } => user == session.user,
            What::Login(_) | What::Use(_) => false,
        };
        let before = |call: &&Call| login.ended <= call.began && call.ended <= used.began;
        found.extend(calls.iter().filter(done).filter(ends).find(before).map(|end| (*end, *used)));
    }
    found
}

/// The judge is judged: by histories that are made by hand.
pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 4] = [
        ("history::a_use_after_a_logout_is_found", a_use_after_a_logout_is_found),
        ("history::what_overlaps_may_go_either_way", what_overlaps_may_go_either_way),
        ("history::a_failed_logout_promises_nothing", a_failed_logout_promises_nothing),
        ("history::others_sessions_are_others", others_sessions_are_others),
    ];
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    tests.map(trial).into_iter().collect()
}

const ADAS: Session = Session { user: 1, login: 1 };

/// Calls with their times in milliseconds.
fn history(calls: &[(What, Outcome, u64, u64)]) -> Vec<Call> {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let call = |(what, outcome, began, ended): &(What, Outcome, u64, u64)| Call {
        node: 0,
        what: *what,
        outcome: *outcome,
        began: at(*began),
        ended: at(*ended),
    };
    calls.iter().map(call).collect()
}

fn found(calls: &[(What, Outcome, u64, u64)]) -> usize {
    violations(&history(calls)).len()
}

fn a_use_after_a_logout_is_found() {
    for end in [What::LogOut(ADAS), What::LogOutEverywhere { user: 1 }] {
        let login = (What::Login(ADAS), Outcome::Well, 0, 1);
        let logout = (end, Outcome::Well, 2, 5);
        assert_eq!(found(&[login, logout, (What::Use(ADAS), Outcome::Well, 5, 6)]), 1);
        assert_eq!(found(&[login, logout, (What::Use(ADAS), Outcome::Denied, 5, 6)]), 0);
    }
}

fn what_overlaps_may_go_either_way() {
    let login = (What::Login(ADAS), Outcome::Well, 0, 1);
    let logout = (What::LogOutEverywhere { user: 1 }, Outcome::Well, 2, 5);
    assert_eq!(found(&[login, logout, (What::Use(ADAS), Outcome::Well, 4, 9)]), 0);
    let during = (What::Login(ADAS), Outcome::Well, 1, 3);
    assert_eq!(found(&[during, logout, (What::Use(ADAS), Outcome::Well, 6, 7)]), 0);
}

fn a_failed_logout_promises_nothing() {
    let login = (What::Login(ADAS), Outcome::Well, 0, 1);
    let failed = (What::LogOut(ADAS), Outcome::Failed, 2, 5);
    let used = (What::Use(ADAS), Outcome::Well, 9, 10);
    assert_eq!(found(&[login, failed, used]), 0);
    let retried = (What::LogOut(ADAS), Outcome::Well, 6, 8);
    assert_eq!(found(&[login, failed, retried, used]), 1);
}

fn others_sessions_are_others() {
    let second = Session { user: 1, login: 2 };
    let another = Session { user: 2, login: 1 };
    let logins = [ADAS, second, another].map(|of| (What::Login(of), Outcome::Well, 0, 1));
    let logout = (What::LogOut(ADAS), Outcome::Well, 2, 5);
    let uses = [second, another].map(|of| (What::Use(of), Outcome::Well, 6, 7));
    assert_eq!(found(&[&logins[..], &[logout], &uses].concat()), 0);
    let everywhere = (What::LogOutEverywhere { user: 1 }, Outcome::Well, 2, 5);
    assert_eq!(found(&[&logins[..], &[everywhere], &uses].concat()), 1);
}
