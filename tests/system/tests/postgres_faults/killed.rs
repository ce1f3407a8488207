//! "database killed with -9 under load, restarted | strict 503 | first 200 within 5 s of
//! readiness, no busy loop while it is down", and "an acknowledged logout lost" never.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    client::{AT_ONCE, LIMIT, all_is_an_outage, login, logout_all, me, renew},
    load::Load,
    node::{Node, NodeProcess},
    postgres::Postgres,
    proxy::Proxy,
};

/// "First 200 within 5 s of readiness."
const RECOVERY: Duration = Duration::from_secs(5);
/// For what a healthy system does in much less.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two nodes, one of them behind a proxy that counts its connections, the other a process whose
/// processor time the system counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_killed_under_load_loses_nothing_and_is_told_as_an_outage() {
    let mut server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let proxy = Proxy::to(server.port()).await;
    let node = Node::start(&server.builder_at(proxy.port())).await;
    let process = NodeProcess::start(&server.url()).await;
    let nodes = [node.address, process.address];
    let load = Load::start(&nodes, 4);

    for round in 0..2 {
        let since = Instant::now();
        for at in nodes {
            let like = |call: &_| is_success(call, at, since + Duration::from_millis(300));
            load.wait_for(PATIENCE, like).await;
        }
        let told_before = node.outages_told();
        server.kill().await;
        let down = Instant::now();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        load.pause().await;
        let told = node.outages_told() - told_before;
        // Once; an answer that was on its way at the kill may have been counted as a recovery.
        assert!((1..=2).contains(&told), "an outage was told {told} times");

        idles(&proxy, &process).await;

        let still_down = Instant::now();
        load.go_on();
        server.restart().await;
        let ready = Instant::now();
        for at in nodes {
            let like = |call: &_| is_success(call, at, down);
            let first = load.wait_for(PATIENCE, like).await;
            let took = first.ended.saturating_duration_since(ready);
            println!("round {round}: the first success at {at} {took:?} after readiness");
            assert!(took < RECOVERY, "{took:?}");
        }
        let of_outage: Vec<_> = load
            .calls()
            .into_iter()
            .filter(|call| call.began > down && call.ended < still_down)
            .collect();
        assert!(of_outage.len() > 20, "{} calls while it was down", of_outage.len());
        assert!(of_outage.iter().all(|call| call.is_outage), "a success without a database");
    }

    let (told, calls) = load.stop().await;
    let slowest = calls.iter().map(|call| call.ended - call.began).max().unwrap_or_default();
    assert!(slowest < LIMIT, "{slowest:?}");
    let mut checked = (0, 0);
    for worker in told {
        for at in nodes {
            for token in &worker.ended {
                me(at, token).await.ended();
            }
            for token in &worker.alive {
                me(at, token).await.well();
            }
        }
        checked.0 += worker.ended.len();
        checked.1 += worker.alive.len();
    }
    println!("{} calls, slowest {slowest:?}; {checked:?} tokens ended and alive", calls.len());
    assert!(checked.0 > 10, "{checked:?}");
}

fn is_success(call: &crate::load::Call, at: SocketAddr, after: Instant) -> bool {
    call.at == at && !call.is_outage && call.began > after
}

/// "No busy loop while it is down": with nobody asking, nearly nothing happens.
async fn idles(proxy: &Proxy, process: &NodeProcess) {
    const WATCHED: Duration = Duration::from_secs(2);
    let (opened, used) = (proxy.opened(), process.processor_time());
    tokio::time::sleep(WATCHED).await;
    let opened = proxy.opened() - opened;
    // Activity that waits to be written down is tried once a second.
    assert!(opened <= 5, "{opened} connections were tried in {WATCHED:?}");
    if let (Some(before), Some(after)) = (used, process.processor_time()) {
        let used = after.saturating_sub(before);
        println!("down and idle for {WATCHED:?}: {opened} connections, {used:?}");
        assert!(used < WATCHED / 4, "{used:?} of {WATCHED:?} computed");
    }
}

/// "all nodes restarted | revoked stays revoked, theft is still noticed", the database too; and a node that is up before
/// its database answers 503 until it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_stopped_and_started_keeps_sessions_and_endings() {
    let mut server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let node = Node::start(&server.builder()).await;
    let alive = login(node.address, "ada").await.token();
    let ended = login(node.address, "bob").await.token();
    logout_all(node.address, &ended).await.well();
    let copied = login(node.address, "eve").await.token();
    let stolen = renewed_and_seen(node.address, &copied).await;

    server.stop();
    let slowest = all_is_an_outage(node.address, "ada", &alive).await;
    assert!(slowest < AT_ONCE, "nobody listens, which is known at once: {slowest:?}");
    me(node.address, &ended).await.outage();
    let error = server.builder().connect().await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error:?}");

    server.restart().await;
    me(node.address, &alive).await.at_once();
    let other = Node::start(&server.builder()).await;
    for at in [node.address, other.address] {
        me(at, &alive).await.well();
        me(at, &ended).await.ended();
    }
    drop(node);
    renew(other.address, &copied).await.ended();
    me(other.address, &stolen).await.ended();
}

/// The successor of a token, in use for longer than the window in which tabs may be late.
async fn renewed_and_seen(at: SocketAddr, token: &str) -> String {
    const PAST_THE_WINDOW: Duration = Duration::from_millis(500);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let successor = renew(at, token).await.token();
    me(at, &successor).await.well();
    // Activity is written down within that time.
    tokio::time::sleep(PAST_THE_WINDOW).await;
    successor
}
