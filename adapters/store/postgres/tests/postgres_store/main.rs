//! What is PostgreSQL's own about the PostgreSQL store. That it keeps the port's laws is proved by
//! the suite `logout-all-conformance`.
//!
//! The tests need a server: `TEST_DATABASE_URL=postgres://… cargo test -p logout-all-postgres`,
//! with a role that may create databases and roles. Each test has a database of its own.

// Helpers of tests are no tests by their attribute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod by_hand;
mod coalesced;
mod faults;
mod following;
mod measure;
mod migration;
mod order;
mod plain_sql;
mod proxy;
mod races;
mod sweeping;
mod touching;
mod transaction;
mod users;
mod waking;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use logout_all::{
    By, DeviceLimit, EndReason, Ended, Guid, JournalEntry, Limits, Persistence, RefTokId,
    SessionRow, SessionStore, StoreError, UserAgent, UserId,
    scheme::TokenTimes,
    store::{Confirm, Ending, Inserted, NewSession, Rotation, Scope, Swap, Touch},
};
use logout_all_postgres::{
    PostgresStore, PostgresStoreBuilder,
    tokio_postgres::{Client, Config, NoTls},
};

/// A database of its own for each test, gone with it.
struct Database {
    admin: Config,
    name: String,
}

impl Database {
    async fn new() -> Self {
        static TESTS: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var("TEST_DATABASE_URL").expect(
            "TEST_DATABASE_URL is not set: give the URL of a PostgreSQL server, with a role that \
             may create databases and roles",
        );
        let admin: Config = url.parse().expect("TEST_DATABASE_URL is a PostgreSQL URL");
        let test = TESTS.fetch_add(1, Ordering::Relaxed);
        let name = format!("logout_all_test_{}_{test}", std::process::id());
        let sql = connect(&admin).await;
        sql.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        sql.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { admin, name }
    }

    async fn migrated() -> Self {
        let database = Self::new().await;
        database.builder().migrate().await.unwrap();
        database
    }

    fn config(&self) -> Config {
        let mut config = self.admin.clone();
        config.dbname(&self.name);
        config
    }

    fn builder(&self) -> PostgresStoreBuilder {
        PostgresStore::builder(self.config())
    }

    async fn store(&self) -> PostgresStore {
        self.builder().connect().await.unwrap()
    }

    /// A connection of the application's own, or of a person's.
    async fn sql(&self) -> Client {
        connect(&self.config()).await
    }

    /// A connection to the server that is not one to this database.
    async fn admin(&self) -> Client {
        connect(&self.admin).await
    }

    /// Waits until that many connections of the role wait for a lock: a barrier, not a pause.
    async fn waiting(&self, role: &str, count: i64) {
        let sql = self.admin().await;
        let asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 \
                     AND application_name = 'logout-all ' || $2 AND wait_event_type = 'Lock'";
        let since = Instant::now();
        loop {
            let found: i64 = sql.query_one(asked, &[&self.name, &role]).await.unwrap().get(0);
            if found >= count {
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(10), "{found} of {count} {role} wait");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        let gone = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let sql = connect(&admin).await;
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                sql.batch_execute(&drop).await.unwrap();
            });
        });
        // A second panic would hide the first.
        drop(gone.join());
    }
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    client
}

fn user(id: impl std::fmt::Display) -> UserId {
    UserId::new(id).unwrap()
}

async fn login_of(store: &PostgresStore, user: &UserId, device_limit: DeviceLimit) -> NewSession {
    let ticket = store.epochs(Some(user)).await.unwrap();
    NewSession {
        user: user.clone(),
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
        device_limit,
        replaces: Vec::new(),
        user_agent: UserAgent::from_bytes(b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko"),
        ip: None,
    }
}

async fn sign_in(store: &PostgresStore, user: &UserId) -> SessionRow {
    let login = login_of(store, user, DeviceLimit::Unlimited).await;
    match store.insert(&login).await.unwrap() {
        Inserted::Stored { row, .. } => *row,
        other => panic!("{other:?}"),
    }
}

fn rotation(row: &SessionRow) -> Rotation {
    let at = row.last_seen_at + Duration::from_secs(1);
    let end = at + Duration::from_hours(24);
    Rotation {
        user: row.user.clone(),
        guid: row.guid,
        expected: row.ref_tok_id,
        next: RefTokId::random(),
        times: TokenTimes::at(at, Duration::from_hours(1), end).unwrap(),
        extension: None,
        auth_time: None,
        user_agent: None,
    }
}

fn touch_of(row: &SessionRow) -> Touch {
    Touch {
        user: row.user.clone(),
        guid: row.guid,
        ref_tok_id: row.ref_tok_id,
        seen_at: row.last_seen_at + Duration::from_mins(1),
        extension: None,
        user_agent: None,
        confirm: Confirm::Yes,
    }
}

fn ending(user: &UserId, scope: Scope) -> Ending {
    Ending { user: user.clone(), scope, reason: EndReason::Everywhere, by: By::Application }
}

async fn end(store: &PostgresStore, user: &UserId, scope: Scope) -> Result<Ended, StoreError> {
    store.end(&ending(user, scope)).await
}

async fn is_there(store: &PostgresStore, row: &SessionRow) -> bool {
    store.lookup(&row.user, row.guid).await.unwrap().row.is_some()
}

async fn journal(store: &PostgresStore) -> Vec<JournalEntry> {
    store.journal(0, 10_000).await.unwrap().entries
}

fn swapped(swap: Swap) -> Option<SessionRow> {
    match swap {
        Swap::Done(row) => Some(*row),
        Swap::Lost => None,
    }
}

#[tokio::test]
async fn a_row_reads_back_as_it_was_stored() {
    let database = Database::migrated().await;
    let store = database.store().await;
    let row = sign_in(&store, &user("ada")).await;
    let found = store.lookup(&row.user, row.guid).await.unwrap();
    assert_eq!(found.row.as_ref(), Some(&row));
    assert!(store.lookup(&user("eve"), row.guid).await.unwrap().row.is_none());
    let info = store.info();
    assert_eq!(info.name, "postgres");
    assert_eq!(
        info.connections,
        "at most 18 (2 for lookups, 4 for other reads, 8 for writes, 4 for endings; where the \
         journal is followed also 2 for polls and 1 for wake-ups)"
    );
    let sql = database.sql().await;
    let asked = "SELECT DISTINCT application_name FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name <> '' ORDER BY 1";
    end(&store, &row.user, Scope::All).await.unwrap();
    let names: Vec<String> =
        sql.query(asked, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(
        names,
        ["logout-all end", "logout-all lookup", "logout-all read", "logout-all write"]
    );
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    let database = Database::new().await;
    let builder = || database.builder();
    for bad in [
        builder().schema("public"),
        builder().schema("pg_mine"),
        builder().schema(""),
        builder().schema("s".repeat(64)),
        builder().read_connections(0),
        builder().write_connections(1001),
        builder().ending_connections(0),
    ] {
        assert!(bad.migrate().await.is_err(), "{bad:?}");
        assert!(bad.connect().await.is_err(), "{bad:?}");
    }
}
