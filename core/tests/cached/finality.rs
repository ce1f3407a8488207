//! "If `logout_all(user)` returned success at time *t*, then every verify or renew that *starts*
//! after *t*, on any node, with a token from a login that began before the logout, is denied."

use std::{
    pin::Pin,
    time::{Duration, SystemTime},
};

use logout_all::{
    AuthError, Before, By, ClientInfo, Denied, DeviceLimit, EndReason, Guid, SessionStore,
    Sessions,
    store::{Ending, Scope},
};

use super::{LEASE, Node, cached, two, user};

type Out = Pin<Box<dyn Future<Output = Result<(), AuthError>> + Send>>;

/// Ends a session that this token is of.
type Way = fn(Sessions, Guid, Vec<u8>) -> Out;

/// The ways to end the session of `ada`, by their names.
fn ways() -> Vec<(&'static str, Way)> {
    vec![
        ("logout", |sessions, _, token| {
            Box::pin(async move {
                let session = sessions.verify(&token).await?;
                sessions.logout(&session).await.map(drop)
            })
        }),
        ("logout_token", |sessions, _, token| {
            Box::pin(async move { sessions.logout_token(&token).await.map(drop) })
        }),
        ("logout_device", |sessions, guid, _| {
            Box::pin(async move {
                let (ada, reason) = (user("ada"), EndReason::Operator);
                sessions.logout_device(&ada, guid, reason, By::Application).await.map(drop)
            })
        }),
        ("logout_all", |sessions, _, _| {
            Box::pin(async move {
                let (ada, reason) = (user("ada"), EndReason::Password);
                sessions.logout_all(&ada, reason, By::Application).await.map(drop)
            })
        }),
        ("logout_others", |sessions, _, _| {
            Box::pin(async move {
                let ticket = sessions.begin_login(Some("ada")).await?;
                let login = sessions.login(ticket, ClientInfo::default(), &()).await?;
                let session = sessions.verify(login.issued.token.expose().as_bytes()).await?;
                sessions.logout_others(&session, EndReason::Others).await.map(drop)
            })
        }),
        ("logout_before", |sessions, _, _| {
            Box::pin(async move {
                let (ada, now) = (user("ada"), Before::SignedIn(SystemTime::now()));
                let (reason, by) = (EndReason::Before, By::Application);
                sessions.logout_before(&ada, now, reason, by).await.map(drop)
            })
        }),
        ("logout_everyone", |sessions, _, _| {
            Box::pin(
                async move { sessions.logout_everyone(EndReason::Everyone, By::Application).await },
            )
        }),
    ]
}

/// A logout on one node is final on the other when it has returned, whichever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_out_is_final_on_the_other_node() {
    let (here, there) = two().await;
    for (name, way) in ways() {
        let (guid, token) = here.sign_in("ada").await;
        there.warm(&token).await;
        here.warm(&token).await;
        way(here.sessions.clone(), guid, token.clone()).await.unwrap();
        assert_eq!(there.denied(&token).await, Some(Denied::SessionEnded), "{name}: there");
        assert_eq!(here.denied(&token).await, Some(Denied::SessionEnded), "{name}: here");
        assert!(there.sessions.renew(&token, ClientInfo::default()).await.is_err(), "{name}");
    }
}

/// The same many times over, with verifications all the while: none that begins after the logout
/// has returned is let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_verification_that_begins_later_is_let_in() {
    let (here, there) = two().await;
    for _ in 0..10 {
        let (_, token) = here.sign_in("ada").await;
        there.warm(&token).await;
        let busy = {
            let (sessions, token) = (there.sessions.clone(), token.clone());
            tokio::spawn(async move {
                while sessions.verify(&token).await.is_ok() {
                    tokio::task::yield_now().await;
                }
            })
        };
        here.sessions
            .logout_all(&user("ada"), EndReason::Everywhere, By::Application)
            .await
            .unwrap();
        assert_eq!(there.denied(&token).await, Some(Denied::SessionEnded));
        busy.await.unwrap();
    }
}

