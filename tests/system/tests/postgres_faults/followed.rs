//! A store whose journal is followed, beside a server that stands still or is killed: each poll, raise
//! and read of the lease ends in its time, and wake-ups come again when it has passed.

use std::time::{Duration, Instant};

use logout_all::{By, SessionStore, StoreErrorKind, UserId};
use logout_all_postgres::PostgresStore;
use tokio::time::timeout;

use crate::postgres::Postgres;

const LEASE: Duration = Duration::from_millis(500);
/// For what a healthy system does in much less.
const PATIENCE: Duration = Duration::from_secs(20);
/// A poll's limit, and something for a machine that is busy.
const POLL_LIMIT: Duration = Duration::from_secs(2);
const VERB_LIMIT: Duration = Duration::from_secs(5);

/// Waits until the store is woken by what is journalled now.
async fn is_woken(store: &PostgresStore) {
    let since = Instant::now();
    loop {
        let woken = store.woken();
        let user = UserId::new("ada").unwrap();
        drop(store.announce_changed(&user, &By::Application).await);
        if timeout(Duration::from_millis(200), woken).await.is_ok() {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "no wake-up comes any more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_ends_each_poll_in_time() {
    let server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let store = server.builder().connect().await.unwrap();
    store.raise_lease(LEASE).await.unwrap();
    is_woken(&store).await;
    let known = store.poll(None, 10).await.unwrap().entries[0].clone();
    let frozen = server.freeze().await;
    // On connections that were well a moment ago, and on new ones.
    for _ in 0..3 {
        let since = Instant::now();
        let error = store.poll(Some(known.seq), 10).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{error:?}");
        assert!(since.elapsed() < POLL_LIMIT, "{:?}", since.elapsed());
    }
    let since = Instant::now();
    let (raised, read) = tokio::join!(store.raise_lease(LEASE * 2), store.lease());
    assert!(raised.is_err() && read.is_err(), "a server that stands still has answered");
    assert!(since.elapsed() < VERB_LIMIT, "{:?}", since.elapsed());
    drop(frozen);
    let since = Instant::now();
    let told = loop {
        match store.poll(Some(known.seq), 10).await {
            Ok(told) => break told,
            Err(error) => assert!(since.elapsed() < PATIENCE, "{error:?}"),
        }
    };
    assert_eq!(told.entries[0], known);
    is_woken(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_the_lease_and_the_journal_are_there_and_wake_ups_come_again() {
    let mut server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let store = server.builder().connect().await.unwrap();
    let raised = store.raise_lease(LEASE).await.unwrap();
    is_woken(&store).await;
    for _ in 0..2 {
        let known = store.poll(None, 10).await.unwrap().entries[0].clone();
        let woken = store.woken();
        server.kill().await;
        assert!(store.poll(Some(known.seq), 10).await.is_err());
        server.restart().await;
        let told = store.poll(Some(known.seq), 10).await.unwrap();
        assert_eq!((told.lease, &told.entries), (raised, &vec![known]));
        // That something may have been missed is one, too.
        assert!(timeout(PATIENCE, woken).await.is_ok(), "the connection was not opened again");
        is_woken(&store).await;
    }
}
