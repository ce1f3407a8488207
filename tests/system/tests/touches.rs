//! Activity on its way to the store, over each store: "a write-behind, at most one per session per
//! minute and node, confirmations within a second, flushed at shutdown".

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod database;
mod keys;

use std::time::{Duration, Instant};

use database::{Database, Gone};
use keys::Prefix;
use logout_all::{
    AuthError, ClientInfo, Clock, Denied, Guid, Keys, MemoryStore, SessionRow, SessionStore,
    Sessions, UserId,
};
use logout_all_conformance::counted::{Accesses, Counted, Failing, Verb};
use logout_all_postgres::{PostgresStore, tokio_postgres::NoTls};
use logout_all_redis::RedisStore;
use logout_all_sqlite::SqliteStore;

/// Each of them over each store.
macro_rules! over_each_store {
    ($($name:ident,)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                let clock = Clock::system();
                super::$name(Node::start(MemoryStore::with_clock(clock.clone()), clock).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::system());
                let builder = SqliteStore::builder(folder.path().join("touches.db"));
                builder.migrate().await.unwrap();
                let store = builder.danger_clock(clock.clone()).connect().await.unwrap();
                super::$name(Node::start(store, clock).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let _gone = Gone;
                let database = Database::new().await.unwrap();
                super::$name(over_postgres(&database).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis() {
                let (prefix, clock) = (Prefix::new().unwrap(), Clock::system());
                let builder = RedisStore::builder(prefix.url()).prefix(prefix.name());
                let store = builder.danger_clock(clock.clone()).connect().await.unwrap();
                super::$name(Node::start(store, clock).await).await;
            }
        }
    )*};
}

over_each_store! {
    confirmations_are_there_within_a_second,
    a_session_is_written_once_a_minute,
    an_outage_is_outlived,
    a_shutdown_flushes,
}

/// One node over a store, and the store itself.
struct Node<S> {
    sessions: Sessions,
    accesses: Accesses,
    store: S,
    clock: Clock,
}

async fn over_postgres(database: &Database) -> Node<PostgresStore> {
    let clock = Clock::system();
    let builder = PostgresStore::builder(database.config());
    builder.migrate().await.unwrap();
    Node::start(builder.danger_clock(clock.clone()).connect().await.unwrap(), clock).await
}

struct Client {
    user: UserId,
    guid: Guid,
    token: String,
}

impl<S: SessionStore + Clone> Node<S> {
    async fn start(store: S, clock: Clock) -> Self {
        let accesses = Accesses::default();
        let counted = Counted::new(store.clone(), accesses.clone());
        let keys = Keys::hs256(b"a key for what is written behind").unwrap();
        let builder = Sessions::builder(counted, keys, "touches").danger_clock(clock.clone());
        Self { sessions: builder.build().await.unwrap(), accesses, store, clock }
    }

    async fn clients(&self, count: u32) -> Vec<Client> {
        let mut clients = Vec::new();
        for number in 0..count {
            let user = UserId::new(number).unwrap();
            let ticket = self.sessions.begin_login(Some(&user)).await.unwrap();
            let login = self.sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
            let token = login.issued.token.expose().to_owned();
            clients.push(Client { user, guid: login.issued.guid, token });
        }
        clients
    }

    async fn verify(&self, clients: &[Client]) {
        for client in clients {
            self.sessions.verify(client.token.as_bytes()).await.unwrap();
        }
    }

    async fn row(&self, client: &Client) -> SessionRow {
        self.store.lookup(&client.user, client.guid).await.unwrap().row.unwrap()
    }

