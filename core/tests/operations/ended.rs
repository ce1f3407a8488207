//! `Verified::ended`: whatever stays open learns of the end of its session.

use std::time::Duration;

use logout_all::{
    By, EndReason, Keys, SessionEnd, Sessions, UntilEnded, UserData, UserDirectory, UserId,
    UserState, Verified, testing::TestSessions,
};
use tokio::time::timeout;

/// More than any of this takes on a slow machine.
const SOON: Duration = Duration::from_secs(10);

async fn verified(test: &TestSessions, user: &str) -> Verified {
    let (_, token) = test.sign_in(user).await;
    test.sessions.verify(token.expose().as_bytes()).await.unwrap()
}

async fn end(until: UntilEnded) -> SessionEnd {
    timeout(SOON, until).await.unwrap()
}

/// Another node on the same store, by the same clock.
async fn another_node(test: &TestSessions) -> Sessions {
    let keys = Keys::hs256(b"a key that signs nothing in this test").unwrap();
    let builder = Sessions::builder(test.store.clone(), keys, "https://test.example");
    builder.danger_clock(test.clock.clone()).build().await.unwrap()
}

/// "completes when the session ends for whatever reason", with the reason, and nobody else's does.
#[tokio::test]
async fn every_ending_is_told_with_its_reason() {
    let test = TestSessions::start().await;
    let sessions = &test.sessions;
    let by = || By::operator("test");
    let bystander = verified(&test, "bystander").await;
    let mut bystanding = bystander.ended();

    let session = verified(&test, "ada").await;
    let told = session.ended();
    sessions.logout(&session).await.unwrap();
    assert_eq!(end(told).await, SessionEnd::Ended(EndReason::Logout));

    let (kept, other) = (verified(&test, "ada").await, verified(&test, "ada").await);
    let (mut keeps, told) = (kept.ended(), other.ended());
    sessions.logout_others(&kept, EndReason::Password).await.unwrap();
    assert_eq!(end(told).await, SessionEnd::Ended(EndReason::Password));
    assert!(timeout(Duration::from_millis(50), &mut keeps).await.is_err(), "it stays");
    sessions.logout_all(kept.user_id(), EndReason::Locked, by()).await.unwrap();
    assert_eq!(end(keeps).await, SessionEnd::Ended(EndReason::Locked));

    let oldest = verified(&test, "grace").await.ended();
    for _ in 0..20 {
        test.sign_in("grace").await;
    }
    assert_eq!(end(oldest).await, SessionEnd::Ended(EndReason::Evicted));

    assert!(timeout(Duration::from_millis(50), &mut bystanding).await.is_err(), "it stays");
    sessions.logout_everyone(EndReason::Everyone, by()).await.unwrap();
    assert_eq!(end(bystanding).await, SessionEnd::Ended(EndReason::Everyone));
}

/// "It follows the journal in strict mode too": what another node ends is told here, whether the
/// entry names the session, its user or everybody; who signed in after it is not meant.
#[tokio::test]
async fn what_another_node_ends_is_told_here() {
    let test = TestSessions::start().await;
    let other = another_node(&test).await;
    let ada = UserId::new("ada").unwrap();
    let by = || By::operator("test");

    let session = verified(&test, "ada").await;
    let told = session.ended();
    other.logout_device(&ada, session.guid(), EndReason::Operator, by()).await.unwrap();
    assert_eq!(end(told).await, SessionEnd::Ended(EndReason::Operator));

    let told = verified(&test, "ada").await.ended();
    other.logout_all(&ada, EndReason::Everywhere, by()).await.unwrap();
    // Before this node has read the journal, as a rule.
    let mut anew = verified(&test, "ada").await.ended();
    assert_eq!(end(told).await, SessionEnd::Ended(EndReason::Everywhere));
    let told = verified(&test, "grace").await.ended();
    other.logout_all(&UserId::new("grace").unwrap(), EndReason::Locked, by()).await.unwrap();
    assert_eq!(end(told).await, SessionEnd::Ended(EndReason::Locked));
    assert!(timeout(Duration::from_secs(1), &mut anew).await.is_err(), "it was not meant");

    other.logout_everyone(EndReason::Everyone, by()).await.unwrap();
    assert_eq!(end(anew).await, SessionEnd::Ended(EndReason::Everyone));
}

