//! The checker over histories made by hand.

use std::time::Duration;

use crate::{
    checker::stale,
    exact::{self, Answered, Asked, is_linearizable},
    history::{Call, Outcome, What},
};

fn call(what: What, device: &str, start: u64, end: u64, outcome: Outcome) -> Call {
    let session = ("ada".to_owned(), device.to_owned());
    let (start, end) = (Duration::from_millis(start), Duration::from_millis(end));
    Call { node: 0, session, what, start, began: end, end, outcome }
}

fn well(what: What, device: &str, start: u64, end: u64) -> Call {
    call(what, device, start, end, Outcome::Accepted)
}

/// How many calls are stale, after two logins that lasted from 0 to 10.
fn found(calls: impl IntoIterator<Item = Call>) -> usize {
    let logins = [well(What::Login, "one", 0, 10), well(What::Login, "two", 0, 10)];
    stale(&logins.into_iter().chain(calls).collect::<Vec<_>>()).len()
}

pub(crate) fn an_acceptance_that_starts_after_the_return_is_found() {
    for what in [What::Verify, What::Renew] {
        for logout in [What::LogoutDevice, What::LogoutAll] {
            let logout = well(logout, "one", 20, 30);
            assert_eq!(found([logout.clone(), well(what.clone(), "one", 31, 32)]), 1);
            // The order in which they were recorded is nothing.
            assert_eq!(found([well(what.clone(), "one", 31, 32), logout.clone()]), 1);
            assert_eq!(
                found([logout.clone(), call(what.clone(), "one", 31, 32, Outcome::Denied)]),
                0
            );
            assert_eq!(found([logout, call(what.clone(), "one", 31, 32, Outcome::Failed)]), 0);
        }
    }
}

pub(crate) fn a_call_that_overlaps_the_logout_may_be_accepted() {
    let logout = well(What::LogoutAll, "one", 20, 30);
    assert_eq!(found([logout.clone(), well(What::Verify, "one", 25, 90)]), 0);
    assert_eq!(found([logout, well(What::Verify, "one", 30, 90)]), 0, "not later than the return");
}

pub(crate) fn a_failed_logout_promises_nothing_and_its_retry_does() {
    let failed = call(What::LogoutAll, "one", 20, 30, Outcome::Failed);
    assert_eq!(found([failed.clone(), well(What::Verify, "one", 31, 32)]), 0);
    let retry = well(What::LogoutAll, "one", 40, 50);
    assert_eq!(found([failed, retry, well(What::Verify, "one", 51, 52)]), 1);
}

pub(crate) fn the_first_return_counts() {
    let logouts = [well(What::LogoutAll, "one", 20, 80), well(What::LogoutDevice, "one", 21, 30)];
    assert_eq!(found(logouts.into_iter().chain([well(What::Verify, "one", 31, 32)])), 1);
}

pub(crate) fn a_device_ends_alone_and_all_end_together() {
    let other = well(What::Verify, "two", 31, 32);
    assert_eq!(found([well(What::LogoutDevice, "one", 20, 30), other.clone()]), 0);
    assert_eq!(found([well(What::LogoutAll, "one", 20, 30), other]), 1);
}

pub(crate) fn a_login_that_began_after_the_logout_is_not_covered() {
    let calls = |start, began| {
        let login = well(What::Login, "three", start, 35);
        [
            well(What::LogoutAll, "one", 20, 30),
            Call { began: Duration::from_millis(began), ..login },
            well(What::Verify, "three", 36, 37),
        ]
    };
    assert_eq!(found(calls(25, 27)), 0);
    assert_eq!(found(calls(15, 25)), 0, "sent before it, and begun perhaps after it");
    assert_eq!(found(calls(12, 15)), 1);
}

fn exact(client: usize, asked: Asked, answered: Answered, start: u64, end: u64) -> exact::Call {
    let (start, end) = (Duration::from_millis(start), Duration::from_millis(end));
    exact::Call { client, asked, answered, start, end }
}

/// Two devices that signed in from 0 to 10, and then these calls.
fn may_be(calls: impl IntoIterator<Item = exact::Call>) -> bool {
    let signed_in = [0, 1].map(|device| {
        let at = device as u64 * 5;
        exact(0, Asked::SignIn(device), Answered::Well, at, at + 4)
    });
    is_linearizable(&signed_in.into_iter().chain(calls).collect::<Vec<_>>())
}

fn token(name: &str) -> Answered {
    Answered::Token(name.to_owned())
}

pub(crate) fn what_a_single_server_might_have_answered_is_linearizable() {
    use Answered::{Denied, Well};
    let logout = || exact(1, Asked::LogoutAll(0), Well, 20, 40);
    // During a logout either may be, in one order.
    assert!(may_be([logout(), exact(2, Asked::Verify(1), Well, 22, 25)]));
    assert!(may_be([logout(), exact(2, Asked::Verify(1), Denied, 22, 25)]));
    assert!(may_be([
        logout(),
        exact(2, Asked::Verify(1), Well, 21, 24),
        exact(2, Asked::Verify(1), Denied, 25, 30),
    ]));
    // One rotation, whoever asks for it.
    assert!(may_be([
        exact(1, Asked::Renew(0), token("new"), 20, 30),
        exact(2, Asked::Renew(0), token("new"), 21, 29),
        exact(2, Asked::Verify(0), Well, 31, 32),
        exact(1, Asked::LogoutDevice(0), Well, 33, 34),
        exact(1, Asked::Renew(0), Denied, 35, 36),
        exact(2, Asked::Verify(1), Well, 35, 36),
        exact(2, Asked::LogoutAll(0), Denied, 37, 38),
    ]));
    // The ends of two devices by one another, at once.
    assert!(may_be([
        exact(1, Asked::LogoutAll(0), Well, 20, 30),
        exact(2, Asked::LogoutAll(1), Well, 21, 29),
    ]));
}

pub(crate) fn what_no_single_server_would_have_answered_is_not() {
    use Answered::{Denied, Well};
    let logout = || exact(1, Asked::LogoutDevice(0), Well, 20, 40);
    // The interval law, in its sharp form: also *during* the logout nobody is let in after a denial.
    assert!(!may_be([logout(), exact(2, Asked::Verify(0), Well, 41, 42)]));
    assert!(!may_be([
        logout(),
        exact(2, Asked::Verify(0), Denied, 21, 24),
        exact(3, Asked::Verify(0), Well, 25, 30),
    ]));
    // Nobody is denied without an end.
    assert!(!may_be([exact(2, Asked::Verify(0), Denied, 11, 12)]));
    assert!(!may_be([logout(), exact(2, Asked::Verify(1), Denied, 41, 42)]));
    assert!(!may_be([logout(), exact(2, Asked::LogoutDevice(0), Denied, 41, 42)]));
    // Whoever is signed out signs nobody out.
    assert!(!may_be([logout(), exact(2, Asked::LogoutAll(0), Well, 41, 42)]));
    // Two renewals of one token have one successor.
    assert!(!may_be([
        exact(1, Asked::Renew(0), token("new"), 20, 30),
        exact(2, Asked::Renew(0), token("another"), 21, 29),
    ]));
}
