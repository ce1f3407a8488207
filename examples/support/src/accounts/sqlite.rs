//! Accounts in the SQLite file that the sessions are in: the application's own table, over the
//! application's own connections.

use std::{error::Error, fmt, path::Path, time::Duration};

use deadpool_sqlite::{
    Config, Hook, HookError, Pool, Runtime,
    rusqlite::{self, Connection, OptionalExtension, TransactionBehavior},
};
use logout_all::{
    AuthError, By, EndReason, Pending, StoreError, StoreErrorKind, UserState, Verified,
};
use logout_all_sqlite::SqliteStore;

use super::{Locked, data};

/// How long a request waits for one of the connections.
const POOL_WAIT: Duration = Duration::from_secs(1);
/// How long a connection waits for another one's write.
const LOCK_WAIT: Duration = Duration::from_secs(2);

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS demo_accounts (
    -- Never used again: a session of somebody who was deleted must not find a successor.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    locked INTEGER NOT NULL DEFAULT FALSE
)";

#[derive(Clone)]
pub(super) struct SqliteTable {
    pool: Pool,
    store: SqliteStore,
}

/// Opens connections to a file that is there, and creates the table.
pub(super) async fn open(path: &Path) -> Result<Pool, StoreError> {
    let configured = Hook::async_fn(|connection, _| {
        Box::pin(async move {
            match connection.interact(|connection| configure(connection)).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(HookError::Backend(error)),
                Err(error) => Err(HookError::message(error.to_string())),
            }
        })
    });
    let Ok(builder) = Config::new(path).builder(Runtime::Tokio1);
    let pool = builder
        .max_size(4)
        .wait_timeout(Some(POOL_WAIT))
        .create_timeout(Some(LOCK_WAIT))
        .recycle_timeout(Some(LOCK_WAIT))
        .post_create(configured)
        .build()
        .map_err(unavailable)?;
    interact(&pool, |connection| connection.execute_batch(SCHEMA)).await?;
    Ok(pool)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOCK_WAIT)?;
    // A password that was changed survives the machine's power, and so do the logouts with it: the
    // store refuses to be part of a transaction that may be lost.
    connection.pragma_update(None, "synchronous", "FULL")
}

impl SqliteTable {
    pub(super) fn new(pool: Pool, store: SqliteStore) -> Self {
        Self { pool, store }
    }

    pub(super) async fn add(&self, username: &str, hash: String) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO demo_accounts (username, password_hash) VALUES (?1, ?2) \
                           ON CONFLICT (username) DO NOTHING";
        let username = username.to_owned();
        interact(&self.pool, move |connection| {
            connection.execute(SQL, [&username, &hash])?;
            Ok(())
        })
        .await
    }

    pub(super) async fn id_of(&self, username: &str) -> Result<Option<i64>, StoreError> {
        const SQL: &str = "SELECT id FROM demo_accounts WHERE username = ?1";
        let username = username.to_owned();
        interact(&self.pool, move |connection| {
            connection.query_row(SQL, [&username], |row| row.get(0)).optional()
        })
        .await
    }

    pub(super) async fn password_hash(&self, id: i64) -> Result<Option<String>, StoreError> {
        const SQL: &str = "SELECT password_hash FROM demo_accounts WHERE id = ?1 AND NOT locked";
        interact(&self.pool, move |connection| {
            connection.query_row(SQL, [id], |row| row.get(0)).optional()
        })
        .await
    }

    /// The new password and the logouts commit together: no crash leaves the one without the other.
    /// None if the account has another hash by now, or is locked.
    pub(super) async fn replace_password(
        &self,
        id: i64,
        session: &Verified,
        shown: String,
        fresh: String,
    ) -> Result<Option<Pending>, AuthError> {
        const SQL: &str = "UPDATE demo_accounts SET password_hash = ?3 \
                           WHERE id = ?1 AND password_hash = ?2 AND NOT locked";
        let (store, user, keep) = (self.store.clone(), session.user_id().clone(), session.guid());
        let work = move |connection: &mut Connection| {
            // The write lock from the beginning: one that is taken half way may have to be given up.
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if tx.execute(SQL, rusqlite::params![id, shown, fresh])? == 0 {
                return Ok(Ok(None));
            }
            let by = By::Device(keep);
            match store.logout_others_in(&tx, &user, keep, EndReason::Password, &by) {
                Ok(pending) => {
                    tx.commit()?;
                    Ok(Ok(Some(pending)))
                }
                // The transaction is rolled back, and the old password stays.
                Err(error) => Ok(Err(error)),
            }
        };
        interact(&self.pool, work).await?
    }

    pub(super) async fn set_locked(&self, id: i64, locked: Locked) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE demo_accounts SET locked = ?2 WHERE id = ?1";
        interact(&self.pool, move |connection| {
            connection.execute(SQL, rusqlite::params![id, locked == Locked::Yes])?;
            Ok(())
        })
        .await
    }

    /// For a store that is asked without its join.
    pub(super) async fn find(&self, id: i64) -> Result<UserState, StoreError> {
        const SQL: &str = "SELECT username FROM demo_accounts WHERE id = ?1 AND NOT locked";
        let username: Option<String> = interact(&self.pool, move |connection| {
            connection.query_row(SQL, [id], |row| row.get(0)).optional()
        })
        .await?;
        Ok(username.map_or(UserState::Inactive, |username| data(id, &username)))
    }
}

/// Runs on one of the connections, on a thread that may wait for the disk. What was begun is done
/// wholly or not at all, also when nobody waits for it any more.
async fn interact<T: Send + 'static>(
    pool: &Pool,
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let connection = pool.get().await.map_err(unavailable)?;
    match connection.interact(work).await {
        Ok(done) => done.map_err(unavailable),
        Err(stopped) => Err(StoreError::new(StoreErrorKind::Stopped, stopped.to_string())),
    }
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the accounts table does not answer")
        .with_cause(error)
}

impl fmt::Debug for SqliteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTable").field("store", &self.store).finish_non_exhaustive()
    }
}