    /// Waits until it is so of each row, and says how long that took.
    async fn until(&self, clients: &[Client], is_so: impl Fn(&SessionRow) -> bool) -> Duration {
        let since = Instant::now();
        for client in clients {
            while !is_so(&self.row(client).await) {
                assert!(since.elapsed() < Duration::from_secs(20), "it is never so");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        since.elapsed()
    }

    fn touches(&self) -> u64 {
        self.accesses.of(Verb::Touch)
    }
}

/// "a confirmation, which reaches the store within 1 s"
async fn confirmations_are_there_within_a_second(node: Node<impl SessionStore + Clone>) {
    let clients = node.clients(200).await;
    node.verify(&clients).await;
    let took = node.until(&clients, |row| row.confirmed_at.is_some()).await;
    println!("confirmed after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// "at most one per session per minute and node": also while it is on its way for longer than
/// anything usually is, and for those who read the row before it was written.
async fn a_session_is_written_once_a_minute(node: Node<impl SessionStore + Clone>) {
    let clients = node.clients(1).await;
    node.verify(&clients).await;
    node.until(&clients, |row| row.confirmed_at.is_some()).await;
    node.clock.advance(Duration::from_mins(2));
    let due = node.clock.now();
    let before = node.touches();
    let held = node.accesses.hold(Verb::Touch);
    node.verify(&clients).await;
    held.reached().await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(2500) {
        node.verify(&clients).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    held.release();
    node.until(&clients, |row| row.last_seen_at >= due).await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        node.verify(&clients).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(node.touches() - before, 1, "one minute's activity is one write");
    // And the next minute's is the next.
    node.clock.advance(Duration::from_mins(1));
    let due = node.clock.now();
    node.verify(&clients).await;
    node.until(&clients, |row| row.last_seen_at >= due).await;
    assert_eq!(node.touches() - before, 2);
}

/// While the store takes nothing, it is asked about once a second and line, and when it is back
/// all is written.
async fn an_outage_is_outlived(node: Node<impl SessionStore + Clone>) {
    let clients = node.clients(20).await;
    node.accesses.fail(Failing::Only(Verb::Touch));
    let (seen, since) = (node.clock.now(), Instant::now());
    while since.elapsed() < Duration::from_secs(3) {
        node.verify(&clients).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let tried = node.touches();
    assert!((2..=8).contains(&tried), "tried {tried} times within 3 s");
    node.accesses.heal();
    let took = node.until(&clients, |row| row.confirmed_at.is_some_and(|at| at >= seen)).await;
    println!("written {took:?} after the store was back, {tried} attempts before");
    assert!(took < Duration::from_secs(3), "{took:?}");
    // The confirmation counts from the first sight.
    for client in &clients {
        let confirmed = node.row(client).await.confirmed_at.unwrap();
        assert!(confirmed < seen + Duration::from_secs(2), "{confirmed:?}");
    }
}

/// A row that somebody holds: its confirmation waits for it here, where renewals see it, holds up no
/// other's, and is written when the row is free. Without that a token stolen meanwhile would look like
/// an answer that was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_row_is_confirmed_when_it_is_free() {
    let _gone = Gone;
    let database = Database::new().await.unwrap();
    let node = over_postgres(&database).await;
    let clients = node.clients(2).await;
    let (mut sql, connection) = database.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let tx = sql.transaction().await.unwrap();
    tx.batch_execute("SELECT FROM logout_all.sessions WHERE user_id = '0' FOR UPDATE")
        .await
        .unwrap();
    node.verify(&clients).await;
    let seen = node.clock.now();
    let took = node.until(&clients[1..], |row| row.confirmed_at.is_some()).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    // Longer than a node remembers what it wrote.
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(node.row(&clients[0]).await.confirmed_at, None);
    let tried = node.touches();
    assert!((10..100).contains(&tried), "asked {tried} times within 11 s");
    tx.rollback().await.unwrap();
    let took = node.until(&clients, |row| row.confirmed_at.is_some()).await;
    println!("confirmed {took:?} after the row was free");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let confirmed = node.row(&clients[0]).await.confirmed_at.unwrap();
    assert!(confirmed <= seen, "it counts from the first sight");
}

/// Thousands of held rows hold up no others, neither in life nor at a shutdown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_held_rows_hold_up_no_others() {
    const HELD: u32 = 2500;
    let _gone = Gone;
    let database = Database::new().await.unwrap();
    let node = over_postgres(&database).await;
    let clients = node.clients(HELD).await;
    let (mut sql, connection) = database.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let tx = sql.transaction().await.unwrap();
    tx.batch_execute("SELECT FROM logout_all.sessions FOR UPDATE").await.unwrap();
    let free = node.clients(50).await;
    node.verify(&clients).await;
    for round in 0..5 {
        let ten = &free[round * 10..][..10];
        node.verify(ten).await;
        let took = node.until(ten, |row| row.confirmed_at.is_some()).await;
        println!("confirmed after {took:?}, beside {HELD} held rows");
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    let row = node.row(&clients[0]).await;
    assert_eq!(row.confirmed_at, None, "the others are held all the while");

    node.clock.advance(Duration::from_mins(2));
    let due = node.clock.now();
    node.verify(&clients).await;
    node.verify(&free).await;
    let began = Instant::now();
    node.sessions.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for client in &free {
        let row = node.row(client).await;
        assert!(row.last_seen_at >= due, "{row:?}");
    }
}

/// What waits for a held row is known to renewals on its node: the predecessor of a token that was
/// seen is theft, and no answer that was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn theft_is_noticed_while_the_row_was_held() {
    let _gone = Gone;
    let database = Database::new().await.unwrap();
    let node = over_postgres(&database).await;
    let client = &node.clients(1).await[0];
    let stolen = client.token.as_bytes();
    let renewed = node.sessions.renew(stolen, ClientInfo::default()).await.unwrap();
    let successor = renewed.issued.token.expose().to_owned();
    let (mut sql, connection) = database.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let tx = sql.transaction().await.unwrap();
    tx.batch_execute("SELECT FROM logout_all.sessions FOR UPDATE").await.unwrap();
    node.sessions.verify(successor.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(node.row(client).await.confirmed_at, None, "the store passed it over");
    node.clock.advance(Duration::from_mins(5));
    tx.rollback().await.unwrap();
    let denied = node.sessions.renew(stolen, ClientInfo::default()).await.unwrap_err();
    assert!(matches!(denied, AuthError::Denied(Denied::SessionEnded)), "{denied:?}");
    let denied = node.sessions.verify(successor.as_bytes()).await.unwrap_err();
    assert!(matches!(denied, AuthError::Denied(Denied::SessionEnded)), "{denied:?}");
}

/// "flushed at shutdown": activity and confirmations, also what is on its way by then.
async fn a_shutdown_flushes(node: Node<impl SessionStore + Clone>) {
    let mut clients = node.clients(700).await;
    node.verify(&clients).await;
    node.until(&clients, |row| row.confirmed_at.is_some()).await;
    node.clock.advance(Duration::from_mins(2));
    let due = node.clock.now();
    node.verify(&clients).await;
    let new = node.clients(1).await;
    node.verify(&new).await;
    clients.extend(new);
    node.sessions.shutdown().await;
    for client in &clients {
        let row = node.row(client).await;
        assert!(row.confirmed_at.is_some() && row.last_seen_at >= due, "{row:?}");
    }
}