/// A session that ended between its verification and the wait: nobody tells that a second time.
#[tokio::test]
async fn a_session_that_is_over_already_is_told_at_once() {
    let test = TestSessions::start().await;
    let (session, kept) = (verified(&test, "ada").await, verified(&test, "grace").await);
    // The journal is followed, beyond the entry that matters.
    let _following = kept.ended();
    test.sessions.logout(&session).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(end(session.ended()).await, SessionEnd::Ended(EndReason::Logout));

    let everywhere = verified(&test, "ada").await;
    let by = By::operator("test");
    test.sessions.logout_all(everywhere.user_id(), EndReason::Everywhere, by).await.unwrap();
    assert_eq!(end(everywhere.ended()).await, SessionEnd::Ended(EndReason::Everywhere));
}

/// "an expiry is re-read before it is told": activity on any node has moved it.
#[tokio::test]
async fn an_expiry_is_told_when_it_has_come_and_not_when_it_was_due() {
    let test = TestSessions::start().await;
    let (_, token) = test.sign_in("ada").await;
    let token = token.expose().as_bytes();
    let session = test.sessions.verify(token).await.unwrap();
    let mut told = session.ended();
    test.clock.advance(Duration::from_mins(59));
    let mut renewed = test.sessions.renew(token, logout_all::ClientInfo::default()).await.unwrap();
    for _ in 0..14 {
        test.clock.advance(Duration::from_hours(24));
        let token = renewed.issued.token.expose().as_bytes().to_vec();
        let client = logout_all::ClientInfo::default();
        renewed = test.sessions.renew(&token, client).await.unwrap();
    }
    // The first limit has passed.
    assert!(timeout(Duration::from_secs(2), &mut told).await.is_err(), "it was extended");
    test.clock.advance(Duration::from_hours(24 * 15));
    assert_eq!(end(told).await, SessionEnd::Expired);
}

/// "user not active": a user who is locked without any logout is out once the change is told.
#[tokio::test]
async fn a_user_who_may_not_be_served_any_more_is_out() {
    #[derive(Clone, Default)]
    struct Locked(std::sync::Arc<std::sync::atomic::AtomicBool>);

    impl UserDirectory for Locked {
        async fn find(&self, _: &UserId) -> Result<UserState, logout_all::StoreError> {
            if self.0.load(std::sync::atomic::Ordering::SeqCst) {
                return Ok(UserState::Inactive);
            }
            Ok(UserState::Active(Some(UserData::from_json("{}"))))
        }
    }

    let locked = Locked::default();
    let test = TestSessions::with_users(locked.clone()).await;
    let other = another_node(&test).await;
    for (node, user) in [(&test.sessions, "ada"), (&other, "grace")] {
        locked.0.store(false, std::sync::atomic::Ordering::SeqCst);
        let mut told = verified(&test, user).await.ended();
        node.user_changed(user, By::operator("test")).await.unwrap();
        assert!(timeout(Duration::from_secs(1), &mut told).await.is_err(), "{user} is active");
        locked.0.store(true, std::sync::atomic::Ordering::SeqCst);
        node.user_changed(user, By::operator("test")).await.unwrap();
        assert_eq!(end(told).await, SessionEnd::Ended(EndReason::Locked));
    }
}

/// "Every wait is finite": nobody follows the journal after a shutdown.
#[tokio::test]
async fn a_shutdown_tells_that_nothing_is_known() {
    let test = TestSessions::start().await;
    let session = verified(&test, "ada").await;
    let mut told = session.ended();
    test.sessions.drain();
    assert!(timeout(Duration::from_millis(100), &mut told).await.is_err(), "requests go on");
    test.sessions.shutdown().await;
    assert_eq!(end(told).await, SessionEnd::Unknown);
    assert_eq!(end(session.ended()).await, SessionEnd::Unknown);
}

/// Once told, it says the same to whoever asks again; and it borrows nothing.
#[tokio::test]
async fn it_can_be_kept_and_asked_again() {
    let test = TestSessions::start().await;
    let session = verified(&test, "ada").await;
    let mut told = session.ended();
    test.sessions.logout(&session).await.unwrap();
    drop(session);
    for _ in 0..2 {
        let end = timeout(SOON, &mut told).await.unwrap();
        assert_eq!(end, SessionEnd::Ended(EndReason::Logout));
    }
    tokio::spawn(told).await.unwrap();
}
