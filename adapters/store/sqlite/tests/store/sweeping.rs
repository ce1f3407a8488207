//! The sweep beside other writers of the file.

use std::time::{Duration, Instant};

use logout_all::SessionStore;

use crate::{File, sign_in, user};

/// Rows that expired; as many users.
async fn dead_rows(file: &File, count: i64) {
    let store = file.store().await;
    sign_in(&store, &user("ada")).await;
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO logout_all_sessions
        SELECT 'dead ' || n.i, guid, ref_tok_id, prev_ref_tok_id, generation, epoch, global_epoch,
            created_at, auth_time, rotated_at, token_issued_at, token_expires_at, confirmed_at,
            last_seen_at, user_agent, ip, label, idle_us, absolute_us, persistent, n.i
        FROM n, logout_all_sessions WHERE user_id = 'ada'";
    file.sql().execute(many, [count]).unwrap();
}

/// L81, "none waits for longer than one batch of another takes": what is dead is found beside a
/// writer, the writer's lock lets one delete at a time, and it is held for a part of a batch only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweeps_of_two_nodes_take_turns_at_the_writers_lock() {
    let file = File::migrated().await;
    dead_rows(&file, 3000).await;
    let (one, two) = (file.store().await, file.store().await);
    let sweep = |store: logout_all_sqlite::SqliteStore| async move {
        let (mut removed, mut longest) = (0, Duration::ZERO);
        loop {
            let begun = Instant::now();
            let swept = store.sweep(500).await.unwrap().sessions;
            longest = longest.max(begun.elapsed());
            removed += swept;
            if swept < 500 {
                return (removed, longest);
            }
        }
    };
    let begun = Instant::now();
    let (first, second) = tokio::join!(sweep(one.clone()), sweep(two));
    println!("{first:?} and {second:?} in {:?}", begun.elapsed());
    // Where both found the same rows, one has removed them, and the other's round has ended.
    let left = sweep(one.clone()).await;
    assert_eq!(first.0 + second.0 + left.0, 3000);
    assert!(first.1.max(second.1) < Duration::from_secs(2));
    assert_eq!(one.devices(&user("ada")).await.unwrap().rows.len(), 1);
}

/// An ending that comes while a batch is deleted waits for a part of it, and not for the batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_gives_the_lock_back_in_between() {
    let file = File::migrated().await;
    dead_rows(&file, 20_000).await;
    let store = file.store().await;
    let sweeping = tokio::spawn({
        let store = store.clone();
        async move { store.sweep(20_000).await.unwrap().sessions }
    });
    let sql = file.sql();
    let left = || -> i64 {
        sql.query_row("SELECT count(*) FROM logout_all_sessions", [], |row| row.get(0)).unwrap()
    };
    while left() == 20_001 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(left() > 1, "the batch is committed in parts");
    let before = left();
    sign_in(&store, &user("bob")).await;
    assert!(before > 1 && left() > 2, "a login got in between");
    assert_eq!(sweeping.await.unwrap(), 20_000);
}
