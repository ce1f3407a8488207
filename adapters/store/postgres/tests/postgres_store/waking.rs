//! Wake-ups: they come with the commits that journal something, and with nothing else; and nothing
//! breaks with the connection that listens.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use logout_all::{By, EndReason, SessionStore, store::Scope};
use logout_all_postgres::PostgresStore;
use tokio::time::timeout;

use crate::{Database, end, proxy::Proxy, rotation, sign_in, touch_of, user};

const SOON: Duration = Duration::from_secs(5);
/// How long a wake-up that must not come is waited for.
const A_WHILE: Duration = Duration::from_millis(300);

async fn comes(what: &str, woken: impl Future<Output = ()>) -> Duration {
    let since = Instant::now();
    assert!(timeout(SOON, woken).await.is_ok(), "no wake-up: {what}");
    since.elapsed()
}

/// Waits until the connection listens: the first wake-up is that it does.
async fn listening(store: &PostgresStore) {
    comes("the first", store.woken()).await;
    while timeout(A_WHILE, store.woken()).await.is_ok() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ending_wakes_every_node_and_nothing_else_does() {
    let database = Database::migrated().await;
    let (store, other) = (database.store().await, database.store().await);
    let (ada, sql) = (user("ada"), database.sql().await);
    listening(&store).await;
    listening(&other).await;
    let row = sign_in(&store, &ada).await;
    let woken = other.woken();
    store.touch(&[touch_of(&row)]).await.unwrap();
    store.rotate(&rotation(&row)).await.unwrap();
    store.relabel(&ada, row.guid, None).await.unwrap();
    sign_in(&store, &user("bob")).await;
    store.sweep(10).await.unwrap();
    end(&store, &user("stranger"), Scope::Device(row.guid)).await.unwrap();
    assert!(timeout(A_WHILE, woken).await.is_err(), "nothing has ended");

    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let (mine, others) = (store.woken(), other.woken());
        end(&store, &ada, Scope::All).await.unwrap();
        slowest = slowest.max(comes("on its own node", mine).await);
        slowest = slowest.max(comes("on another", others).await);
    }
    println!("the slowest of ten wake-ups came {slowest:?} after the logout had returned");
    for statement in [
        "DELETE FROM logout_all.sessions WHERE user_id = 'bob'",
        "SELECT logout_all.logout_everyone()",
        "SELECT logout_all.user_changed('eve')",
    ] {
        let woken = other.woken();
        sql.batch_execute(statement).await.unwrap();
        comes(statement, woken).await;
    }
    // With the commit and not before; and what is rolled back never was.
    let woken = other.woken();
    sql.batch_execute("BEGIN; SELECT logout_all.logout_user('ada'); ROLLBACK").await.unwrap();
    assert!(timeout(A_WHILE, woken).await.is_err(), "it was rolled back");
}

/// Another schema of the same database is another store.
#[tokio::test]
async fn another_store_is_not_woken() {
    let database = Database::migrated().await;
    let name = format!("S\"{}", "x".repeat(61));
    let builder = database.builder().schema(name);
    builder.migrate().await.unwrap();
    let (store, other) = (database.store().await, builder.connect().await.unwrap());
    listening(&store).await;
    listening(&other).await;
    let (mine, others) = (store.woken(), other.woken());
    other.announce_changed(&user("ada"), &By::Application).await.unwrap();
    comes("the store of the schema with an odd name", others).await;
    assert!(timeout(A_WHILE, mine).await.is_err());
}

/// "Nothing breaks when the listening connection is killed": it wakes again later, and what came in
/// between is told by the connection that is opened anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_killed_listens_again() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let admin = database.admin().await;
    listening(&store).await;
    for _ in 0..3 {
        let woken = store.woken();
        let kill = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity \
                    WHERE datname = $1 AND application_name = 'logout-all wake'";
        assert_eq!(admin.query(kill, &[&database.name]).await.unwrap().len(), 1);
        end(&store, &ada, Scope::All).await.unwrap();
        comes("what was missed", woken).await;
        let woken = store.woken();
        store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
        comes("on the new connection", woken).await;
    }
}

/// A socket that died unnoticed: no wake-ups, and everything else as it is; the connection that
/// listens is asked now and then, and replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_cut_off_is_replaced() {
    let database = Database::migrated().await;
    let proxy = Proxy::to(&database.config()).await;
    let store = PostgresStore::builder(proxy.config(&database.config())).connect().await.unwrap();
    listening(&store).await;
    proxy.swallow();
    let woken = store.woken();
    end(&store, &user("ada"), Scope::All).await.unwrap();
    assert_eq!(store.poll(None, 10).await.unwrap().last_seq, 1, "polls need no wake-up");
    let limit = Duration::from_secs(20);
    assert!(timeout(limit, woken).await.is_ok(), "the dead connection was not noticed");
}

/// One that nobody asks for is not opened; with the store it goes.
#[tokio::test]
async fn the_connection_comes_with_the_first_who_waits_and_goes_with_the_store() {
    let database = Database::migrated().await;
    let (store, admin) = (database.store().await, database.admin().await);
    let listeners = async || {
        let asked = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = $1 AND application_name = 'logout-all wake'";
        admin.query_one(asked, &[&database.name]).await.unwrap().get::<_, i64>(0)
    };
    end(&store, &user("ada"), Scope::All).await.unwrap();
    assert_eq!(listeners().await, 0);
    listening(&store).await;
    drop(store.woken());
    assert_eq!(listeners().await, 1);
    drop(store);
    let since = Instant::now();
    while listeners().await > 0 {
        assert!(since.elapsed() < SOON, "it is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
