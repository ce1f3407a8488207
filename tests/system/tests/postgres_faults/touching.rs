//! Touches are HOT, on a server to themselves: space is free again once no transaction is older, in
//! any database of the server.

use std::time::{Duration, Instant};

use logout_all::{
    DeviceLimit, Guid, Limits, Persistence, RefTokId, SessionStore, UserAgent, UserId,
    store::{Confirm, Inserted, NewSession, Touch},
};
use logout_all_postgres::{PostgresStore, tokio_postgres::Client};

use crate::postgres::Postgres;

const SESSIONS: i64 = 6000;
const BATCH: usize = 500;
const ROUNDS: i64 = 10;

/// "HOT (checked in `pg_stat_user_tables` by a test)": all sessions of full pages, each once a
/// minute, in batches as activity comes, from all over the table.
#[tokio::test]
async fn touches_are_hot() {
    let server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let store = server.builder().connect().await.unwrap();
    let mut touches = Vec::new();
    for number in 0..SESSIONS {
        touches.push(touch_of_a_login(&store, number).await);
    }
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
    let all = SESSIONS * ROUNDS;
    let hot = updates(&server.sql().await, all).await;
    println!("{hot} of {all} touches are HOT");
    assert!(hot * 100 >= all * 98, "{hot} of {all} touches are HOT");
}

/// A session with a user agent of 112 characters, stored as a login does; the touch of its first
/// sight.
async fn touch_of_a_login(store: &PostgresStore, number: i64) -> Touch {
    let user = UserId::new(format!("user {number}")).unwrap();
    let ticket = store.epochs(Some(&user)).await.unwrap();
    let login = NewSession {
        user,
        guid: Guid::random(),
        ref_tok_id: RefTokId::random(),
        epochs: ticket.epochs,
        began_at: ticket.now,
        limits: Limits {
            idle: Duration::from_hours(24),
            absolute: Duration::from_hours(240),
            persistence: Persistence::Persistent,
        },
        token_lifetime: Duration::from_hours(1),
        device_limit: DeviceLimit::Unlimited,
        replaces: Vec::new(),
        user_agent: UserAgent::from_bytes("x".repeat(112).as_bytes()),
        ip: None,
    };
    let Inserted::Stored { row, .. } = store.insert(&login).await.unwrap() else {
        panic!("a login was refused");
    };
    Touch {
        user: row.user,
        guid: row.guid,
        ref_tok_id: row.ref_tok_id,
        seen_at: row.last_seen_at,
        extension: None,
        user_agent: None,
        confirm: Confirm::Yes,
    }
}

/// How many updates of sessions were HOT, once so many are counted.
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
