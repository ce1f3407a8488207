//! Polls of the journal, and the lease lengths: beside load, locks, a silent server, a sweep. (What
//! they answer is proved by the laws L73 to L75.)

use std::time::{Duration, Instant};

use logout_all::{
    Clock, EndReason, JournalEntry, SessionStore, StoreErrorKind,
    store::{Lease, Scope},
};
use logout_all_postgres::PostgresStore;
use tokio::task::JoinSet;

use crate::{Database, end, journal, proxy::Proxy, rotation, sign_in, user};

fn millis(length: u64) -> Duration {
    Duration::from_millis(length)
}

fn lengths(given: u64, waited: u64) -> Lease {
    Lease { given: millis(given), waited: millis(waited) }
}

/// "Its `seq` is gapless in commit order": a follower with small answers, beside nodes, plain SQL and
/// transactions that are slow between their ending and their commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_misses_nothing_and_sees_the_order_of_the_commits() {
    const WRITERS: u64 = 6;
    const EACH: u64 = 20;
    let database = Database::migrated().await;
    let store = database.store().await;
    store.raise_lease(millis(500)).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, mut sql) = (database.store().await, database.sql().await);
        writers.spawn(async move {
            let one = user(format!("writer {writer}"));
            for turn in 0..EACH {
                if (writer + turn) % 3 == 0 {
                    let tx = sql.transaction().await.unwrap();
                    let call = format!("SELECT logout_all.logout_user('{one}')");
                    tx.batch_execute(&call).await.unwrap();
                    tokio::time::sleep(millis(turn % 4)).await;
                    tx.commit().await.unwrap();
                } else {
                    end(&store, &one, Scope::All).await.unwrap();
                }
                // What has returned is in every later answer.
                let told = store.poll(Some(0), 10_000).await.unwrap();
                let mine = told.entries.iter().filter(|entry| entry.user.as_ref() == Some(&one));
                assert_eq!(mine.count() as u64, turn + 1);
            }
        });
    }
    let first = store.poll(None, 1).await.unwrap().entries;
    let mut followed: Vec<JournalEntry> = first;
    let end = 1 + WRITERS * EACH;
    let since = Instant::now();
    while followed.last().unwrap().seq < end {
        let known = followed.last().unwrap().clone();
        let told = store.poll(Some(known.seq), 3).await.unwrap();
        assert_eq!(told.entries[0], known, "the known entry comes first");
        for (seq, entry) in (known.seq..).zip(&told.entries) {
            assert_eq!(entry.seq, seq);
        }
        let last = told.entries.last().unwrap().seq;
        assert!(last == told.last_seq || told.entries.len() == 4, "{last} of {}", told.last_seq);
        followed.extend(told.entries.into_iter().skip(1));
        assert!(since.elapsed() < Duration::from_secs(30), "{} of {end}", followed.len());
    }
    writers.join_all().await;
    assert_eq!(&journal(&store).await[journal(&store).await.len() - followed.len()..], followed);
}

/// "Truncation never removes the newest entry": whoever knows it is answered by it; whoever knows one
/// that is gone is not.
#[tokio::test]
async fn after_a_sweep_the_newest_entry_is_there_and_an_older_one_is_missed() {
    let database = Database::migrated().await;
    let clock = Clock::system();
    let store = database.builder().danger_clock(clock.clone()).connect().await.unwrap();
    for number in 0..5 {
        end(&store, &user(number), Scope::All).await.unwrap();
    }
    let newest = store.poll(None, 1).await.unwrap().entries;
    clock.advance(Duration::from_hours(31 * 24));
    for _ in 0..3 {
        store.sweep(100).await.unwrap();
    }
    assert_eq!(store.poll(Some(5), 100).await.unwrap().entries, newest);
    assert_eq!(store.poll(None, 100).await.unwrap().entries, newest);
    let missed = store.poll(Some(2), 100).await.unwrap();
    assert_eq!((missed.last_seq, &missed.entries), (5, &newest));
}

/// "Nodes of both follow the same journal during an upgrade": an entry with a later release's reason is
/// read as unspecified, and ends no following.
#[tokio::test]
async fn a_reason_of_a_later_release_is_followed() {
    let database = Database::migrated().await;
    let (store, sql) = (database.store().await, database.sql().await);
    end(&store, &user("ada"), Scope::All).await.unwrap();
    sql.batch_execute("UPDATE logout_all.journal SET reason = 'a-later-one'").await.unwrap();
    let told = store.poll(Some(0), 10).await.unwrap().entries;
    assert_eq!((told[0].seq, told[0].reason), (1, EndReason::Unspecified));
    assert_eq!(journal(&store).await, told);
}

