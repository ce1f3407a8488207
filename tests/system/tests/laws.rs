//! The laws of a store, over every store of the workspace, and the twins that they must convict.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

mod keys;

use keys::Prefix;
use libtest_mimic::{Arguments, Trial};
use logout_all::{Clock, MemoryStore, UserId, Users, store::JournalOrder};
use logout_all_conformance::laws::{self, FactoryError, Fresh, Standing, StoreFactory};
use logout_all_postgres::{PostgresStore, tokio_postgres};
use logout_all_redis::RedisStore;
use logout_all_sqlite::{SqliteStore, rusqlite::Connection};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = laws::broken_twins();
    trials.extend(over(Memory, &arguments));
    trials.extend(over(Sqlite, &arguments));
    // The one way to leave one out is to say so: a missing server is a failure of every trial.
    let is_skipped = |name| arguments.skip.iter().any(|skipped| skipped == name);
    if !is_skipped("postgres::") {
        trials.extend(over(Postgres, &arguments));
    }
    if !is_skipped("redis::") {
        trials.extend(over(Redis, &arguments));
        if !is_skipped("redis-cluster::") {
            trials.extend(over(RedisCluster, &arguments));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// The trials over one store, and its version for the closing table.
fn over(factory: impl StoreFactory, arguments: &Arguments) -> Vec<Trial> {
    if !arguments.list {
        match laws::version(&factory) {
            Ok(line) => println!("{line}"),
            // The trials will fail, each with the reason.
            Err(why) => println!("version: {} unknown: {why}", factory.name()),
        }
    }
    laws::trials(factory)
}

struct Memory;

impl StoreFactory for Memory {
    type Store = MemoryStore;

    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn fresh(&self) -> Result<Fresh<MemoryStore>, FactoryError> {
        let clock = Clock::system();
        let store = MemoryStore::with_clock(clock.clone());
        let second = store.clone();
        Ok(Fresh::new(store, clock).second(second))
    }

    fn rounds(&self) -> usize {
        200
    }
}

struct Sqlite;

impl StoreFactory for Sqlite {
    type Store = SqliteStore;

    fn name(&self) -> String {
        "sqlite".to_owned()
    }

    /// A file of its own for each trial, a second store on it, as another process opens it, and
    /// the application's users table beside the sessions.
    async fn fresh(&self) -> Result<Fresh<SqliteStore>, FactoryError> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("laws.db");
        let clock = Clock::system();
        let people = Users::table("people").active("NOT locked").columns(["name"]);
        let builder = SqliteStore::builder(&path).users(people).danger_clock(clock.clone());
        builder.migrate().await?;
        Connection::open(&path)?.execute_batch(
            "CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT, locked INTEGER NOT NULL)",
        )?;
        let (store, second) = (builder.connect().await?, builder.connect().await?);
        let write = move |user, standing| {
            let path = path.clone();
            async move { write_person(&path, &user, &standing) }
        };
        Ok(Fresh::new(store, clock).second(second).users(write).keep_alive(folder))
    }

    fn rounds(&self) -> usize {
        30
    }
}

fn write_person(path: &Path, user: &UserId, standing: &Standing) -> Result<(), FactoryError> {
    const WRITE: &str = "INSERT INTO people (id, name, locked) VALUES (?1, ?2, ?3) \
                         ON CONFLICT (id) DO UPDATE SET name = ?2, locked = ?3";
    let sql = Connection::open(path)?;
    match standing {
        Standing::Active { name } => sql.execute(WRITE, (user.as_str(), name, false))?,
        Standing::Locked => sql.execute(WRITE, (user.as_str(), "", true))?,
        Standing::Absent => sql.execute("DELETE FROM people WHERE id = ?1", [user.as_str()])?,
    };
    Ok(())
}

struct Postgres;

impl StoreFactory for Postgres {
    type Store = PostgresStore;

    fn name(&self) -> String {
        "postgres".to_owned()
    }

    /// A schema of its own for each trial, a second store on it, as another node opens it, and the
    /// application's users table in the same database.
    async fn fresh(&self) -> Result<Fresh<PostgresStore>, FactoryError> {
        static TRIALS: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var("TEST_DATABASE_URL").map_err(|_| {
            "TEST_DATABASE_URL is not set: give the URL of a PostgreSQL database that tests may \
             write to, or leave PostgreSQL out with --skip postgres::"
        })?;
        let trial = TRIALS.fetch_add(1, Ordering::Relaxed);
        let schema = format!("laws_{}_{trial}", std::process::id());
        let sql = connect(&url).await?;
        let table = format!("public.{schema}_people");
        sql.batch_execute(&format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; DROP TABLE IF EXISTS {table};
             CREATE TABLE {table} (id text PRIMARY KEY, name text, locked boolean NOT NULL)",
        ))
        .await?;
        let clock = Clock::system();
        let people = Users::table(&table).active("NOT locked").columns(["name"]);
        let builder = PostgresStore::builder(&url)
            .schema(&schema)
            .users(people)
            .read_connections(4)
            .write_connections(4)
            .ending_connections(2)
            .danger_clock(clock.clone());
        builder.migrate().await?;
        let (store, second) = (builder.connect().await?, builder.connect().await?);
        let sql = Arc::new(sql);
        let dropped = Dropped {
            runtime: tokio::runtime::Handle::current(),
            sql: Arc::clone(&sql),
            schema,
            table: table.clone(),
        };
        let write = move |user: UserId, standing| {
            let (sql, table) = (Arc::clone(&sql), table.clone());
            async move { write_row(&sql, &table, &user, &standing).await }
        };
        Ok(Fresh::new(store, clock).second(second).users(write).keep_alive(dropped))
    }

    fn rounds(&self) -> usize {
        20
    }
}

