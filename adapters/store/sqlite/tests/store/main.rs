//! What is SQLite's own about the SQLite store. That it keeps the port's laws is proved by the
//! suite `logout-all-conformance`.

// Helpers of tests are no tests by their attribute.
#![allow(clippy::unwrap_used, clippy::panic)]

mod coalesced;
mod damage;
mod following;
mod migration;
mod sharing;
mod specification;
mod sweeping;
mod transaction;
mod users;

use std::{path::PathBuf, time::Duration};

use logout_all::{
    By, Clock, DeviceLimit, EndReason, Ended, Guid, Limits, Persistence, RefTokId, SessionRow,
    SessionStore, UserId,
    store::{Ending, Inserted, NewSession, Scope},
};
use logout_all_sqlite::{SqliteStore, SqliteStoreBuilder, rusqlite::Connection};
use tempfile::TempDir;

/// A file of its own for each test, gone with it.
struct File {
    folder: TempDir,
}

impl File {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    async fn migrated() -> Self {
        let file = Self::new();
        file.builder().migrate().await.unwrap();
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app.db")
    }

    fn builder(&self) -> SqliteStoreBuilder {
        SqliteStore::builder(self.path())
    }

    async fn store(&self) -> SqliteStore {
        self.builder().connect().await.unwrap()
    }

    /// A connection of the application's own.
    fn sql(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

fn user(id: impl std::fmt::Display) -> UserId {
    UserId::new(id).unwrap()
}

async fn login_of(store: &SqliteStore, user: &UserId, device_limit: DeviceLimit) -> NewSession {
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
        user_agent: None,
        ip: None,
    }
}

async fn sign_in(store: &SqliteStore, user: &UserId) -> SessionRow {
    let login = login_of(store, user, DeviceLimit::Unlimited).await;
    match store.insert(&login).await.unwrap() {
        Inserted::Stored { row, .. } => *row,
        other => panic!("{other:?}"),
    }
}

async fn end(store: &SqliteStore, user: &UserId, scope: Scope) -> Ended {
    let ending =
        Ending { user: user.clone(), scope, reason: EndReason::Everywhere, by: By::Application };
    store.end(&ending).await.unwrap()
}

async fn is_there(store: &SqliteStore, row: &SessionRow) -> bool {
    store.lookup(&row.user, row.guid).await.unwrap().row.is_some()
}

#[tokio::test]
async fn a_row_reads_back_as_it_was_stored() {
    let file = File::migrated().await;
    let clock = Clock::system();
    let store = file.builder().danger_clock(clock.clone()).readers(1).connect().await.unwrap();
    let row = sign_in(&store, &user("ada")).await;
    clock.advance(Duration::from_mins(1));
    let found = store.lookup(&row.user, row.guid).await.unwrap();
    assert_eq!(found.row.as_ref(), Some(&row));
    assert!(found.now > row.last_seen_at + Duration::from_secs(59));
    assert!(store.lookup(&user("eve"), row.guid).await.unwrap().row.is_none());
    let info = store.info();
    assert_eq!(info.name, "sqlite");
    assert!(info.version.starts_with("3."), "{info:?}");
    assert!(
        info.connections.starts_with("1 for lookups, 1 for other reads, 1 for writes"),
        "{info:?}"
    );
}

#[tokio::test]
async fn what_is_not_a_file_is_refused() {
    for path in ["", ":memory:", "file::memory:?cache=shared", "file:app.db"] {
        let builder = SqliteStore::builder(path);
        for error in [builder.migrate().await.unwrap_err(), builder.connect().await.unwrap_err()] {
            assert!(error.to_string().contains("MemoryStore"), "{error}");
        }
    }
    let file = File::migrated().await;
    for readers in [0, 65] {
        let error = file.builder().readers(readers).connect().await.unwrap_err();
        assert!(error.to_string().contains("1 to 64 readers"), "{error}");
    }
}
