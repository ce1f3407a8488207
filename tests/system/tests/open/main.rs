//! What is open on one node while sessions end on another, over each store; while the store is away;
//! when its client is gone; and what ten thousand that are open ask of it ("10,000 open streams … without store load per
//! stream").

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../database/mod.rs"]
mod database;
#[path = "../keys/mod.rs"]
mod keys;
#[path = "../servers/mod.rs"]
mod servers;

mod abandoned;
mod nodes;
mod outages;

use std::time::Duration;

use logout_all::{Before, By, ClientInfo, DeviceLimit, EndReason, SessionEnd, SessionStore};
use nodes::{Device, Nodes, end, stays};

/// Each of them over each store.
macro_rules! over_each_store {
    ($($name:ident,)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                super::$name(nodes::over_memory().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(nodes::over_sqlite(&folder.path().join("open.db")).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let _gone = database::Gone;
                let database = database::Database::new().await.unwrap();
                super::$name(nodes::over_postgres(&database).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis() {
                let prefix = keys::Prefix::new().unwrap();
                super::$name(nodes::over_redis(&prefix).await).await;
            }
        }
    )*};
}

over_each_store! {
    an_ending_on_another_node_is_told_with_its_reason,
    the_end_of_everybody_is_told_on_another_node,
    whoever_comes_back_is_not_meant,
}

/// By hand and without a journal: told on the node that is told of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_ended_by_hand_is_told_where_it_is_settled() {
    let prefix = keys::Prefix::new().unwrap();
    let nodes = nodes::over_redis(&prefix).await;
    let (ada, bob) = (nodes.sign_in("ada").await, nodes.sign_in("bob").await);
    let (mut of_ada, mut of_bob) = (nodes.open(&ada).await, nodes.open(&bob).await);
    // What has just been opened is read once more.
    assert!(stays(&mut of_ada).await);
    let client = redis::Client::open(prefix.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("{}:{{ada}}:sessions", prefix.name());
    let gone: i64 = redis::cmd("DEL").arg(key).query_async(&mut connection).await.unwrap();
    assert_eq!(gone, 1);
    assert!(stays(&mut of_ada).await, "nobody has said so");
    nodes.b.settled(&ada.user).await.unwrap();
    assert!(matches!(end(of_ada).await, SessionEnd::Ended(_)));
    assert!(stays(&mut of_bob).await);
}

/// "logout by any route, eviction, reuse": each on A, and what is open on B learns of it; nobody else.
async fn an_ending_on_another_node_is_told_with_its_reason<S: SessionStore>(nodes: Nodes<S>) {
    let Nodes { a, .. } = &nodes;
    let by = || By::operator("test");
    let bystander = nodes.sign_in("bystander").await;
    let mut bystanding = nodes.open(&bystander).await;
    let told = |told, reason| async move {
        assert_eq!(end(told).await, SessionEnd::Ended(reason), "{reason}");
    };

    let one = nodes.sign_in("ada").await;
    let open = nodes.open(&one).await;
    a.logout_token(one.token.as_bytes()).await.unwrap();
    told(open, EndReason::Logout).await;

    let (kept, gone) = (nodes.sign_in("ada").await, nodes.sign_in("ada").await);
    let (mut keeps, open) = (nodes.open(&kept).await, nodes.open(&gone).await);
    let session = a.verify(kept.token.as_bytes()).await.unwrap();
    a.logout_others(&session, EndReason::Password).await.unwrap();
    told(open, EndReason::Password).await;
    assert!(stays(&mut keeps).await);
    a.logout_all(&kept.user, EndReason::Locked, by()).await.unwrap();
    told(keeps, EndReason::Locked).await;

    let old = nodes.sign_in("ada").await;
    let open = nodes.open(&old).await;
    let ticket = a.begin_login(Some(&old.user)).await.unwrap();
    let ticket = ticket.device_limit(DeviceLimit::Evict(1));
    a.login(ticket, ClientInfo::default(), &()).await.unwrap();
    told(open, EndReason::Evicted).await;

    let Device { token, user, .. } = nodes.sign_in("grace").await;
    let second = nodes.renew(&token).await;
    nodes.clock.advance(Duration::from_secs(61));
    let third = nodes.renew(&second).await;
    let open = nodes.open_by(&third).await;
    assert!(a.renew(token.as_bytes(), ClientInfo::default()).await.is_err());
    told(open, EndReason::Reuse).await;

    let old = nodes.sign_in("grace").await;
    let mut open = nodes.open(&old).await;
    nodes.clock.advance(Duration::from_secs(10));
    let new = nodes.sign_in("grace").await;
    let mut opened = nodes.open(&new).await;
    assert!(stays(&mut open).await);
    let now = a.verify(new.token.as_bytes()).await.unwrap().created_at();
    a.logout_before(&user, Before::SignedIn(now), EndReason::Before, by()).await.unwrap();
    told(open, EndReason::Before).await;
    assert!(stays(&mut opened).await);

    assert!(stays(&mut bystanding).await);
    assert!(nodes.b.verify(bystander.token.as_bytes()).await.is_ok());
}

async fn the_end_of_everybody_is_told_on_another_node<S: SessionStore>(nodes: Nodes<S>) {
    let mut open = Vec::new();
    for name in ["ada", "grace", "joan"] {
        open.push(nodes.open(&nodes.sign_in(name).await).await);
    }
    nodes.a.logout_everyone(EndReason::Everyone, By::operator("test")).await.unwrap();
    for open in open {
        assert_eq!(end(open).await, SessionEnd::Ended(EndReason::Everyone));
    }
}

/// An entry about a whole user, or everybody, is read after a login that came later: that login lives.
async fn whoever_comes_back_is_not_meant<S: SessionStore>(nodes: Nodes<S>) {
    let by = || By::operator("test");
    for round in 0..5 {
        let ada = nodes.sign_in("ada").await;
        let open = nodes.open(&ada).await;
        match round % 2 {
            0 => drop(nodes.a.logout_all(&ada.user, EndReason::Everywhere, by()).await.unwrap()),
            _ => nodes.a.logout_everyone(EndReason::Everyone, by()).await.unwrap(),
        }
        let mut back = nodes.open(&nodes.sign_in("ada").await).await;
        assert!(matches!(end(open).await, SessionEnd::Ended(_)));
        assert!(stays(&mut back).await, "round {round}");
    }
}
