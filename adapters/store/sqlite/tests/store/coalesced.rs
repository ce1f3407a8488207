//! Verifications share a snapshot, and nothing else.

use std::time::{Duration, Instant};

use logout_all::{SessionRow, SessionStore, Snapshot, StoreError, StoreErrorKind, store::Scope};
use logout_all_sqlite::{SqliteStore, Users};
use tokio::task::JoinHandle;

use crate::{File, end, is_there, sign_in, user};

/// Counts so far for a user, which takes SQLite a while; for others it takes no time.
const COUNTS: &str = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < work) \
                      SELECT max(i) FROM n) > 0";
const ACCOUNTS: &str = "CREATE TABLE accounts (id TEXT PRIMARY KEY, work INTEGER);
                        INSERT INTO accounts VALUES ('ada', 1), ('bob', 1), ('eve', 1)";

async fn one_reader(file: &File) -> SqliteStore {
    file.sql().execute_batch(ACCOUNTS).unwrap();
    let users = Users::table("accounts").active(COUNTS);
    file.builder().users(users).readers(1).connect().await.unwrap()
}

/// From now on a lookup of `ada` keeps its thread busy for more than half a second.
async fn ada_takes_long(file: &File, store: &SqliteStore, ada: &SessionRow) {
    let mut work = 100_000;
    loop {
        file.sql().execute("UPDATE accounts SET work = ?1 WHERE id = 'ada'", [work]).unwrap();
        let since = Instant::now();
        assert!(is_there(store, ada).await);
        if since.elapsed() > Duration::from_millis(600) {
            return;
        }
        work *= 2;
    }
}

fn ask(store: &SqliteStore, row: &SessionRow) -> JoinHandle<Result<Snapshot, StoreError>> {
    let (store, row) = (store.clone(), row.clone());
    tokio::spawn(async move { store.lookup(&row.user, row.guid).await })
}

/// "A lookup is only ever answered by a query that *started* after the lookup arrived."
#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_that_arrives_while_a_snapshot_is_read_is_not_answered_from_it() {
    let file = File::migrated().await;
    let store = one_reader(&file).await;
    let row = sign_in(&store, &user("ada")).await;
    ada_takes_long(&file, &store, &row).await;
    let before = ask(&store, &row);
    // Its thread is at work for much longer than this.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(end(&store, &row.user, Scope::All).await.guids, [row.guid]);
    assert!(!before.is_finished());
    let after = ask(&store, &row);
    assert_eq!(before.await.unwrap().unwrap().row, Some(row), "it was sent before the logout");
    assert_eq!(after.await.unwrap().unwrap().row, None, "it came after the logout had returned");
}

/// What waits is answered together: each by its own row, damage included, and a caller that went
/// away takes nobody along.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_row_is_told_to_its_caller_alone() {
    let file = File::migrated().await;
    let store = one_reader(&file).await;
    let first = sign_in(&store, &user("ada")).await;
    let (damaged, well) =
        (sign_in(&store, &user("bob")).await, sign_in(&store, &user("eve")).await);
    let sql = file.sql();
    sql.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    let damage = "UPDATE logout_all_sessions SET generation = -1 WHERE user_id = 'bob'";
    sql.execute(damage, []).unwrap();
    ada_takes_long(&file, &store, &first).await;
    let busy = ask(&store, &first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waiting: Vec<_> =
        [&well, &damaged, &well, &damaged, &well].map(|row| ask(&store, row)).into();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!busy.is_finished());
    waiting[0].abort();
    for (number, asked) in waiting.into_iter().enumerate().skip(1) {
        let answer = asked.await.unwrap();
        if number % 2 == 0 {
            assert_eq!(answer.unwrap().row.as_ref(), Some(&well));
        } else {
            assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::Corrupt);
        }
    }
    assert_eq!(busy.await.unwrap().unwrap().row, Some(first));
}
