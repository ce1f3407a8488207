//! "Database killed with -9 under load, restarted: cached 200 until the lease ends, then 503; first 200
//! within 5 s of readiness", and an acknowledged logout is never lost.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    behind::three,
    history::{Call, Outcome, Recorder, What},
    home::Home,
    load::Load,
    postgres::Postgres,
    redis_server::Server as Redis,
    rounds::{judge, slowest_logout},
    servers::{Framework, Store},
};

const LEASE: Duration = Duration::from_secs(1);
const OPTIONS: &[&str] = &["--mode", "cached", "--lease", "1s"];
/// "First 200 within 5 s of readiness."
const RECOVERY: Duration = Duration::from_secs(5);
/// For what a healthy system does in much less.
const PATIENCE: Duration = Duration::from_secs(20);
/// Each change of Redis is on the disk before it is answered.
const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

enum Server {
    Postgres(Postgres),
    Redis(Redis),
}

impl Server {
    async fn start(store: Store) -> Self {
        match store {
            Store::Postgres => Self::Postgres(Postgres::start().await),
            _ => Self::Redis(Redis::start(DURABLE)),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::Redis(server) => server.url(),
        }
    }

    async fn kill(&mut self) {
        match self {
            Self::Postgres(server) => server.kill().await,
            Self::Redis(server) => server.kill(),
        }
    }

    /// Returns when it is ready.
    async fn restart(&mut self) {
        match self {
            Self::Postgres(server) => server.restart().await,
            Self::Redis(server) => server.restart(),
        }
    }
}

pub(crate) async fn the_store_is_killed_under_load(store: Store) {
    let mut server = Server::start(store).await;
    let home = Home::on(Framework::Axum, store, &server.url()).await;
    let nodes = three(&home, OPTIONS);
    let load = Load::start(&home, &nodes).await;
    let recorder = load.recorder.clone();
    for _ in 0..2 {
        sleep(LEASE * 3 / 2).await;
        server.kill().await;
        let down = recorder.now();
        sleep(LEASE + Duration::from_millis(700)).await;
        let before = recorder.now();
        server.restart().await;
        let ready = recorder.now();
        for node in 0..nodes.len() {
            let first = first_accepted(&recorder, node, down + LEASE).await;
            let took = first.saturating_sub(ready);
            println!("{} node {node}: the first success {took:?} after readiness", store.name());
            assert!(took < RECOVERY, "{took:?}");
        }
        for node in 0..nodes.len() {
            outage(&recorder.history(), node, down, before);
        }
    }
    sleep(LEASE).await;
    let history = load.end().await;
    println!("{} calls, the slowest logout {:?}", history.len(), slowest_logout(&history));
    judge(&history);
    drop((nodes, home));
}

/// When the first verification ended on that node that began after then and was let in.
async fn first_accepted(recorder: &Recorder, node: usize, since: Duration) -> Duration {
    let begun = recorder.now();
    loop {
        let history = recorder.history();
        let found = history.iter().find(|call| {
            call.node == node
                && call.what == What::Verify
                && call.outcome == Outcome::Accepted
                && call.start > since
        });
        if let Some(call) = found {
            return call.end;
        }
        assert!(recorder.now().saturating_sub(begun) < PATIENCE, "node {node} lets nobody in");
        sleep(Duration::from_millis(20)).await;
    }
}

/// What one node answered between the kill and the restart: what it knew, as long as its lease could
/// run, and then nothing.
fn outage(history: &[Call], node: usize, down: Duration, until: Duration) {
    let during = |call: &&Call| call.node == node && call.start > down && call.end < until;
    let calls: Vec<&Call> = history.iter().filter(during).collect();
    let (mut accepted, mut failed) = (0, 0);
    for call in calls {
        match call.outcome {
            Outcome::Accepted => {
                assert_eq!(call.what, What::Verify, "without a store: {call:?}");
                assert!(call.start < down + LEASE, "later than any lease, {down:?}: {call:?}");
                accepted += 1;
            }
            Outcome::Denied => panic!("nobody can say that it is over: {call:?}"),
            Outcome::Failed => failed += 1,
        }
    }
    println!("node {node}, the store is down: {accepted} let in from memory, {failed} times 503");
    assert!(accepted > 5, "nothing came from memory");
    assert!(failed > 20, "hardly asked");
}
