//! The sweep beside other sweeps, held rows and old snapshots.

use std::time::{Duration, Instant};

use logout_all::SessionStore;
use logout_all_postgres::{PostgresStore, tokio_postgres::Client};

use crate::{Database, sign_in, user};

/// Rows of `count` users that expired, one a second.
async fn dead_rows(sql: &Client, store: &PostgresStore, count: i64) {
    let row = sign_in(store, &user("ada")).await;
    let many = format!(
        "INSERT INTO logout_all.sessions SELECT (c.s).* FROM (SELECT jsonb_populate_record(s, \
         jsonb_build_object('guid', gen_random_uuid(), 'user_id', 'dead ' || n, \
         'expires_at', now() - n * interval '1 second')) AS s \
         FROM logout_all.sessions s, generate_series(1, {count}) n WHERE guid = '{}') c",
        row.guid
    );
    sql.batch_execute(&many).await.unwrap();
    sql.batch_execute("ANALYZE logout_all.sessions").await.unwrap();
}

async fn rows(sql: &Client) -> i64 {
    sql.query_one("SELECT count(*) FROM logout_all.sessions", &[]).await.unwrap().get(0)
}

/// L81: "none waits for another": while one sweep holds the turn, another removes nothing, at once;
/// and the turn goes with its holder.
#[tokio::test]
async fn one_sweep_works_at_a_time_and_none_waits() {
    let database = Database::migrated().await;
    let (store, sql, other) = (database.store().await, database.sql().await, database.sql().await);
    dead_rows(&sql, &store, 20).await;
    other.batch_execute("BEGIN").await.unwrap();
    let sweep = "SELECT dead FROM logout_all.sweep(5, interval '30 days', 0, NULL)";
    let dead: i64 = other.query_one(sweep, &[]).await.unwrap().get(0);
    assert_eq!(dead, 5);
    let begun = Instant::now();
    assert_eq!(store.sweep(5).await.unwrap().sessions, 0);
    assert!(begun.elapsed() < Duration::from_secs(1), "it waited {:?}", begun.elapsed());
    drop(other);
    let since = Instant::now();
    while store.sweep(5).await.unwrap().sessions != 5 {
        assert!(since.elapsed() < Duration::from_secs(10), "the turn did not go with its holder");
    }
}

/// Two schemas of one database do not take each other's turn.
#[tokio::test]
async fn another_schema_sweeps_beside() {
    let database = Database::migrated().await;
    let builder = database.builder().schema("second");
    builder.migrate().await.unwrap();
    let (store, sql) = (builder.connect().await.unwrap(), database.sql().await);
    sign_in(&store, &user("ada")).await;
    sql.batch_execute("UPDATE second.sessions SET expires_at = now()").await.unwrap();
    sql.batch_execute("BEGIN; SELECT logout_all.sweep(5, interval '30 days', 0, NULL)")
        .await
        .unwrap();
    assert_eq!(store.sweep(5).await.unwrap().sessions, 1);
}

/// A row that somebody holds is left for the next time.
#[tokio::test]
async fn a_held_row_holds_up_no_sweep() {
    let database = Database::migrated().await;
    let (store, sql, other) = (database.store().await, database.sql().await, database.sql().await);
    dead_rows(&sql, &store, 10).await;
    let hold = "BEGIN; SELECT FROM logout_all.sessions WHERE user_id = 'dead 10' FOR UPDATE";
    other.batch_execute(hold).await.unwrap();
    let begun = Instant::now();
    assert_eq!(store.sweep(20).await.unwrap().sessions, 9);
    assert!(begun.elapsed() < Duration::from_secs(1), "it waited {:?}", begun.elapsed());
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(store.sweep(20).await.unwrap().sessions, 1);
    assert_eq!(rows(&sql).await, 1, "and the living");
}

/// While a backup holds an old snapshot, what was removed stays in the index: a batch does not walk
/// over what the batches before it removed.
#[tokio::test]
async fn the_last_batch_reads_as_little_as_the_first() {
    const BATCHES: i64 = 20;
    let database = Database::migrated().await;
    let (store, sql, backup) = (database.store().await, database.sql().await, database.sql().await);
    dead_rows(&sql, &store, BATCHES * 50).await;
    backup.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    assert_eq!(rows(&backup).await, BATCHES * 50 + 1);
    let before = index_reads(&sql).await;
    for _ in 0..BATCHES {
        assert_eq!(store.sweep(50).await.unwrap().sessions, 50);
    }
    assert_eq!(store.sweep(50).await.unwrap().sessions, 0);
    drop(store);
    let since = Instant::now();
    loop {
        let read = index_reads(&sql).await - before;
        // Each row once, and the last of each batch again.
        if read >= BATCHES * 50 {
            println!("{read} index entries read for {} rows", BATCHES * 50);
            assert!(read <= BATCHES * 51 + BATCHES * 50, "{read} index entries were read");
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{read} reads were counted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(rows(&backup).await, BATCHES * 50 + 1, "the snapshot was held");
}

/// A row that was held, or was put before the others by hand, is found in the next round.
#[tokio::test]
async fn each_round_begins_at_the_beginning() {
    let database = Database::migrated().await;
    let (store, sql) = (database.store().await, database.sql().await);
    dead_rows(&sql, &store, 5).await;
    assert_eq!(store.sweep(5).await.unwrap().sessions, 5);
    let row = sign_in(&store, &user("bob")).await;
    let past = "UPDATE logout_all.sessions SET expires_at = '2001-01-01' WHERE user_id = $1";
    sql.execute(past, &[&row.user.as_str()]).await.unwrap();
    assert_eq!(store.sweep(5).await.unwrap().sessions, 0, "the round goes on, and ends");
    assert_eq!(store.sweep(5).await.unwrap().sessions, 1);
}

async fn index_reads(sql: &Client) -> i64 {
    let asked = "SELECT idx_tup_read FROM pg_stat_user_indexes \
                 WHERE schemaname = 'logout_all' AND indexrelname = 'sessions_expires_at'";
    sql.query_one(asked, &[]).await.unwrap().get(0)
}
