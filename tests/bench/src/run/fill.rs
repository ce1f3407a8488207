//! Stores with many sessions in them: a database of its own for each section, and a file.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use logout_all_postgres::{
    PostgresStore,
    tokio_postgres::{Client, Config, NoTls},
};
use logout_all_redis::RedisStore;
use logout_all_sqlite::{SqliteStore, rusqlite::Connection};

use super::Bench;
use crate::{serve, world};

pub(super) fn config(url: &str) -> anyhow::Result<Config> {
    url.parse().context("the URL of PostgreSQL is not one")
}

/// A database that was made for a section.
pub(super) struct Database {
    pub(super) url: String,
    name: String,
    /// A connection to it.
    pub(super) sql: Client,
    admin: Client,
}

impl Database {
    /// A database with the library's schema and nothing in it.
    pub(super) async fn new(bench: &Bench, purpose: &str) -> anyhow::Result<Self> {
        let admin = connect(&bench.arguments.postgres).await?;
        let name = format!("logout_all_bench_{}_{purpose}", std::process::id());
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        let url = with_database(&bench.arguments.postgres, &name)?;
        let database = Self { sql: connect(&url).await?, url, name, admin };
        PostgresStore::builder(database.url.as_str()).migrate().await?;
        Ok(database)
    }

    /// The same with so many users and sessions.
    pub(super) async fn filled(
        bench: &Bench,
        purpose: &str,
        sessions: u32,
    ) -> anyhow::Result<Self> {
        let database = Self::new(bench, purpose).await?;
        println!("filling PostgreSQL with {sessions} sessions");
        let text = include_str!("fill/postgres.sql").replace("$N", &sessions.to_string());
        for statement in text.replace("$AGENT", world::USER_AGENT).split(";\n") {
            database.sql.batch_execute(statement).await?;
        }
        Ok(database)
    }

    pub(super) async fn store(&self) -> anyhow::Result<PostgresStore> {
        let builder = PostgresStore::builder(self.url.as_str());
        Ok(builder.users(serve::accounts()).connect().await?)
    }

    /// Another connection to it.
    pub(super) async fn connection(&self) -> anyhow::Result<Client> {
        connect(&self.url).await
    }

    pub(super) async fn remove(self) -> anyhow::Result<()> {
        let Self { name, admin, sql, .. } = self;
        drop(sql);
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        Ok(())
    }
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = config(url)?.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> anyhow::Result<String> {
    let (server, _) = url.rsplit_once('/').context("the URL of PostgreSQL names no database")?;
    Ok(format!("{server}/{name}"))
}

/// A SQLite file with so many users and sessions.
pub(super) async fn sqlite(folder: &Path, purpose: &str, sessions: u32) -> anyhow::Result<PathBuf> {
    println!("filling SQLite with {sessions} sessions");
    let path = folder.join(format!("{purpose}.db"));
    SqliteStore::builder(&path).migrate().await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let text = include_str!("fill/sqlite.sql").replace("$NOW", &now.to_string());
    let text = text.replace("$N", &sessions.to_string()).replace("$AGENT", world::USER_AGENT);
    let file = path.clone();
    tokio::task::spawn_blocking(move || Connection::open(file)?.execute_batch(&text)).await??;
    Ok(path)
}

/// So many sessions in Redis, which is emptied first.
pub(super) async fn redis(url: &str, sessions: u32) -> anyhow::Result<()> {
    println!("filling Redis with {sessions} sessions");
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    redis::cmd("FLUSHALL").exec_async(&mut connection).await?;
    serve::fill(&RedisStore::builder(url).connect().await?, sessions).await
}
