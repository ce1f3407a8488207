//! The schema and its versions.
//!
//! refinery applies what is missing and keeps its history in the schema; an advisory lock keeps
//! nodes apart that start at once. What counts is the version in the table `meta`: a schema that
//! another tool made from the same files is as good.

use std::time::Duration;

use logout_all::{StoreError, StoreErrorKind};
use tokio::time::timeout;
use tokio_postgres::{Client, types::Type};
use uuid::Uuid;

use crate::{
    db::quoted,
    fault::Fault,
    row::column,
    server::{CONNECT_WAIT, Reach},
};

mod embedded {
    refinery::embed_migrations!("src/migrations");
}

/// The history that refinery keeps, in the schema.
const HISTORY: &str = "migrations";
/// Which minimum reader version this binary satisfies. A migration that old binaries cannot live
/// with raises `minimum_reader_version`; others leave it, and old and new nodes run side by side.
const READER_VERSION: i32 = 1;
/// How long another node may take to migrate, and how long one statement of a migration.
const MIGRATION_WAIT: Duration = Duration::from_mins(1);

pub(crate) async fn migrate(reach: &Reach, schema: &str) -> Result<(), StoreError> {
    let late = |_| {
        let message = "the schema could not be migrated in time: another node migrates, or a \
                       transaction holds a lock";
        StoreError::new(StoreErrorKind::TimedOut, message)
    };
    let config = reach.config_for("migrate");
    let opened = timeout(CONNECT_WAIT, config.connect(reach.tls.clone())).await.map_err(late)?;
    let (mut client, connection) = opened.map_err(|error| Fault::Sql(error).told())?;
    // Ends when the client is dropped, and the lock with it.
    let driver = tokio::spawn(connection);
    let done = timeout(MIGRATION_WAIT, run(&mut client, schema)).await.map_err(late);
    drop(client);
    if done.is_err() {
        driver.abort();
    }
    done?.map_err(Fault::told)
}

async fn run(client: &mut Client, schema: &str) -> Result<(), Fault> {
    let limit = MIGRATION_WAIT.as_millis();
    client.batch_execute(&format!("SET statement_timeout = {limit}")).await?;
    let lock = "SELECT pg_advisory_lock(hashtextextended('logout_all ' || $1, 0))";
    client.query_typed(lock, &[(&schema, Type::TEXT)]).await?;
    // Asked first: a role that may not create schemas can migrate one that is there.
    let asked = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)";
    let found = client.query_typed(asked, &[(&schema, Type::TEXT)]).await?;
    let is_there = found.first().map_or(Ok(false), |row| column(row, 0))?;
    if !is_there {
        client.batch_execute(&format!("CREATE SCHEMA {}", quoted(schema))).await?;
    }
    let state = State::read(client, schema).await?;
    state.as_ref().map_or(Ok(()), State::check_reader)?;
    if state.is_some_and(|state| state.version >= latest()) {
        return Ok(());
    }
    client.batch_execute(&format!("SET search_path TO {}, pg_temp", quoted(schema))).await?;
    // A migration that this binary does not know is a later binary's, and compatible.
    let mut runner = embedded::migrations::runner().set_grouped(true).set_abort_missing(false);
    runner.set_migration_table_name(HISTORY);
    let report = runner.run_async(client).await.map_err(|error| {
        let message = format!(
            "the schema {schema} could not be migrated; if another tool made it, go on with that \
             tool and the files of src/migrations"
        );
        // The driver's error may quote rows; the message of the server's does not.
        let cause = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<tokio_postgres::Error>())
            .map_or_else(|| error.to_string(), |error| crate::fault::Cause::of(error).to_string());
        StoreError::new(StoreErrorKind::Schema, format!("{message}: {cause}"))
    })?;
    for migration in report.applied_migrations() {
        tracing::info!(version = migration.version(), name = migration.name(), "migrated");
    }
    Ok(())
}

fn latest() -> i32 {
    let runner = embedded::migrations::runner();
    runner.get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0)
}

/// What a schema says of itself.
pub(crate) struct State {
    version: i32,
    minimum_reader: i32,
    pub(crate) store_id: Uuid,
}

impl State {
    /// Reads it; none where there is no such schema.
    pub(crate) async fn read(client: &Client, schema: &str) -> Result<Option<Self>, Fault> {
        let meta = format!("{}.meta", quoted(schema));
        let asked = "SELECT to_regclass($1) IS NOT NULL";
        let found = client.query_typed(asked, &[(&meta, Type::TEXT)]).await?;
        if !found.first().map_or(Ok(false), |row| column(row, 0))? {
            return Ok(None);
        }
        let asked = format!(
            "SELECT schema_version, minimum_reader_version, store_id FROM {meta} WHERE id = 1"
        );
        let row = crate::db::one(client.query_typed(&asked, &[]).await?)?;
        Ok(Some(Self {
            version: column(&row, 0)?,
            minimum_reader: column(&row, 1)?,
            store_id: column(&row, 2)?,
        }))
    }

    fn check_reader(&self) -> Result<(), StoreError> {
        if self.minimum_reader <= READER_VERSION {
            return Ok(());
        }
        let message = "this binary is too old for the schema in PostgreSQL: a later version of \
                       logout-all migrated it; update the application";
        Err(StoreError::new(StoreErrorKind::Schema, message))
    }

    /// Refuses a schema that this binary cannot work on.
    pub(crate) fn fit(state: Option<Self>, schema: &str) -> Result<Self, StoreError> {
        let what = match &state {
            Some(found) => {
                found.check_reader()?;
                (found.version < latest()).then_some("is an older one")
            }
            None => Some("is missing"),
        };
        match (state, what) {
            (Some(state), None) => Ok(state),
            (_, what) => {
                let what = what.unwrap_or("is missing");
                let message = format!("the schema {schema} of logout-all {what}: run migrate()");
                Err(StoreError::new(StoreErrorKind::Schema, message))
            }
        }
    }
}