/// "A poll finds its entries by their `seq`", however long the journal and whatever the planner
/// believes of it.
#[tokio::test]
async fn a_poll_reads_what_is_new_and_not_the_journal() {
    let database = Database::migrated().await;
    let (store, sql) = (database.store().await, database.sql().await);
    end(&store, &user("ada"), Scope::All).await.unwrap();
    // As it was when nothing was in it.
    sql.batch_execute("ANALYZE").await.unwrap();
    sql.batch_execute(
        "INSERT INTO logout_all.journal
         SELECT n, gen_random_uuid(), 'user ' || n, NULL, 'logout', 'application', now()
         FROM generate_series(2, 20000) AS n;
         UPDATE logout_all.journal_counter SET last_seq = 20000",
    )
    .await
    .unwrap();
    // What the store's own connection read of the table is counted by the server when it is closed.
    let read = async || {
        let asked = "SELECT t.seq_scan, i.idx_scan, i.idx_tup_read FROM pg_stat_user_tables AS t \
                     JOIN pg_stat_user_indexes AS i USING (relid) \
                     WHERE t.relname = 'journal' AND i.indexrelname = 'journal_pkey'";
        let row = sql.query_one(asked, &[]).await.unwrap();
        [0, 1, 2].map(|at| row.get::<_, i64>(at))
    };
    drop(store);
    let polls = "SELECT FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'logout-all poll'";
    let since = Instant::now();
    while !sql.query(polls, &[]).await.unwrap().is_empty() {
        assert!(since.elapsed() < Duration::from_secs(10), "it is still connected");
    }
    let before = read().await;
    let store = database.store().await;
    assert_eq!(store.poll(Some(1), 10).await.unwrap().entries.len(), 11);
    drop(store);
    while read().await[1] == before[1] {
        assert!(since.elapsed() < Duration::from_secs(10), "nothing was counted");
    }
    let after = read().await;
    assert_eq!(after[0], before[0], "it read the journal from end to end");
    assert!(after[2] - before[2] < 30, "it read {} entries", after[2] - before[2]);
}

/// "Not behind logins or the lookups": with every other connection stuck, and with the table of
/// sessions locked, a poll is answered at once.
#[tokio::test]
async fn no_load_holds_up_a_poll() {
    let database = Database::migrated().await;
    let builder = database.builder().read_connections(1).write_connections(1);
    let store = builder.ending_connections(1).connect().await.unwrap();
    let row = sign_in(&store, &user("ada")).await;
    let mut sql = database.sql().await;
    let tx = sql.transaction().await.unwrap();
    tx.batch_execute("LOCK TABLE logout_all.sessions").await.unwrap();
    let mut stuck = JoinSet::new();
    for number in 0..3 {
        let (store, row) = (store.clone(), row.clone());
        stuck.spawn(async move {
            drop(store.rotate(&rotation(&row)).await);
            drop(end(&store, &row.user, Scope::All).await);
            drop(store.devices(&user(number)).await);
            drop(store.lookup(&row.user, row.guid).await);
        });
    }
    database.waiting("write", 1).await;
    for _ in 0..5 {
        let since = Instant::now();
        store.poll(None, 10).await.unwrap();
        assert!(since.elapsed() < millis(500), "{:?}", since.elapsed());
        tokio::time::sleep(millis(50)).await;
    }
    tx.rollback().await.unwrap();
    stuck.join_all().await;
}

/// "No answer, no lease": behind a silent connection a poll takes a new one, and behind a silent
/// server it fails in time; it is well when that has passed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_ends_a_poll_in_time() {
    let database = Database::migrated().await;
    let proxy = Proxy::to(&database.config()).await;
    let store = PostgresStore::builder(proxy.config(&database.config())).connect().await.unwrap();
    store.raise_lease(millis(500)).await.unwrap();
    store.poll(None, 10).await.unwrap();
    proxy.swallow();
    let since = Instant::now();
    assert_eq!(store.poll(None, 10).await.unwrap().last_seq, 1);
    assert!(since.elapsed() < millis(1500), "{:?}", since.elapsed());

    proxy.freeze();
    let since = Instant::now();
    let mut polls = JoinSet::new();
    for _ in 0..5 {
        let store = store.clone();
        polls.spawn(async move { store.poll(None, 10).await.unwrap_err() });
    }
    for error in polls.join_all().await {
        assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{error:?}");
    }
    assert!(since.elapsed() < millis(2500), "{:?}", since.elapsed());
    proxy.thaw();
    let since = Instant::now();
    while store.poll(None, 10).await.is_err() {
        assert!(since.elapsed() < Duration::from_secs(5), "it did not come back");
    }
}

