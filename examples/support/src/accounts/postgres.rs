//! Accounts in the PostgreSQL database that the sessions are in: the application's own table, over
//! the application's own connections.

use std::{error::Error, fmt, time::Duration};

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
    tokio_postgres::{self, Config, NoTls},
};
use logout_all::{
    AuthError, By, EndReason, Pending, StoreError, StoreErrorKind, UserState, Verified,
};
use logout_all_postgres::PostgresStore;
use tokio::{runtime::Handle, time::timeout};

use super::{Locked, data};

/// How long a request waits for one of the connections.
const POOL_WAIT: Duration = Duration::from_secs(1);
/// How long a new connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// How long one piece of work may take, from its first statement to the answer to its last.
const WORK_WAIT: Duration = Duration::from_secs(4);
/// The same bound for the server, which otherwise goes on with a statement that nobody waits for.
const OPTIONS: &str = "-c statement_timeout=2s -c idle_in_transaction_session_timeout=5s";

/// Two processes that start at once would otherwise both find no table, and one would fail.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('demo_accounts', 0))";

/// An identity is never used again: a session of somebody who was deleted must not find a
/// successor.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS demo_accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    locked boolean NOT NULL DEFAULT false
)";

/// The pool, and the runtime that it was made on, where its connections are driven: one that a worker
/// of Actix drove would end with it, under whoever has borrowed it then.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
    home: Handle,
}

#[derive(Clone)]
pub(super) struct PostgresTable {
    connections: Connections,
    store: PostgresStore,
}

/// Opens connections, and creates the table.
pub(super) async fn open(database: &Config) -> Result<Connections, StoreError> {
    let mut config = database.clone();
    let given = database.get_options().map(|options| format!("{options} ")).unwrap_or_default();
    config
        .options(format!("{given}{OPTIONS}"))
        .application_name("logout-all demo")
        .connect_timeout(CONNECT_WAIT)
        .tcp_user_timeout(WORK_WAIT);
    let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let pool = Pool::builder(Manager::from_config(config, NoTls, fast))
        .max_size(4)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(POOL_WAIT))
        .create_timeout(Some(CONNECT_WAIT))
        .recycle_timeout(Some(CONNECT_WAIT))
        .build()
        .map_err(unavailable)?;
    let connections = Connections { pool, home: Handle::current() };
    run(&connections, async |connection| {
        let tx = connection.transaction().await?;
        tx.batch_execute(LOCK).await?;
        tx.batch_execute(SCHEMA).await?;
        tx.commit().await
    })
    .await?;
    Ok(connections)
}

impl PostgresTable {
    pub(super) fn new(connections: Connections, store: PostgresStore) -> Self {
        Self { connections, store }
    }

    pub(super) async fn add(&self, username: &str, hash: &str) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO demo_accounts (username, password_hash) VALUES ($1, $2) \
                           ON CONFLICT (username) DO NOTHING";
        run(&self.connections, async |sql| sql.execute(SQL, &[&username, &hash]).await.map(drop))
            .await
    }

    pub(super) async fn id_of(&self, username: &str) -> Result<Option<i64>, StoreError> {
        const SQL: &str = "SELECT id FROM demo_accounts WHERE username = $1";
        // No text of PostgreSQL has one, and to ask for it is an error: this is nobody's name.
        if username.contains('\0') {
            return Ok(None);
        }
        let row =
            run(&self.connections, async |sql| sql.query_opt(SQL, &[&username]).await).await?;
        row.map(|row| row.try_get(0)).transpose().map_err(unavailable)
    }

    pub(super) async fn password_hash(&self, id: i64) -> Result<Option<String>, StoreError> {
        const SQL: &str = "SELECT password_hash FROM demo_accounts WHERE id = $1 AND NOT locked";
        let row = run(&self.connections, async |sql| sql.query_opt(SQL, &[&id]).await).await?;
        row.map(|row| row.try_get(0)).transpose().map_err(unavailable)
    }

    /// The new password and the logouts commit together: no crash leaves the one without the other.
    /// None if the account has another hash by now, or is locked.
    pub(super) async fn replace_password(
        &self,
        id: i64,
        session: &Verified,
        shown: &str,
        fresh: &str,
    ) -> Result<Option<Pending>, AuthError> {
        const SQL: &str = "UPDATE demo_accounts SET password_hash = $3 \
                           WHERE id = $1 AND password_hash = $2 AND NOT locked";
        let (user, keep) = (session.user_id(), session.guid());
        run(&self.connections, async |connection| {
            let mut tx = connection.transaction().await?;
            if tx.execute(SQL, &[&id, &shown, &fresh]).await? == 0 {
                return Ok(Ok(None));
            }
            let (why, by) = (EndReason::Password, By::Device(keep));
            match self.store.logout_others_in(&mut tx, user, keep, why, &by).await {
                Ok(pending) => {
                    tx.commit().await?;
                    Ok(Ok(Some(pending)))
                }
                // The transaction is rolled back, and the old password stays.
                Err(error) => Ok(Err(error)),
            }
        })
        .await?
    }

    pub(super) async fn set_locked(&self, id: i64, locked: Locked) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE demo_accounts SET locked = $2 WHERE id = $1";
        let locked = locked == Locked::Yes;
        run(&self.connections, async |sql| sql.execute(SQL, &[&id, &locked]).await.map(drop)).await
    }

    /// For a store that is asked without its join.
    pub(super) async fn find(&self, id: i64) -> Result<UserState, StoreError> {
        const SQL: &str = "SELECT username FROM demo_accounts WHERE id = $1 AND NOT locked";
        let row = run(&self.connections, async |sql| sql.query_opt(SQL, &[&id]).await).await?;
        let username = row.map(|row| row.try_get::<_, String>(0)).transpose();
        let username = username.map_err(unavailable)?;
        Ok(username.map_or(UserState::Inactive, |username| data(id, &username)))
    }
}

/// Runs on one of the connections, within [`WORK_WAIT`].
async fn run<T>(
    Connections { pool, home }: &Connections,
    work: impl AsyncFnOnce(&mut Object) -> Result<T, tokio_postgres::Error>,
) -> Result<T, StoreError> {
    let pool = pool.clone();
    let borrowed = home.spawn(async move { pool.get().await }).await;
    let mut connection = borrowed.map_err(unavailable)?.map_err(unavailable)?;
    match timeout(WORK_WAIT, work(&mut connection)).await {
        Ok(done) => done.map_err(unavailable),
        Err(late) => {
            // In the pool a silent connection would keep the next request waiting too.
            drop(Object::take(connection));
            let message = "the accounts table did not answer in time";
            Err(StoreError::new(StoreErrorKind::TimedOut, message).with_cause(late))
        }
    }
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the accounts table does not answer")
        .with_cause(error)
}

impl fmt::Debug for PostgresTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTable").field("store", &self.store).finish_non_exhaustive()
    }
}
