//! `WAIT`: an ending is not reported before the replicas have it.

use std::time::{Duration, Instant};

use logout_all::{SessionStore, StoreErrorKind, store::Scope};
use logout_all_redis::RedisStore;

use crate::{end, lives, proxy::Proxy, server::Server, sign_in, user};

/// "Reports an ending only when that many replicas have it": and a failover to one of them then
/// undoes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ending_that_was_reported_is_on_the_replica() {
    let (server, replica) = (Server::start(&[]), Server::start(&[]));
    let builder = server.builder().wait_for_replicas(1, Duration::from_secs(1));
    let (store, ada) = (builder.connect().await.unwrap(), user("ada"));
    let row = sign_in(&store, &ada).await;
    // No replica is there yet: it is said, and the repetition, which finds nothing, says it too.
    for _ in 0..2 {
        let error = end(&store, &ada, Scope::Device(row.guid)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{error:?}");
        assert!(error.to_string().contains("0 of 1 replicas"), "{error:?}");
    }
    assert!(!lives(&store, &row).await);

    replica.ask::<()>(&format!("REPLICAOF 127.0.0.1 {}", server.port));
    replica.until("INFO replication", "master_link_status:up").await;
    server.until("INFO replication", "state=online").await;
    let row = sign_in(&store, &ada).await;
    for round in 0..20 {
        let scope = if round % 2 == 0 { Scope::Others(row.guid) } else { Scope::All };
        end(&store, &ada, scope).await.unwrap();
    }
    replica.ask::<()>("REPLICAOF NO ONE");
    let after = RedisStore::builder(replica.url()).connect().await.unwrap();
    assert!(!lives(&after, &row).await);
    let (theirs, ours) = (after.journal(0, 99).await.unwrap(), store.journal(0, 99).await.unwrap());
    assert_eq!(theirs, ours);
    // And the failed endings of the beginning are in it once.
    assert_eq!(ours.last_seq, 1 + 10);
}

/// `min-replicas-to-write`: "a primary that was cut off from its replicas then refuses reads and
/// writes of the store".
#[tokio::test]
async fn a_primary_without_the_replicas_that_it_needs_answers_nobody() {
    let server = Server::start(&[]);
    let (store, ada) = (server.store().await, user("ada"));
    let row = sign_in(&store, &ada).await;
    server.ask::<()>("CONFIG SET min-replicas-to-write 1");
    assert!(store.lookup(&ada, row.guid).await.is_err());
    assert!(end(&store, &ada, Scope::All).await.is_err());
    server.ask::<()>("CONFIG SET min-replicas-to-write 0");
    assert!(lives(&store, &row).await);
}

/// "`min-replicas-max-lag` seconds later": a primary whose replica hears nothing any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_lost_its_replica_refuses_after_the_lag() {
    let settings = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"];
    let server = Server::start(&[&settings[..], &["--repl-ping-replica-period", "1"]].concat());
    let replica = Server::start(&[]);
    let replication = Proxy::to(server.port, None).await;
    replica.ask::<()>(&format!("REPLICAOF 127.0.0.1 {}", replication.port));
    replica.until("INFO replication", "master_link_status:up").await;
    server.until("INFO replication", "state=online").await;
    let (store, ada) = (server.store().await, user("ada"));
    let row = sign_in(&store, &ada).await;
    replication.swallow();
    let since = Instant::now();
    while store.lookup(&ada, row.guid).await.is_ok() {
        assert!(since.elapsed() < Duration::from_secs(10), "it goes on for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(end(&store, &ada, Scope::All).await.is_err());
}
