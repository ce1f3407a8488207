//! The lease and the polls: lost, regained, forged, and asked for by nobody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use logout_all::{By, EndReason, SessionStore};
use uuid::Uuid;

use super::{Door, LEASE, Node, cached, two, user};

/// "No answer, no lease: the node goes on in strict mode and reports it"; and it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_answers_there_is_no_lease() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    node.warm(&token).await;
    node.door.hold_polls();
    tokio::time::sleep(LEASE + Duration::from_millis(20)).await;
    for _ in 0..10 {
        assert!(node.asks(&token).await, "its lease is over");
    }
    node.until_told("LeaseLost").await;
    assert_eq!(node.was_told("LeaseBack"), 0);
    node.door.let_polls_go();
    node.until_told("LeaseBack").await;
    node.warm(&token).await;
}

/// An answer that was sent for long ago counts from when it was sent for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_gives_no_lease() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    node.warm(&token).await;
    node.door.delay_answers(LEASE);
    tokio::time::sleep(LEASE + Duration::from_millis(20)).await;
    let polls = node.door.polls();
    for _ in 0..50 {
        assert!(node.asks(&token).await, "an answer that is a lease old gave one");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(node.door.polls() > polls, "several are under way, and others follow");
    node.door.delay_answers(Duration::ZERO);
    node.warm(&token).await;
}

/// A journal that is another than the one that was known empties the cache, and is followed from
/// then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_journal_empties_the_cache() {
    let (here, there) = two().await;
    let (_, token) = here.sign_in("ada").await;
    there.warm(&token).await;
    // A failover: every entry has another id from now on.
    let torn = Arc::new(AtomicBool::new(false));
    let seen = torn.clone();
    there.door.forge(move |mut polled| {
        for entry in &mut polled.entries {
            entry.id = Uuid::from_u128(entry.id.as_u128() ^ 1);
        }
        seen.store(true, Ordering::SeqCst);
        polled
    });
    while !torn.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(there.asks(&token).await, "what was known is known no more");
    there.warm(&token).await;
    here.sessions.logout_all(&user("ada"), EndReason::Password, By::Application).await.unwrap();
    assert!(there.denied(&token).await.is_some());
}

/// A store that has lost what it knew, the lease with it, is asked for one again: until it is stored,
/// nothing is answered from memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lost_the_lease_is_asked_again() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    node.warm(&token).await;
    let store = node.door.store.clone();
    let mut lost = false;
    node.door.forge(move |mut polled| {
        // Once: every entry is another one.
        for entry in &mut polled.entries {
            entry.id = Uuid::from_u128(entry.id.as_u128() ^ 1);
        }
        if !lost {
            lost = true;
            let store = store.clone();
            tokio::spawn(async move {
                let seen = store.lower_given(Duration::ZERO).await.unwrap();
                store.lower_waited(seen).await.unwrap();
            });
        }
        polled
    });
    while node.door.store.lease().await.unwrap().waited != Duration::ZERO {
        tokio::task::yield_now().await;
    }
    node.warm(&token).await;
    assert_eq!(node.door.store.lease().await.unwrap().waited, LEASE);
}

/// An answer with a gap in it counts for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_with_a_gap_gives_no_lease() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    node.warm(&token).await;
    node.door.forge(|mut polled| {
        polled.last_seq += 1;
        polled
    });
    tokio::time::sleep(LEASE + Duration::from_millis(20)).await;
    assert!(node.asks(&token).await && node.asks(&token).await);
}

/// "never more than the node's own setting", and never more than the stored length.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_no_longer_than_either_says() {
    let long = |builder: logout_all::SessionsBuilder| {
        builder.mode(cached().lease(Duration::from_secs(20)))
    };
    let door = Door::default();
    let (short, long) = (Node::start(&door).await, Node::start_with(&door, long).await);
    let (_, token) = short.sign_in("ada").await;
    short.warm(&token).await;
    long.warm(&token).await;
    let left = |node: &Node| node.sessions.cache_state().unwrap().lease_left;
    assert!(left(&short) <= LEASE, "{:?}", left(&short));
    assert!(left(&long) > LEASE * 10, "{:?}", left(&long));
    // The operator lowers what is given: 20 s are over for the other node as well.
    short.door.store.lower_given(Duration::ZERO).await.unwrap();
    tokio::time::sleep(LEASE + Duration::from_millis(20)).await;
    assert_eq!(left(&short), Duration::ZERO, "nothing is given any more");
}

/// A backlog that is longer than one answer is applied in parts, and counts when it is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_backlog_is_caught_up_with() {
    let (here, there) = two().await;
    let (_, token) = here.sign_in("ada").await;
    let (_, other) = here.sign_in("bob").await;
    there.warm(&token).await;
    there.warm(&other).await;
    there.door.hold_polls();
    tokio::time::sleep(LEASE + Duration::from_millis(20)).await;
    for number in 0..2500 {
        let user = user(&format!("nobody {number}"));
        here.door.store.announce_changed(&user, &By::Application).await.unwrap();
    }
    let ada = user("ada");
    here.sessions.logout_all(&ada, EndReason::Password, By::Application).await.unwrap();
    there.door.let_polls_go();
    there.warm(&other).await;
    assert!(there.denied(&token).await.is_some());
}

/// "NOTIFY, PUBLISH and the like only *wake* a node early": long before its next poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_wakes_a_node() {
    let rare = |builder: logout_all::SessionsBuilder| {
        builder.mode(cached().lease(Duration::from_secs(20)))
    };
    let door = Door::default();
    let (here, there) = (Node::start_with(&door, rare).await, Node::start_with(&door, rare).await);
    let (_, token) = here.sign_in("ada").await;
    there.warm(&token).await;
    here.door.store.announce_changed(&user("ada"), &By::Application).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(there.asks(&token).await, "its next poll is seconds away");
}

/// A store of somebody else's may panic: what follows the journal begins anew, and the lease comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_of_the_store_is_outlived() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    node.warm(&token).await;
    node.door.panic_when_waited_for();
    node.door.store.announce_changed(&user("bob"), &By::Application).await.unwrap();
    node.until_strict(&token).await;
    let polls = node.door.polls();
    node.until_told("LeaseLost").await;
    node.warm(&token).await;
    assert!(node.door.polls() > polls);
    node.until_told("LeaseBack").await;
}

/// "strict-only installations never wait", and never poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_in_strict_mode_polls_for_nobody() {
    let node = Node::start_with(&Door::default(), |builder| builder).await;
    let (_, token) = node.sign_in("ada").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(node.asks(&token).await && node.asks(&token).await);
    assert_eq!(node.door.polls(), 0);
    assert!(node.sessions.cache_state().is_none());
    assert_eq!(node.door.store.lease().await.unwrap().waited, Duration::ZERO);
}

/// After the shutdown nothing is polled, and nothing answered from memory once the lease is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_ends_the_polls() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    node.warm(&token).await;
    node.sessions.shutdown().await;
    let polls = node.door.polls();
    tokio::time::sleep(LEASE + Duration::from_millis(20)).await;
    assert_eq!(node.door.polls(), polls);
    assert!(node.asks(&token).await && node.asks(&token).await);
}
