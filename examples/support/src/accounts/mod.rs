//! The demo's users: in memory, or in the same database as the sessions.

mod memory;
mod postgres;
mod redis;
mod sqlite;

use std::path::Path;

use logout_all::{
    AuthError, Clock, EndReason, Pending, Problem, StoreError, StoreErrorKind, UserDirectory,
    UserId, UserState, Users, Verified,
};
use logout_all_postgres::{PostgresStore, tokio_postgres};
use logout_all_redis::RedisStore;
use logout_all_sqlite::SqliteStore;

use crate::{
    Failure, HashCost, Password, StartError,
    password::{Hasher, Turn},
};
use memory::MemoryTable;
use postgres::PostgresTable;
use redis::RedisTable;
use sqlite::SqliteTable;

/// Who may sign in. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Accounts {
    table: Table,
    hasher: Hasher,
}

#[derive(Clone, Debug)]
enum Table {
    Memory(MemoryTable),
    Postgres(PostgresTable),
    Redis(RedisTable),
    Sqlite(SqliteTable),
}

/// Whether a user may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    Yes,
    No,
}

/// What became of a password change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    Yes,
    /// The hash was another one by then, or the user was locked: nothing is changed.
    Overtaken,
}

/// The users of the demo, with their passwords: everybody knows them.
const DEMO: [(&str, &str); 2] = [("ada", "lovelace"), ("grace", "hopper")];

/// What the stores join to each session.
fn users() -> Users {
    Users::table("demo_accounts").id("id").active("NOT locked").columns(["id", "username"])
}

/// Opens a SQLite file for both: the sessions, with the accounts joined, and the accounts. Creates
/// what is missing.
///
/// # Errors
/// [`StartError::Store`].
pub async fn open_sqlite(
    path: &Path,
    cost: HashCost,
    clock: Clock,
) -> Result<(SqliteStore, Accounts), StartError> {
    let builder = SqliteStore::builder(path).users(users()).danger_clock(clock);
    builder.migrate().await?;
    // The store looks the users table over when it connects, so that has to be there.
    let pool = sqlite::open(path).await?;
    let store = builder.connect().await?;
    let table = Table::Sqlite(SqliteTable::new(pool, store.clone()));
    Ok((store, Accounts { table, hasher: Hasher::new(cost)? }))
}

/// Opens a PostgreSQL database for both, over connections without TLS. Creates what is missing, and
/// may be called from many processes at once.
///
/// # Errors
/// [`StartError::Store`].
pub async fn open_postgres(
    database: &tokio_postgres::Config,
    cost: HashCost,
    clock: Clock,
) -> Result<(PostgresStore, Accounts), StartError> {
    let builder = PostgresStore::builder(database.clone())
        .users(users())
        // One server has some hundred for all; a demo needs few of them.
        .read_connections(4)
        .write_connections(4)
        .ending_connections(2)
        .danger_clock(clock);
    builder.migrate().await?;
    let connections = postgres::open(database).await?;
    let store = builder.connect().await?;
    let table = Table::Postgres(PostgresTable::new(connections, store.clone()));
    Ok((store, Accounts { table, hasher: Hasher::new(cost)? }))
}

/// Opens a Redis server for both: the sessions, and the accounts under the same prefix. Give a clone
/// of the accounts to the builder of the sessions (`.users(…)`), since Redis joins nothing.
///
/// # Errors
/// [`StartError::Store`].
pub async fn open_redis(
    url: &str,
    prefix: &str,
    cost: HashCost,
    clock: Clock,
) -> Result<(RedisStore, Accounts), StartError> {
    let builder = RedisStore::builder(url).prefix(prefix).danger_clock(clock);
    let store = builder.connect().await?;
    let table = Table::Redis(RedisTable::open(url, prefix).await?);
    Ok((store, Accounts { table, hasher: Hasher::new(cost)? }))
}

