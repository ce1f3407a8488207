//! The law over a history: after a logout that returned success, every verification or renewal that
//! starts later, on any node, with a token from a login that began before the logout, is not
//! accepted. A logout that failed promises nothing. A login that is sent before the logout may begin
//! after it, on a busy node: it counts from when it had begun for certain.

use std::{collections::HashMap, time::Duration};

use crate::history::{Call, Outcome, Session, What};

/// An acceptance after the end, and when the end was.
#[derive(Debug)]
pub(crate) struct Stale {
    pub(crate) call: Call,
    pub(crate) ended: Duration,
}

/// Every call that breaks the law.
///
/// # Panics
/// A call of a session whose login is not in the history: the recorder is wrong.
pub(crate) fn stale(history: &[Call]) -> Vec<Stale> {
    let mut logins: HashMap<&Session, Duration> = HashMap::new();
    let mut logouts: HashMap<&str, Vec<&Call>> = HashMap::new();
    for call in history.iter().filter(|call| call.outcome == Outcome::Accepted) {
        match call.what {
            What::Login => {
                logins.insert(&call.session, call.began);
            }
            What::LogoutDevice | What::LogoutAll => {
                logouts.entry(&call.session.0).or_default().push(call);
            }
            What::Verify | What::Renew => {}
        }
    }
    // From when on a session must be denied: the first return of a logout that covers it.
    let ended = |session: &Session, login: Duration| {
        let covers = |logout: &&&Call| {
            let same = logout.what == What::LogoutAll || logout.session.1 == session.1;
            same && login < logout.start
        };
        logouts.get(session.0.as_str())?.iter().filter(covers).map(|logout| logout.end).min()
    };
    let ends: HashMap<&Session, Duration> = logins
        .iter()
        .filter_map(|(session, login)| Some((*session, ended(session, *login)?)))
        .collect();

    let mut found = Vec::new();
    for call in history {
        if !matches!(call.what, What::Verify | What::Renew) || call.outcome != Outcome::Accepted {
            continue;
        }
        assert!(logins.contains_key(&call.session), "used before its login: {call:?}");
        if let Some(ended) = ends.get(&call.session).filter(|ended| call.start > **ended) {
            found.push(Stale { call: call.clone(), ended: *ended });
        }
    }
    found
}
