//! How a store is set up: the server, the schema, the users table, and the two things to do with
//! them.

use std::path::PathBuf;

use logout_all::{Clock, StoreError, StoreErrorKind, Users};

use crate::{PostgresStore, Server, connect, migrate, server::Reach};

/// The settings of a [`PostgresStore`]. Made by [`PostgresStore::builder`]; used by reference, so
/// that one builder serves [`migrate`](Self::migrate) and [`connect`](Self::connect).
///
/// ```no_run
/// # async fn start() -> Result<(), logout_all::StoreError> {
/// use logout_all_postgres::{PostgresStore, Users};
/// let builder = PostgresStore::builder("postgres://app@db.example/app")
///     .users(Users::table("accounts").id("id").active("NOT locked").columns(["email", "role"]));
/// builder.migrate().await?;
/// let store = builder.connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `migrate` or `connect`"]
pub struct PostgresStoreBuilder {
    pub(crate) server: Server,
    pub(crate) root_certificate: Option<PathBuf>,
    pub(crate) schema: String,
    pub(crate) users: Option<Users>,
    pub(crate) clock: Clock,
    pub(crate) read_connections: usize,
    pub(crate) write_connections: usize,
    pub(crate) ending_connections: usize,
}

impl PostgresStoreBuilder {
    /// How many connections one role may have at most.
    pub const MAX_CONNECTIONS: usize = 1000;

    pub(crate) fn new(server: Server) -> Self {
        Self {
            server,
            root_certificate: None,
            schema: "logout_all".to_owned(),
            users: None,
            clock: Clock::system(),
            read_connections: 4,
            write_connections: 8,
            ending_connections: 4,
        }
    }

    /// The file (PEM) of the certificate authority that the server's certificate must come from,
    /// in place of the system's authorities.
    pub fn root_certificate(mut self, file: impl Into<PathBuf>) -> Self {
        self.root_certificate = Some(file.into());
        self
    }

    /// The schema that holds the library's tables and nothing else: `logout_all` until set. Two
    /// applications in one database take two.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// The application's users table in the same database, joined by every lookup. Without one
    /// every user is taken as active and has no data, unless a `UserDirectory` says otherwise.
    ///
    /// The id column must be of the type text, varchar, smallint, integer, bigint or uuid, and
    /// unique; [`connect`](Self::connect) checks it all. The data columns come back as a JSON
    /// object under the names given here, as PostgreSQL's `to_jsonb` writes them: numbers as
    /// numbers, arrays as arrays, json as it is, instants as RFC 3339 text in UTC.
    pub fn users(mut self, users: Users) -> Self {
        self.users = Some(users);
        self
    }

    /// How many connections read what is no verification (tickets of logins, device lists, the
    /// journal): 4 until set, 1 to 1000. They are opened as needed. Verifications share one
    /// connection, whatever their number, and have a spare.
    pub fn read_connections(mut self, most: usize) -> Self {
        self.read_connections = most;
        self
    }

    /// How many connections sign in, renew and write activity down: 8 until set, 1 to 1000.
    pub fn write_connections(mut self, most: usize) -> Self {
        self.write_connections = most;
        self
    }

    /// How many connections end sessions, and do nothing else: 4 until set, 1 to 1000.
    pub fn ending_connections(mut self, most: usize) -> Self {
        self.ending_connections = most;
        self
    }

    /// For tests, which move time: what this clock is moved by is added to the server's. In
    /// production the server's clock is the only one: a node with a clock of its own would end
    /// sessions early, or too late.
    pub fn danger_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Creates the schema and brings it up to this binary's. Changes nothing where that is done
    /// already, and may be called from many nodes at once. Nothing outside of the schema is
    /// touched.
    ///
    /// The role needs CREATE on the database, or must own the schema; the role that the
    /// application runs as needs less (`docs/postgres.md`, "Privileges"). Not through a pooler
    /// that shares connections between transactions.
    ///
    /// # Errors
    /// [`StoreErrorKind::Schema`] if the schema is a later one that this binary is too old for;
    /// [`StoreErrorKind::TimedOut`] if it takes longer than a minute;
    /// [`StoreErrorKind::Unavailable`] if the server does not answer or refuses.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.check()?;
        let reach = Reach::new(&self.server, self.root_certificate.as_ref())?;
        migrate::migrate(&reach, &self.schema).await
    }

    /// Opens the store. Its connections live on the Tokio runtime that calls this.
    ///
    /// # Errors
    /// [`StoreErrorKind::Schema`] if the schema is missing or older ("run `migrate()`"), or a later
    /// one that this binary is too old for, or if the users table cannot be joined;
    /// [`StoreErrorKind::Unavailable`] if the server does not answer, refuses, or is a replica.
    pub async fn connect(&self) -> Result<PostgresStore, StoreError> {
        self.check()?;
        connect::connect(self).await
    }

    fn check(&self) -> Result<(), StoreError> {
        let refuse = |message: String| Err(StoreError::new(StoreErrorKind::Unavailable, message));
        let sizes = [self.read_connections, self.write_connections, self.ending_connections];
        if sizes.iter().any(|size| !(1..=Self::MAX_CONNECTIONS).contains(size)) {
            return refuse("each role has 1 to 1000 connections".to_owned());
        }
        let name = &self.schema;
        // The tables have plain names (`users`, `sessions`) that an application's have too.
        let taken = name == "public" || name == "information_schema" || name.starts_with("pg_");
        if taken || name.is_empty() || name.len() > 63 || name.contains('\0') {
            let message =
                format!("{name:?} cannot be the schema of logout-all: give it one of its own");
            return refuse(message);
        }
        Ok(())
    }
}