impl Accounts {
    /// Accounts that end with the process. Give a clone to the builder of the sessions
    /// (`.users(…)`), since no store joins them.
    ///
    /// # Errors
    /// [`StartError::Random`], [`StartError::Argon2`].
    pub fn memory(cost: HashCost) -> Result<Self, StartError> {
        let table = Table::Memory(MemoryTable::default());
        Ok(Self { table, hasher: Hasher::new(cost)? })
    }

    /// Adds the demo's users where they are missing: a password that was changed stays.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn seed(&self) -> Result<(), Failure> {
        for (username, password) in DEMO {
            if self.id_of(username).await?.is_none() {
                self.add(username, password).await?;
            }
        }
        Ok(())
    }

    /// Adds a user, and gives the id. One of that name who is there already stays as they are.
    ///
    /// # Errors
    /// 503 where the store does not answer.
    pub async fn add(&self, username: &str, password: &str) -> Result<UserId, Failure> {
        let hash = self.turn().await?.hash(Password::from(password)).await?;
        match &self.table {
            Table::Memory(table) => table.add(username, hash),
            Table::Postgres(table) => table.add(username, &hash).await?,
            Table::Redis(table) => table.add(username, &hash).await?,
            Table::Sqlite(table) => table.add(username, hash).await?,
        }
        Ok(self.id_of(username).await?.ok_or(Problem::NotFound)?)
    }

    /// The id of a name, whether or not that user is locked. Names are compared to the letter.
    ///
    /// # Errors
    /// The store's.
    pub async fn id_of(&self, username: &str) -> Result<Option<UserId>, StoreError> {
        let id = match &self.table {
            Table::Memory(table) => table.id_of(username),
            Table::Postgres(table) => table.id_of(username).await?,
            Table::Redis(table) => table.id_of(username).await?,
            Table::Sqlite(table) => table.id_of(username).await?,
        };
        // A number is always an id.
        Ok(id.and_then(|id| UserId::new(id).ok()))
    }

    /// A core to hash on.
    pub(crate) async fn turn(&self) -> Result<Turn, Problem> {
        self.hasher.turn().await
    }

    /// The hash of a user who may sign in; none for all others, who are then verified against a
    /// dummy.
    pub(crate) async fn password_hash(
        &self,
        user: Option<&UserId>,
    ) -> Result<Option<String>, StoreError> {
        let Some(id) = user.and_then(number) else { return Ok(None) };
        match &self.table {
            Table::Memory(table) => Ok(table.password_hash(id)),
            Table::Postgres(table) => table.password_hash(id).await,
            Table::Redis(table) => table.password_hash(id).await,
            Table::Sqlite(table) => table.password_hash(id).await,
        }
    }

    /// Changes the password from the hash that was verified to another, and logs out every other
    /// device: in one transaction where both are in one database.
    pub(crate) async fn replace_password(
        &self,
        session: &Verified,
        shown: String,
        fresh: String,
    ) -> Result<Replaced, AuthError> {
        let Some(id) = number(session.user_id()) else { return Ok(Replaced::Overtaken) };
        match &self.table {
            Table::Memory(table) => {
                replaced(session, table.replace_password(id, &shown, fresh)).await
            }
            Table::Redis(table) => {
                let (table, session) = (table.clone(), session.clone());
                // In a task of its own: a client that goes away does not come between the two.
                let both = tokio::spawn(async move {
                    replaced(&session, table.replace_password(id, &shown, &fresh).await?).await
                });
                both.await.map_err(|error| {
                    StoreError::new(StoreErrorKind::Stopped, "the change was stopped")
                        .with_cause(error)
                })?
            }
            Table::Postgres(table) => {
                settle(session, table.replace_password(id, session, &shown, &fresh).await?).await
            }
            Table::Sqlite(table) => {
                settle(session, table.replace_password(id, session, shown, fresh).await?).await
            }
        }
    }

    /// Locks or unlocks, and gives the id; none for an unknown name.
    pub(crate) async fn set_locked(
        &self,
        username: &str,
        locked: Locked,
    ) -> Result<Option<UserId>, StoreError> {
        let Some(user) = self.id_of(username).await? else { return Ok(None) };
        if let Some(id) = number(&user) {
            match &self.table {
                Table::Memory(table) => table.set_locked(id, locked),
                Table::Postgres(table) => table.set_locked(id, locked).await?,
                Table::Redis(table) => table.set_locked(id, locked).await?,
                Table::Sqlite(table) => table.set_locked(id, locked).await?,
            }
        }
        Ok(Some(user))
    }
}