/// A session that ends by reuse of an old token is over on the other node when the thief has his
/// answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reuse_is_final_on_the_other_node() {
    let (here, there) = {
        let door = super::Door::default();
        let quick = |builder: logout_all::SessionsBuilder| {
            let interval = Duration::from_millis(90);
            builder.min_renewal_interval(interval).mode(cached())
        };
        (Node::start_with(&door, quick).await, Node::start_with(&door, quick).await)
    };
    let (_, old) = here.sign_in("ada").await;
    let renewed = here.sessions.renew(&old, ClientInfo::default()).await.unwrap();
    let new = renewed.issued.token.expose().as_bytes().to_vec();
    there.warm(&new).await;
    // The successor is seen, written down, and the window passes.
    tokio::time::sleep(Duration::from_millis(500)).await;
    there.warm(&new).await;
    let thief = here.sessions.renew(&old, ClientInfo::default()).await;
    assert!(matches!(thief, Err(AuthError::Denied(Denied::SessionEnded))), "{thief:?}");
    assert_eq!(there.denied(&new).await, Some(Denied::SessionEnded));
}

/// "No token older than it is accepted any more", also where the session stays and only its
/// predecessor is too old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_predecessor_that_became_too_old_is_final_on_the_other_node() {
    let (here, there) = two().await;
    let (_, old) = here.sign_in("ada").await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let between = SystemTime::now();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let new = here.sessions.renew(&old, ClientInfo::default()).await.unwrap();
    let new = new.issued.token.expose().as_bytes().to_vec();
    assert!(there.warm(&old).await.is_superseded());
    there.warm(&new).await;
    let (ada, before) = (user("ada"), Before::TokenIssued(between));
    let (reason, by) = (EndReason::Before, By::Application);
    let ended = here.sessions.logout_before(&ada, before, reason, by).await.unwrap();
    assert!(ended.guids.is_empty(), "the session stays");
    assert_eq!(there.denied(&old).await, Some(Denied::TokenSuperseded));
    assert_eq!(there.denied(&new).await, None);
}

/// "A DELETE […] typed into psql is final on all nodes one lease after its commit."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_removed_by_hand_is_final_within_a_lease() {
    let (here, there) = two().await;
    let (guid, token) = here.sign_in("ada").await;
    there.warm(&token).await;
    let (reason, by) = (EndReason::ByHand, By::Application);
    let ending = Ending { user: user("ada"), scope: Scope::Device(guid), reason, by };
    here.door.store.end(&ending).await.unwrap();
    tokio::time::sleep(LEASE + LEASE / 100 + Duration::from_millis(5)).await;
    assert_eq!(there.denied(&token).await, Some(Denied::SessionEnded));
}

/// The same where the node cannot read the journal: its lease is over by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_removed_by_hand_is_final_for_a_node_that_reads_nothing() {
    let (here, there) = two().await;
    let (guid, token) = here.sign_in("ada").await;
    there.warm(&token).await;
    there.door.hold_polls();
    let (reason, by) = (EndReason::ByHand, By::Application);
    let ending = Ending { user: user("ada"), scope: Scope::Device(guid), reason, by };
    here.door.store.end(&ending).await.unwrap();
    tokio::time::sleep(LEASE + LEASE / 100 + Duration::from_millis(5)).await;
    assert_eq!(there.denied(&token).await, Some(Denied::SessionEnded));
    there.door.let_polls_go();
}

/// An eviction is journalled, and effective within a lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eviction_reaches_the_other_node_within_a_lease() {
    let door = super::Door::default();
    let one = |builder: logout_all::SessionsBuilder| {
        builder.device_limit(DeviceLimit::Evict(1)).mode(cached())
    };
    let here = Node::start_with(&door, one).await;
    let there = Node::start_with(&door, one).await;
    let (_, first) = here.sign_in("ada").await;
    there.warm(&first).await;
    here.warm(&first).await;
    let (_, second) = here.sign_in("ada").await;
    assert_eq!(here.denied(&first).await, Some(Denied::SessionEnded), "here at once");
    tokio::time::sleep(LEASE + LEASE / 100 + Duration::from_millis(5)).await;
    assert_eq!(there.denied(&first).await, Some(Denied::SessionEnded));
    assert_eq!(there.denied(&second).await, None);
}
