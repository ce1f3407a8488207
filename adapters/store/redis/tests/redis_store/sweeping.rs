//! One sweep at a time, without a leader.

use std::time::{Duration, Instant};

use logout_all::{
    Limits, SessionStore,
    store::{NewSession, Swept},
};
use logout_all_redis::RedisStore;

use crate::{login_of, server::Server, sign_in, stored, user};

const SWEEPING: &str = "logout-all:{*}:sweeping";

/// One session that is dead a moment later, beside one that keeps the key from vanishing.
async fn dead(store: &RedisStore, name: &str) {
    let user = user(name);
    sign_in(store, &user).await;
    let login = login_of(store, &user).await;
    let brief = Limits { idle: Duration::from_millis(1), ..login.limits };
    stored(store.insert(&NewSession { limits: brief, ..login }).await.unwrap());
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// While one holds the turn, another removes nothing and does not wait; the turn of a node that died
/// ends by itself.
#[tokio::test]
async fn one_sweep_works_at_a_time_and_none_waits() {
    let server = Server::start(&[]);
    let store = server.store().await;
    dead(&store, "ada").await;
    server.ask::<()>(&format!("SET {SWEEPING} another PX 700"));
    let begun = Instant::now();
    assert_eq!(store.sweep(10).await.unwrap(), Swept::default());
    assert!(begun.elapsed() < Duration::from_millis(600), "it waited {:?}", begun.elapsed());
    assert_eq!(server.ask::<String>(&format!("GET {SWEEPING}")), "another", "its turn is left");
    while store.sweep(10).await.unwrap().sessions != 1 {
        assert!(begun.elapsed() < Duration::from_secs(5), "the turn never ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Given back at once, and taken for a while only.
    assert!(!server.ask::<bool>(&format!("EXISTS {SWEEPING}")));
    dead(&store, "bob").await;
    assert_eq!(store.sweep(10).await.unwrap().sessions, 1);
}

/// A full server still lets what is dead go.
#[tokio::test]
async fn a_full_server_is_swept() {
    let server = Server::start(&[]);
    let store = server.store().await;
    dead(&store, "ada").await;
    server.ask::<()>("CONFIG SET maxmemory 1");
    assert_eq!(store.sweep(10).await.unwrap().sessions, 1);
}

/// Users whose sessions were prolonged since have a place among those that are due: however many
/// they are, what is dead behind them is found by the same sweep.
#[tokio::test]
async fn those_that_live_on_do_not_hide_the_dead() {
    let server = Server::start(&[]);
    let store = server.store().await;
    for number in 0..12 {
        let name = format!("user-{number}");
        sign_in(&store, &user(&name)).await;
        server.ask::<()>(&format!("ZADD logout-all:{{*}}:due {number} {name}"));
    }
    dead(&store, "ada").await;
    assert_eq!(store.sweep(5).await.unwrap().sessions, 1);
}