/// Without a transaction for both, the logouts come after the change: a login that began before it is
/// fenced off, and one that begins after it meets the new hash.
async fn replaced(session: &Verified, replaced: Replaced) -> Result<Replaced, AuthError> {
    if replaced == Replaced::Yes {
        session.sessions().logout_others(session, EndReason::Password).await?;
    }
    Ok(replaced)
}

/// After the commit of both: only when this returns are the logouts final.
async fn settle(session: &Verified, pending: Option<Pending>) -> Result<Replaced, AuthError> {
    let Some(pending) = pending else { return Ok(Replaced::Overtaken) };
    session.sessions().committed(pending).await?;
    Ok(Replaced::Yes)
}

impl UserDirectory for Accounts {
    async fn find(&self, user: &UserId) -> Result<UserState, StoreError> {
        let Some(id) = number(user) else { return Ok(UserState::Inactive) };
        match &self.table {
            Table::Memory(table) => Ok(table.find(id)),
            Table::Postgres(table) => table.find(id).await,
            Table::Redis(table) => table.find(id).await,
            Table::Sqlite(table) => table.find(id).await,
        }
    }
}

/// The number that an id is the one text of.
fn number(user: &UserId) -> Option<i64> {
    let text = user.as_str();
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

/// The data of a user, the same from all tables.
fn data(id: i64, username: &str) -> UserState {
    let json = serde_json::json!({ "id": id, "username": username }).to_string();
    UserState::Active(Some(logout_all::UserData::from_json(json)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn both(work: impl AsyncFn(Accounts)) {
        work(Accounts::memory(HashCost::DangerCheap).unwrap()).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("demo.db");
        let opened = open_sqlite(&file, HashCost::DangerCheap, Clock::system()).await;
        work(opened.unwrap().1).await;
    }

    #[tokio::test]
    async fn demo_users_are_seeded_once() {
        both(async |accounts| {
            accounts.seed().await.unwrap();
            let ada = accounts.id_of("ada").await.unwrap();
            let hash = accounts.password_hash(ada.as_ref()).await.unwrap();
            accounts.seed().await.unwrap();
            assert_eq!(accounts.password_hash(ada.as_ref()).await.unwrap(), hash);
            assert_eq!(accounts.id_of("Ada").await.unwrap(), None);
            assert_ne!(accounts.id_of("grace").await.unwrap(), ada);
        })
        .await;
    }

    #[tokio::test]
    async fn a_locked_user_is_inactive_and_has_no_hash() {
        both(async |accounts| {
            let ada = accounts.add("ada", "lovelace").await.unwrap();
            let state = accounts.find(&ada).await.unwrap();
            let UserState::Active(Some(data)) = state else { panic!("{state:?}") };
            assert_eq!(data.as_json(), format!(r#"{{"id":{ada},"username":"ada"}}"#));

            assert_eq!(accounts.set_locked("ada", Locked::Yes).await.unwrap(), Some(ada.clone()));
            assert!(matches!(accounts.find(&ada).await.unwrap(), UserState::Inactive));
            assert_eq!(accounts.password_hash(Some(&ada)).await.unwrap(), None);
            assert_eq!(accounts.id_of("ada").await.unwrap(), Some(ada.clone()));

            accounts.set_locked("ada", Locked::No).await.unwrap();
            assert!(accounts.password_hash(Some(&ada)).await.unwrap().is_some());
            assert_eq!(accounts.set_locked("nobody", Locked::Yes).await.unwrap(), None);
            let nobody = UserId::new("01").unwrap();
            assert!(matches!(accounts.find(&nobody).await.unwrap(), UserState::Inactive));
        })
        .await;
    }
}
