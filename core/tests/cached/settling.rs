//! "the logout waits that long, counted from the confirmation, plus 1 % and 5 ms for clocks that run
//! apart, before it reports success, **also when it found nothing to end**".

use std::time::{Duration, Instant};

use logout_all::{By, EndReason, Guid, SessionStore, store::Lease, wire::Presented};

use super::{Door, LEASE, Node, cached, user};

const MARGIN: Duration = Duration::from_millis(5);

fn settle(lease: Duration) -> Duration {
    lease + lease / 100 + MARGIN
}

async fn logout(node: &Node) -> Duration {
    let begun = Instant::now();
    let (ada, reason) = (user("ada"), EndReason::Logout);
    let ended = node.sessions.logout_device(&ada, Guid::random(), reason, By::Application).await;
    assert!(ended.unwrap().guids.is_empty(), "there is nothing to end");
    begun.elapsed()
}

/// Every operation that settles waits, also one that ends nothing; and a node in strict mode waits
/// for those of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_waits_for_the_leases_that_may_run() {
    let door = Door::default();
    let strict = Node::start_with(&door, |builder| builder).await;
    assert!(logout(&strict).await < LEASE, "no node has asked for cached mode");
    let node = Node::start(&door).await;
    for node in [&strict, &node] {
        assert!(logout(node).await >= settle(LEASE));
        let begun = Instant::now();
        node.sessions.user_changed("ada", By::Application).await.unwrap();
        assert!(begun.elapsed() >= settle(LEASE), "user_changed");
        let begun = Instant::now();
        node.sessions.settled(&user("ada")).await.unwrap();
        assert!(begun.elapsed() >= settle(LEASE), "settled");
        let begun = Instant::now();
        node.sessions.logout_everyone(EndReason::Everyone, By::Application).await.unwrap();
        assert!(begun.elapsed() >= settle(LEASE), "logout_everyone");
    }
    // Eviction, rotation and sweep do not.
    let (_, token) = node.sign_in("ada").await;
    let begun = Instant::now();
    node.sessions.renew(&token, logout_all::ClientInfo::default()).await.unwrap();
    node.sessions.sweep(10).await.unwrap();
    assert!(begun.elapsed() < LEASE, "{:?}", begun.elapsed());
}

/// A browser that presents the tokens of several sessions waits once for the end of all of them, both
/// where it signs out and where it signs in as somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_tokens_of_one_browser_settle_once() {
    let node = Node::start(&Door::default()).await;
    let mut tokens = Vec::new();
    for name in ["ada", "bob", "eve"] {
        tokens.push(node.sign_in(name).await.1);
    }
    let cookies = |tokens: &[Vec<u8>]| {
        let pairs = tokens
            .iter()
            .map(|token| format!("__Host-session={}", std::str::from_utf8(token).unwrap()));
        pairs.collect::<Vec<_>>().join("; ").into_bytes()
    };
    let before = node.door.settled();
    let (sent, nothing) = (cookies(&tokens), async { Ok(bytes::Bytes::new()) });
    let request =
        Presented::new("DELETE").header("Sec-Fetch-Site", b"same-origin").header("Cookie", &sent);
    let reply = node.sessions.route(&request, "/session", nothing).await;
    assert_eq!(reply.status(), 204);
    assert_eq!(node.door.settled() - before, 1);
    assert_eq!(node.door.committed_before_settling(), 3, "all of them are waited for");
    for token in &tokens {
        assert!(node.denied(token).await.is_some());
    }

    let mut tokens = Vec::new();
    for name in ["ada", "bob", "eve"] {
        tokens.push(node.sign_in(name).await.1);
    }
    let before = node.door.settled();
    let sent = cookies(&tokens);
    let request =
        Presented::new("POST").header("Sec-Fetch-Site", b"same-origin").header("Cookie", &sent);
    let sign_in = node.sessions.sign_in(&request).unwrap().begin(Some("ada")).await.unwrap();
    assert_eq!(sign_in.finish(&()).await.unwrap().status(), 200);
    assert_eq!(node.door.settled() - before, 1, "of the two others; a user's own are not settled");
    assert_eq!(node.door.committed_before_settling(), 5);
    for token in &tokens[1..] {
        assert!(node.denied(token).await.is_some());
    }
}

/// A store that has lost the lease while nodes hold it: their logouts wait for it all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_waits_for_a_lease_that_the_store_has_lost() {
    let door = Door::default();
    let node = Node::start(&door).await;
    let seen = door.store.lower_given(Duration::ZERO).await.unwrap();
    assert!(door.store.lower_waited(seen).await.unwrap());
    assert_eq!(door.store.lease().await.unwrap(), Lease::default());
    assert!(logout(&node).await >= settle(LEASE));
}

/// A node with a longer lease joins: every logout waits for it from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_lease_is_waited_for() {
    let door = Door::default();
    let node = Node::start(&door).await;
    let longer = LEASE * 2;
    let _joins = Node::start_with(&door, |b| b.mode(cached().lease(longer))).await;
    assert!(logout(&node).await >= settle(longer));
}

/// "Lowering is an operator's command: it lowers the first, waits the old second plus the margin,
/// then lowers the second in an UPDATE that does nothing if anything was raised since."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_lowered_in_two_halves() {
    let door = Door::default();
    let node = Node::start_with(&door, |b| b.mode(cached().lease(LEASE * 2))).await;
    let lowered = Lease { given: LEASE, waited: LEASE };

    let begun = Instant::now();
    let lowering = {
        let sessions = node.sessions.clone();
        tokio::spawn(async move { sessions.lower_lease(LEASE).await })
    };
    tokio::time::sleep(LEASE).await;
    let half = Lease { given: LEASE, waited: LEASE * 2 };
    assert_eq!(door.store.lease().await.unwrap(), half, "leases of the old length may run");
    assert!(logout(&node).await >= settle(LEASE * 2));
    assert_eq!(lowering.await.unwrap().unwrap(), lowered);
    assert!(begun.elapsed() >= settle(LEASE * 2));
    assert!(logout(&node).await >= settle(LEASE));

    // A node that asks for the longer one meanwhile has it.
    door.store.raise_lease(LEASE * 2).await.unwrap();
    let lowering = {
        let sessions = node.sessions.clone();
        tokio::spawn(async move { sessions.lower_lease(LEASE).await })
    };
    tokio::time::sleep(LEASE / 2).await;
    door.store.raise_lease(LEASE * 2).await.unwrap();
    let raised = Lease { given: LEASE * 2, waited: LEASE * 2 };
    assert_eq!(lowering.await.unwrap().unwrap(), raised);
}