async fn connect(url: &str) -> Result<tokio_postgres::Client, FactoryError> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn write_row(
    sql: &tokio_postgres::Client,
    table: &str,
    user: &UserId,
    standing: &Standing,
) -> Result<(), FactoryError> {
    let (name, locked) = match standing {
        Standing::Active { name } => (name.as_str(), false),
        Standing::Locked => ("", true),
        Standing::Absent => {
            let delete = format!("DELETE FROM {table} WHERE id = $1");
            sql.execute(&delete, &[&user.as_str()]).await?;
            return Ok(());
        }
    };
    let write = format!(
        "INSERT INTO {table} (id, name, locked) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET name = $2, locked = $3"
    );
    sql.execute(&write, &[&user.as_str(), &name, &locked]).await?;
    Ok(())
}

/// Drops the trial's schema and table when the trial is over.
struct Dropped {
    runtime: tokio::runtime::Handle,
    sql: Arc<tokio_postgres::Client>,
    schema: String,
    table: String,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        let (sql, schema, table) = (Arc::clone(&self.sql), self.schema.clone(), self.table.clone());
        // On the trials' runtime, which outlives them.
        self.runtime.spawn(async move {
            let drop =
                format!("DROP SCHEMA IF EXISTS {schema} CASCADE; DROP TABLE IF EXISTS {table}");
            sql.batch_execute(&drop).await
        });
    }
}

struct Redis;

impl StoreFactory for Redis {
    type Store = RedisStore;

    fn name(&self) -> String {
        "redis".to_owned()
    }

    async fn fresh(&self) -> Result<Fresh<RedisStore>, FactoryError> {
        on(Prefix::new()?).await
    }

    fn rounds(&self) -> usize {
        30
    }
}

/// A prefix of its own for each trial, and a second store on it, as another node opens it.
async fn on(prefix: Prefix) -> Result<Fresh<RedisStore>, FactoryError> {
    let clock = Clock::system();
    let builder =
        RedisStore::builder(prefix.url()).prefix(prefix.name()).danger_clock(clock.clone());
    let (store, second) = (builder.connect().await?, builder.connect().await?);
    Ok(Fresh::new(store, clock).second(second).keep_alive(prefix))
}

/// The same store on three masters: a user's keys are on one of them.
struct RedisCluster;

impl StoreFactory for RedisCluster {
    type Store = RedisStore;

    fn name(&self) -> String {
        "redis-cluster".to_owned()
    }

    async fn fresh(&self) -> Result<Fresh<RedisStore>, FactoryError> {
        on(Prefix::on_cluster()?).await
    }

    fn journal_order(&self) -> JournalOrder {
        JournalOrder::PerUser
    }

    fn rounds(&self) -> usize {
        30
    }
}
