//! "pool exhausted, slow queries | 503 within the wait limit | at once when it passes", and what
//! they must not touch: other users, verifications, logouts.

use std::time::{Duration, Instant};

use logout_all_postgres::{Users, tokio_postgres::Client};
use tokio::task::JoinSet;

use crate::{
    client::{Answer, LIMIT, login, logout_all, me, renew},
    node::Node,
    postgres::Postgres,
};

const LOCK: &str = "SELECT logout_all.lock_user('ada'); \
                    SELECT FROM logout_all.sessions WHERE user_id = 'ada' FOR UPDATE";

/// A transaction of somebody else's holds one user's rows: her writes fail in time and fill the
/// connections for writes, and nobody else's logout or verification is held up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pool_exhausted_by_a_locked_user_holds_up_no_verification_and_no_other_logout() {
    let server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let node = Node::start(&server.builder()).await;
    let at = node.address;
    let ada = login(at, "ada").await.token();
    let (bob, eve) = (login(at, "bob").await.token(), login(at, "eve").await.token());
    let (mut sql, admin) = (server.sql().await, server.sql().await);

    let tx = sql.transaction().await.unwrap();
    tx.batch_execute(LOCK).await.unwrap();
    let mut stuck = JoinSet::new();
    for _ in 0..12 {
        let ada = ada.clone();
        stuck.spawn(async move { renew(at, &ada).await });
    }
    for _ in 0..2 {
        let ada = ada.clone();
        stuck.spawn(async move { logout_all(at, &ada).await });
    }
    waiting(&admin, "write", 8).await;
    waiting(&admin, "end", 1).await;
    me(at, &ada).await.at_once();
    me(at, &bob).await.at_once();
    assert_eq!(logout_all(at, &bob).await.at_once().json()["ended"], 1);
    me(at, &bob).await.ended();
    // The connections for writes are all taken: others' writes fail, but in time.
    let crowded = renew(at, &eve).await;
    if crowded.status() == 503 {
        crowded.outage()
    } else {
        crowded.well().took()
    };
    for answer in stuck.join_all().await {
        answer.outage();
    }

    // Fewer stuck ones than connections: others sign in and renew.
    let stuck = tokio::spawn({
        let ada = ada.clone();
        async move { tokio::join!(renew(at, &ada), logout_all(at, &ada), login(at, "ada")) }
    });
    waiting(&admin, "write", 2).await;
    let eve = renew(at, &eve).await.at_once().token();
    login(at, "bob").await.at_once();
    logout_all(at, &eve).await.at_once();
    let (renewed, ended, signed_in) = stuck.await.unwrap();
    let slowest = [renewed, ended, signed_in].iter().map(Answer::outage).max();
    println!("a locked user's slowest answer: {slowest:?}");

    // More logouts of hers than there are connections for logouts: they wait for each other before
    // they take one, and nobody else's is held up.
    let mut stuck = JoinSet::new();
    for _ in 0..6 {
        let ada = ada.clone();
        stuck.spawn(async move { logout_all(at, &ada).await });
    }
    waiting(&admin, "end", 1).await;
    let bob = login(at, "bob").await.at_once().token();
    assert_eq!(logout_all(at, &bob).await.at_once().json()["ended"], 2);
    me(at, &bob).await.ended();
    for answer in stuck.join_all().await {
        answer.outage();
    }

    tx.rollback().await.unwrap();
    let ada = renew(at, &ada).await.at_once().token();
    assert_eq!(logout_all(at, &ada).await.at_once().json()["ended"], 1);
    me(at, &ada).await.ended();
}

/// The condition of the application's users table becomes slow for one user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_queries_end_at_the_limit_and_are_over_at_once() {
    let server = Postgres::start().await;
    let sql = server.sql().await;
    sql.batch_execute(
        "CREATE TABLE accounts (id text PRIMARY KEY); \
         INSERT INTO accounts VALUES ('ada'), ('bob');",
    )
    .await
    .unwrap();
    becomes_slow(&sql, 0).await;
    server.builder().migrate().await.unwrap();
    let users = Users::table("accounts").id("id").active("is_awake(id)");
    let node = Node::start(&server.builder().users(users)).await;
    let at = node.address;
    let (ada, bob) = (login(at, "ada").await.token(), login(at, "bob").await.token());

    becomes_slow(&sql, 30).await;
    let slow = tokio::spawn({
        let ada = ada.clone();
        async move { me(at, &ada).await }
    });
    active(&sql, "lookup", 1).await;
    me(at, &bob).await.at_once();
    println!("a slow query is given up after {:?}", slow.await.unwrap().outage());
    // Both connections for lookups are taken: others wait for one, but not for long.
    let mut slow = JoinSet::new();
    for _ in 0..16 {
        let ada = ada.clone();
        slow.spawn(async move { me(at, &ada).await });
    }
    active(&sql, "lookup", 2).await;
    let crowded = me(at, &bob).await;
    if crowded.status() == 503 {
        crowded.outage()
    } else {
        crowded.well().took()
    };
    for answer in slow.join_all().await {
        answer.outage();
    }

    becomes_slow(&sql, 0).await;
    me(at, &ada).await.at_once();
    renew(at, &ada).await.at_once();
    me(at, &bob).await.at_once();
}

async fn becomes_slow(sql: &Client, seconds: u32) {
    let function = format!(
        "CREATE OR REPLACE FUNCTION is_awake(who text) RETURNS boolean LANGUAGE plpgsql VOLATILE \
         AS $$ BEGIN IF who = 'ada' THEN PERFORM pg_sleep({seconds}); END IF; RETURN true; END $$"
    );
    sql.batch_execute(&function).await.unwrap();
}

/// Waits until that many connections of the role wait for a lock: a barrier, not a pause.
async fn waiting(sql: &Client, role: &str, count: i64) {
    until(sql, role, count, "wait_event_type = 'Lock'").await;
}

/// Waits until that many connections of the role sleep in a query.
async fn active(sql: &Client, role: &str, count: i64) {
    until(sql, role, count, "wait_event = 'PgSleep'").await;
}

async fn until(sql: &Client, role: &str, count: i64, what: &str) {
    let asked = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE application_name = 'logout-all ' || $1 AND {what}"
    );
    let since = Instant::now();
    loop {
        let found: i64 = sql.query_one(&asked, &[&role]).await.unwrap().get(0);
        if found >= count {
            return;
        }
        assert!(since.elapsed() < LIMIT, "{found} of {count} {role} connections: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
