//! What a network does to polls and wake-ups, one node at a time, while clients ask all nodes and sign
//! out on others: no node lets in what is over, all go on answering through the store, and poll again.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    behind::{BACK, Behind, LOST},
    client::Client,
    history::{Call, Outcome, What},
    home::Home,
    load::Load,
    pooling::Pooling,
    proxy::Network,
    rounds::{self, FEW, judge, slowest_logout},
    servers::{Framework, Store},
};

const OPTIONS: &[&str] = &["--mode", "cached", "--lease", "200ms"];
/// Longer than the lease and what a poll waits for.
const LASTING: Duration = Duration::from_millis(900);

/// One after the other, and whether a node must lose its lease by it. A poll is a round trip: two delays.
const NETWORKS: [(Network, bool); 6] = [
    (Network::Slow(Duration::from_millis(30)), false),
    (Network::Slow(Duration::from_millis(150)), true),
    (Network::BlackHole, true),
    (Network::OneWayThere, true),
    (Network::OneWayBack, true),
    (Network::Cut, true),
];

/// "Polling connection reset, or silently black-holed: answers go on through the store; polls again."
pub(crate) async fn polls_are_delayed_lost_and_cut(store: Store) {
    let site = Behind::start(store, OPTIONS).await;
    let load = Load::start(&site.home, &site.nodes).await;
    site.home.add_user("absent").await;
    let absent = Client::new("absent".to_owned(), &site.nodes, load.recorder.clone());
    sleep(LASTING).await;
    for (turn, (network, loses)) in NETWORKS.into_iter().enumerate() {
        let node = turn % site.nodes.len();
        // Somebody whom all nodes know, and who asks nothing while he is signed out elsewhere.
        let device = absent.sign_in(node).await.unwrap();
        for _ in 0..4 {
            absent.everywhere(&device, What::Verify).await;
            sleep(LASTING / 20).await;
        }
        let (lost, back) = (site.said(node, LOST), site.said(node, BACK));
        site.proxies[node].becomes_for("poll", network);
        sleep(LASTING).await;
        assert_eq!(absent.ask(node + 1, &device, What::LogoutAll).await, Outcome::Accepted);
        if network == Network::BlackHole {
            // So that this node reads nothing of that any more: it must forget all that it knows.
            site.home.truncate_journal().await;
        }
        let has_lost = site.said(node, LOST) > lost;
        site.proxies[node].becomes(Network::Good);
        assert!(has_lost || !loses, "node {node} has a lease without polls: {network:?}");
        if has_lost {
            let took = site.says(node, BACK, back).await;
            println!("{} {network:?}: the lease is back after {took:?}", store.name());
        }
        let outcomes = absent.everywhere(&device, What::Verify).await;
        assert!(outcomes.iter().all(|it| *it == Outcome::Denied), "{network:?}: {outcomes:?}");
        // From memory again, before the next.
        sleep(LASTING / 3).await;
    }
    let history = load.end().await;
    let of = |node, what: &What, outcome| {
        let like = move |call: &&Call| is(call, node, what, outcome);
        history.iter().filter(like).count()
    };
    for node in 0..site.nodes.len() {
        let (accepted, denied) =
            (of(node, &What::Verify, Outcome::Accepted), of(node, &What::Verify, Outcome::Denied));
        println!("{} node {node}: {accepted} let in, {denied} denied", store.name());
        assert!(accepted > 100 && denied > 20, "hardly asked");
    }
    let failed = history.iter().find(|call| call.outcome == Outcome::Failed);
    assert!(failed.is_none(), "the store answers, if not to polls: {failed:?}");
    println!("{} calls, the slowest logout {:?}", history.len(), slowest_logout(&history));
    judge(&history);
}

fn is(call: &Call, node: usize, what: &What, outcome: Outcome) -> bool {
    call.node == node && call.what == *what && call.outcome == outcome
}

/// Listening connections that are open, and over which nothing comes: "unchanged promise".
pub(crate) async fn wake_ups_never_come(store: Store) {
    let site = Behind::start(store, OPTIONS).await;
    for proxy in &site.proxies {
        for _ in 0..100 {
            if proxy.answered("wake") > 0 {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        assert!(proxy.answered("wake") > 0, "the node does not listen");
        proxy.becomes_for("wake", Network::BlackHole);
    }
    let heard = || site.proxies.iter().map(|proxy| proxy.answered("wake")).sum::<usize>();
    let before = heard();
    rounds::over(&site.home, &site.nodes, "cached, no wake-ups", FEW).await;
    assert_eq!(heard(), before, "a wake-up came");
}

/// Polls and wake-ups through a pool in transaction mode, which the three nodes share: a poll goes over
/// a connection that another node set up, and what is listened for is heard by whoever comes by.
pub(crate) async fn polls_are_moved_between_connections(store: Store) {
    let home = Home::new(Framework::Axum, store).await;
    let pooling = Pooling::to(home.server_port(), &["poll", "wake"]).await;
    pooling.move_them();
    let site = Behind::on(home, pooling.port(), OPTIONS).await;
    rounds::over(&site.home, &site.nodes, "cached, pooled polls", FEW).await;
    let moved = pooling.moved();
    println!("{moved} polls and wake-ups were moved");
    assert!(moved > 200, "{moved} were moved");
    for node in 0..site.nodes.len() {
        let looked_up = site.looked_up(node, 100).await;
        assert!(looked_up < 50, "node {node} has no lease: {looked_up} of 100 were looked up");
    }
}