/// A server that was demoted, or a connection that a proxy moved to a replica: each answer says by
/// itself that it is the primary's.
#[tokio::test]
async fn what_a_replica_says_is_no_answer() {
    let database = Database::migrated().await;
    let sql = database.sql().await;
    sql.batch_execute(&format!(
        "CREATE SCHEMA fake; CREATE TABLE fake.replica (says boolean);
         INSERT INTO fake.replica VALUES (false);
         CREATE FUNCTION fake.pg_is_in_recovery() RETURNS boolean LANGUAGE sql
         AS 'SELECT says FROM fake.replica';
         ALTER DATABASE {} SET search_path = fake, pg_catalog",
        database.name
    ))
    .await
    .unwrap();
    let store = database.store().await;
    store.poll(None, 10).await.unwrap();
    sql.batch_execute("UPDATE fake.replica SET says = true").await.unwrap();
    let error = store.poll(None, 10).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("is a replica"), "{error:?}");
    sql.batch_execute("UPDATE fake.replica SET says = false").await.unwrap();
    store.poll(None, 10).await.unwrap();
}

/// L74, beside transactions of others: of many first nodes one writes the entry; and a node that asks
/// for what is there already waits for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_raise_to_the_longest_and_write_one_entry() {
    let database = Database::migrated().await;
    let (store, mut sql) = (database.store().await, database.sql().await);
    // All of them find nothing, and then wait for the same row.
    let tx = sql.transaction().await.unwrap();
    tx.batch_execute("SELECT FROM logout_all.meta FOR UPDATE").await.unwrap();
    let mut nodes = JoinSet::new();
    for node in (1..=4).rev() {
        let store = store.clone();
        nodes.spawn(async move {
            let lease = store.raise_lease(millis(200 * node)).await.unwrap();
            assert!(lease.given >= millis(200 * node) && lease.waited >= lease.given, "{lease:?}");
        });
    }
    database.waiting("end", 4).await;
    tx.rollback().await.unwrap();
    nodes.join_all().await;
    assert_eq!(store.lease().await.unwrap(), lengths(800, 800));
    let told = journal(&store).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].reason, &told[0].user), (EndReason::Changed, &None));
    // At least, to the nanosecond.
    let odd = store.raise_lease(millis(900) + Duration::from_nanos(1)).await.unwrap();
    assert_eq!(odd.given, millis(900) + Duration::from_micros(1));

    let tx = sql.transaction().await.unwrap();
    tx.batch_execute("SELECT logout_all.logout_everyone()").await.unwrap();
    let since = Instant::now();
    assert_eq!(store.raise_lease(millis(800)).await.unwrap(), odd);
    assert!(since.elapsed() < millis(1000), "{:?}", since.elapsed());
    let error = store.raise_lease(millis(1000)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut);
}

/// The operator's procedure (`docs/operations.md`): lowered, and undone by a node that raises while the
/// operator waits; not in one transaction; not by a role that may only read.
#[tokio::test]
async fn an_operator_lowers_the_lease_and_a_node_that_raises_it_wins() {
    let database = Database::migrated().await;
    let (store, mut sql) = (database.store().await, database.sql().await);
    store.raise_lease(millis(800)).await.unwrap();
    let first = "SELECT given::text, waited::text, extract(epoch FROM wait)::float8 \
                 FROM logout_all.lower_lease('300 ms')";
    let finish = "SELECT logout_all.finish_lowering('300 ms', '800 ms')";
    let row = sql.query_one(first, &[]).await.unwrap();
    let told: (&str, &str) = (row.get(0), row.get(1));
    assert_eq!(told, ("00:00:00.3", "00:00:00.8"));
    let wait: f64 = row.get(2);
    assert!((0.812..0.814).contains(&wait), "{wait}");
    assert_eq!(store.poll(None, 1).await.unwrap().lease, lengths(300, 800));
    assert!(sql.query_one(finish, &[]).await.unwrap().get::<_, bool>(0));
    assert_eq!(store.lease().await.unwrap(), lengths(300, 300));
    assert!(!sql.query_one(finish, &[]).await.unwrap().get::<_, bool>(0), "it is done");

    store.raise_lease(millis(800)).await.unwrap();
    sql.query_one(first, &[]).await.unwrap();
    store.raise_lease(millis(500)).await.unwrap();
    assert!(!sql.query_one(finish, &[]).await.unwrap().get::<_, bool>(0), "a raise since");
    assert_eq!(store.lease().await.unwrap(), lengths(500, 800));

    let tx = sql.transaction().await.unwrap();
    tx.query_one(first, &[]).await.unwrap();
    let error = tx.query_one(finish, &[]).await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("commit the first half"));
    tx.rollback().await.unwrap();
    assert!(sql.query_one("SELECT logout_all.lower_lease('-1 s')", &[]).await.is_err());
    // One that was never raised is not lowered below nothing, nor is there anything to wait for.
    let nothing = "SELECT wait::text FROM logout_all.lower_lease('500 ms')";
    sql.batch_execute("UPDATE logout_all.meta SET lease_given_us = 0, lease_waited_us = 0")
        .await
        .unwrap();
    assert_eq!(sql.query_one(nothing, &[]).await.unwrap().get::<_, &str>(0), "00:00:00");
}
