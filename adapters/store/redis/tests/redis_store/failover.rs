//! A replica takes the primary's place, and lacks what it had not been told yet.

use std::time::Duration;

use logout_all::{By, EndReason, SessionRow, SessionStore, store::Scope};
use logout_all_redis::{RedisStore, RedisStoreBuilder};

use crate::{
    end, lives,
    proxy::{Cut, Proxy},
    server::Server,
    sign_in, user,
};

/// A primary and its replica, which has all that was written so far.
struct Pair {
    primary: Server,
    replica: Server,
    /// What the replica hears the primary through.
    replication: Proxy,
    /// The name of the primary.
    name: Proxy,
}

impl Pair {
    async fn start() -> Self {
        let (primary, replica) = (Server::start(&[]), Server::start(&[]));
        let replication = Proxy::to(primary.port, None).await;
        replica.ask::<()>(&format!("REPLICAOF 127.0.0.1 {}", replication.port));
        replica.until("INFO replication", "master_link_status:up").await;
        primary.until("INFO replication", "state=online").await;
        let name = Proxy::to(primary.port, None).await;
        Self { primary, replica, replication, name }
    }

    fn builder(&self) -> RedisStoreBuilder {
        RedisStore::builder(self.name.url())
    }

    /// From now on the replica hears of nothing.
    fn leave_behind(&self) {
        self.primary.replicated();
        self.replication.swallow();
    }

    fn fail_over(&mut self) {
        self.primary.kill();
        self.replica.ask::<()>("REPLICAOF NO ONE");
        self.name.lead_to(self.replica.port);
    }
}

/// "The endings among them are undone" and "after a failover that may have lost writes:
/// `logout_everyone`": what the page says of a stale replica, shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_replica_undoes_what_it_was_not_told_and_logout_everyone_ends_it() {
    let mut pair = Pair::start().await;
    let (store, ada) = (pair.builder().connect().await.unwrap(), user("ada"));
    let (told, untold) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    end(&store, &ada, Scope::Device(told.guid)).await.unwrap();
    pair.leave_behind();
    end(&store, &ada, Scope::Device(untold.guid)).await.unwrap();
    assert!(!lives(&store, &untold).await);

    pair.fail_over();
    assert!(!lives(&store, &told).await, "what the replica knew has ended");
    assert!(lives(&store, &untold).await, "the page says that this one lives again");
    // The ticket of a login from before is good again too; so the page's advice is for everybody.
    store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
    assert!(!lives(&store, &untold).await);
    assert!(lives(&store, &sign_in(&store, &ada).await).await);
}

/// With `wait_for_replicas` the same ending is not reported, and its repetition ends it there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stale_replica_undoes_was_never_reported_with_wait() {
    let mut pair = Pair::start().await;
    let builder = pair.builder().wait_for_replicas(1, Duration::from_millis(500));
    let (store, ada) = (builder.connect().await.unwrap(), user("ada"));
    let (told, untold) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    end(&store, &ada, Scope::Device(told.guid)).await.unwrap();
    pair.leave_behind();
    end(&store, &ada, Scope::Device(untold.guid)).await.unwrap_err();
    end(&store, &ada, Scope::All).await.unwrap_err();
    // Nothing is left to end, here or for another node; but no replica has it.
    let other = builder.connect().await.unwrap();
    for store in [&store, &other] {
        for scope in [Scope::Device(untold.guid), Scope::All] {
            end(store, &ada, scope).await.unwrap_err();
        }
    }

    pair.fail_over();
    assert!(!lives(&store, &told).await, "a reported ending was undone");
    assert!(lives(&store, &untold).await);
    let error = end(&store, &ada, Scope::All).await.unwrap_err();
    assert!(error.to_string().contains("0 of 1 replicas"), "{error:?}");
    assert!(!lives(&store, &untold).await);
}

/// A connection that is lost between the ending and its `WAIT` proves nothing: the next one may lead
/// to a server that never had the ending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ending_whose_wait_is_lost_is_not_reported() {
    let pair = Pair::start().await;
    let builder = pair.builder().wait_for_replicas(1, Duration::from_secs(1));
    let (store, ada) = (builder.connect().await.unwrap(), user("ada"));
    let row = sign_in(&store, &ada).await;
    for cut in [Cut::Request, Cut::Answer] {
        pair.name.cut_at("\r\nWAIT\r\n", cut);
        end(&store, &ada, Scope::Device(row.guid)).await.unwrap_err();
        assert!(!pair.name.cut_is_pending());
        end(&store, &ada, Scope::Device(row.guid)).await.unwrap();
    }
}

/// What `docs/redis.md` says of a failover's loss: `cargo test -p logout-all-redis -- --ignored
/// --nocapture failover`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: it prints and proves nothing"]
async fn endings_lost_in_a_failover() {
    const ROUNDS: usize = 20;
    for wait in [None, Some(Duration::from_millis(500))] {
        let (mut undone, mut reported) = (0, 0);
        for _ in 0..ROUNDS {
            let mut pair = Pair::start().await;
            let mut builder = pair.builder();
            if let Some(within) = wait {
                builder = builder.wait_for_replicas(1, within);
            }
            let store = builder.connect().await.unwrap();
            let mut rows = Vec::new();
            for number in 0..2000 {
                rows.push(sign_in(&store, &user(&format!("user-{number}"))).await);
            }
            pair.primary.replicated();
            let ending = |rows: &[SessionRow]| {
                let (store, rows) = (store.clone(), rows.to_vec());
                tokio::spawn(async move {
                    let mut reported = Vec::new();
                    for row in rows {
                        if end(&store, &row.user, Scope::Device(row.guid)).await.is_err() {
                            break;
                        }
                        reported.push(row);
                    }
                    reported
                })
            };
            let tasks: Vec<_> = rows.chunks(100).map(ending).collect();
            tokio::time::sleep(Duration::from_millis(100)).await;
            pair.fail_over();
            let after = RedisStore::builder(pair.replica.url()).connect().await.unwrap();
            for task in tasks {
                for row in task.await.unwrap() {
                    reported += 1;
                    undone += usize::from(lives(&after, &row).await);
                }
            }
        }
        println!(
            "wait {wait:?}: {undone} of {reported} reported endings undone, {ROUNDS} failovers"
        );
    }
}
