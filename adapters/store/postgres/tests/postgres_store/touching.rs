//! Touches: how many of them are HOT, and that a held row holds up no other.

use std::time::{Duration, Instant};

use logout_all::{Guid, RefTokId, SessionStore, UserAgent, store::Touch};
use logout_all_postgres::tokio_postgres::Client;
use uuid::Uuid;

use crate::{Database, sign_in, touch_of, user};

const SESSIONS: i64 = 6000;
const BATCH: usize = 500;
const ROUNDS: u32 = 10;

/// `ada`'s session, and `SESSIONS` more of as many users with their own ids and a user agent of 112
/// characters, stored one after the other as logins are: a touch of each, in the order of the table.
async fn sessions(database: &Database) -> Vec<Touch> {
    let (store, sql) = (database.store().await, database.sql().await);
    let row = sign_in(&store, &user("ada")).await;
    let agent = UserAgent::from_bytes("x".repeat(112).as_bytes());
    store.touch(&[Touch { user_agent: agent, ..touch_of(&row) }]).await.unwrap();
    let many = format!(
        "INSERT INTO logout_all.sessions SELECT (c.s).* FROM (SELECT jsonb_populate_record(s, \
         jsonb_build_object('guid', gen_random_uuid(), 'ref_tok_id', gen_random_uuid(), \
         'user_id', 'user ' || n, 'confirmed_at', NULL)) AS s \
         FROM logout_all.sessions s, generate_series(1, {SESSIONS}) n) c"
    );
    sql.batch_execute(&many).await.unwrap();
    let asked = "SELECT user_id, guid, ref_tok_id FROM logout_all.sessions \
                 WHERE user_id <> 'ada' ORDER BY ctid";
    let rows = sql.query(asked, &[]).await.unwrap();
    let touch = |at: &logout_all_postgres::tokio_postgres::Row| Touch {
        user: user(at.get::<_, String>(0)),
        guid: Guid::from_uuid(at.get::<_, Uuid>(1)).unwrap(),
        ref_tok_id: RefTokId::from_uuid(at.get::<_, Uuid>(2)).unwrap(),
        ..touch_of(&row)
    };
    rows.iter().map(touch).collect()
}

/// Updates of sessions, and how many of them were HOT, once so many are counted.
async fn updates(sql: &Client, wanted: i64) -> i64 {
    let asked = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables \
                 WHERE schemaname = 'logout_all' AND relname = 'sessions'";
    let since = Instant::now();
    loop {
        let row = sql.query_one(asked, &[]).await.unwrap();
        let (all, hot): (i64, i64) = (row.get(0), row.get(1));
        if all >= wanted {
            assert_eq!(all, wanted, "each touch is one update");
            return hot;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{all} updates were counted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// "HOT (checked in `pg_stat_user_tables` by a test)": all sessions of full pages, each once a
/// minute, in batches as activity comes, from all over the table.
///
/// Space is free again once nobody's transaction is older, of any database of the server. So other
/// tests that hold one open disturb it, and it is tried again.
#[tokio::test]
async fn touches_are_hot() {
    let all = 1 + SESSIONS * i64::from(ROUNDS);
    let mut hot = 0;
    for _ in 0..5 {
        hot = hot_touches().await;
        println!("{hot} of {all} touches are HOT");
        if hot * 100 >= all * 98 {
            return;
        }
    }
    panic!("{hot} of {all} touches are HOT");
}

async fn hot_touches() -> i64 {
    let database = Database::migrated().await;
    let mut touches = sessions(&database).await;
    let (store, sql) = (database.store().await, database.sql().await);
    // The same order each time, and no order of the table's.
    touches.sort_by_key(|touch| touch.ref_tok_id.expose().as_u128());
    for _ in 0..ROUNDS {
        for touch in &mut touches {
            touch.seen_at += Duration::from_mins(1);
        }
        for batch in touches.chunks(BATCH) {
            let mut batch = batch.to_vec();
            batch.sort_by(|a, b| (&a.user, a.guid).cmp(&(&b.user, b.guid)));
            store.touch(&batch).await.unwrap();
        }
    }
    drop(store);
    updates(&sql, 1 + SESSIONS * i64::from(ROUNDS)).await
}

/// "the confirmation reaches the store within a second", also beside a row that a transaction of
/// the application's holds.
#[tokio::test]
async fn a_held_row_holds_up_no_other() {
    let database = Database::migrated().await;
    let (store, mut sql) = (database.store().await, database.sql().await);
    let (ada, bob) = (sign_in(&store, &user("ada")).await, sign_in(&store, &user("bob")).await);
    let tx = sql.transaction().await.unwrap();
    tx.batch_execute(
        "SELECT logout_all.lock_user('ada'); \
                      SELECT FROM logout_all.sessions WHERE user_id = 'ada' FOR UPDATE",
    )
    .await
    .unwrap();
    let begun = Instant::now();
    let both = [touch_of(&ada), touch_of(&bob)];
    let touching = tokio::spawn({
        let store = store.clone();
        async move { store.touch(&both).await }
    });
    let confirmed = async |row: &logout_all::SessionRow| {
        store.lookup(&row.user, row.guid).await.unwrap().row.unwrap().confirmed_at.is_some()
    };
    while !confirmed(&bob).await {
        assert!(begun.elapsed() < Duration::from_secs(1), "it waits for a lock of another's");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!confirmed(&ada).await);
    // Nor does it wait for long where it could not write.
    touching.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    // A row that is free in time is written.
    let touching = tokio::spawn({
        let (store, touch) = (store.clone(), touch_of(&ada));
        async move { store.touch(&[touch]).await }
    });
    tx.rollback().await.unwrap();
    touching.await.unwrap().unwrap();
    assert!(confirmed(&ada).await);
}
