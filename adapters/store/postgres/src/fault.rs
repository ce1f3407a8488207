//! What goes wrong inside a verb, and how it is told: PostgreSQL's errors sorted by what they mean.
//! No message has a value of a row in it: DETAIL and HINT, which quote rows, are left out.

use std::{error::Error, fmt};

use logout_all::{StoreError, StoreErrorKind};
use tokio_postgres::error::{DbError, SqlState};

pub(crate) const REPLICA: &str = "the PostgreSQL server is a replica, which learns of a logout late: \
                                  give the primary's address, or all of them with \
                                  target_session_attrs=read-write";

/// A failure on the way through one verb. All kinds come up by `?`.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nothing was committed.
    Sql(tokio_postgres::Error),
    /// The connection failed while a commit was under way: nobody knows whether it took place.
    Uncertain(tokio_postgres::Error),
    Store(StoreError),
    /// A replica answered.
    Replica,
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// The failure of a COMMIT, or of a statement that commits by itself.
    pub(crate) fn of_commit(error: tokio_postgres::Error) -> Self {
        // An error that the server tells is a rollback; anything else is silence.
        if error.as_db_error().is_some() { Self::Sql(error) } else { Self::Uncertain(error) }
    }

    /// Another transaction was in the way, and PostgreSQL rolled this one back.
    pub(crate) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Sql(error) if error.code().is_some_and(|code| conflicts.contains(code)))
    }

    /// The connection failed, or is no use any more, and nothing was committed over it.
    pub(crate) fn is_of_connection(&self) -> bool {
        matches!(self, Self::Sql(_)) && self.spoils_connection()
    }

    /// Whether the connection must not be lent again.
    pub(crate) fn spoils_connection(&self) -> bool {
        match self {
            Self::Store(error) => error.kind() == StoreErrorKind::TimedOut,
            Self::Uncertain(_) | Self::Replica => true,
            Self::Sql(error) => error.as_db_error().is_none_or(spoils),
        }
    }

    /// The server could not work out one of the rows that a statement reads, as by an error in the
    /// application's own condition or a function that it calls: others may be well. All other
    /// classes concern every statement, or may: its time, its server, the schema, a transaction.
    pub(crate) fn is_of_a_row(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        // Data, constraints, functions of SQL, PL/pgSQL (as RAISE), external routines.
        let of_values = ["22", "23", "2F", "P0", "38", "39"];
        error
            .code()
            .is_some_and(|code| of_values.iter().any(|class| code.code().starts_with(class)))
    }

    /// The failure as the port tells it.
    pub(crate) fn told(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Replica => StoreError::new(StoreErrorKind::Unavailable, REPLICA),
            Self::Uncertain(error) => {
                let message = "the connection to PostgreSQL broke before the commit was confirmed; \
                               it took place wholly or not at all, and may be repeated";
                StoreError::new(StoreErrorKind::Unavailable, message).with_cause(Cause::of(&error))
            }
            Self::Sql(error) => {
                let (kind, message) = sorted(&error);
                StoreError::new(kind, message).with_cause(Cause::of(&error))
            }
        }
    }
}

fn spoils(error: &DbError) -> bool {
    let code = error.code();
    // A server that became a replica; a prepared statement that is gone, or that a migration
    // changed under this connection; a server that goes away.
    *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || is_of_another_session(code)
        || *code == SqlState::FEATURE_NOT_SUPPORTED
        || code.code().starts_with("08")
        || code.code().starts_with("57P")
        || matches!(error.severity(), "FATAL" | "PANIC")
}

/// A statement that this connection prepared is not there, or one that it did not is: it does not have
/// the server's session that it set up.
fn is_of_another_session(code: &SqlState) -> bool {
    [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT].contains(code)
}

fn sorted(error: &tokio_postgres::Error) -> (StoreErrorKind, &'static str) {
    let Some(code) = error.code() else {
        return (StoreErrorKind::Unavailable, "PostgreSQL cannot be reached");
    };
    let class = code.code().get(..2).unwrap_or_default();
    if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE {
        let message = "a statement took longer than its limit, or was cancelled; nothing was \
                       changed, and the operation may be repeated";
        (StoreErrorKind::TimedOut, message)
    } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        (StoreErrorKind::Unavailable, "the PostgreSQL server takes no writes: it is a replica now?")
    } else if is_of_another_session(code) {
        let message = "PostgreSQL has other prepared statements than this connection made: connect \
                       directly, or through a pool in session mode (docs/postgres.md, \"PgBouncer\")";
        (StoreErrorKind::Unavailable, message)
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        let message = "the database role lacks a privilege: as the role that migrated, SELECT \
                       grant_runtime('ROLE') of the schema (docs/postgres.md, \"Privileges\")";
        (StoreErrorKind::Unavailable, message)
    } else if ["3F", "42"].contains(&class) {
        let message = "the schema of logout-all is missing or another one: run migrate()";
        (StoreErrorKind::Schema, message)
    } else if ["40", "53", "57", "08"].contains(&class) {
        let message = "PostgreSQL could not carry the operation out just now; nothing was changed";
        (StoreErrorKind::Unavailable, message)
    } else {
        (StoreErrorKind::Unavailable, "PostgreSQL could not carry the operation out")
    }
}

/// A driver's error as text without the values that the server quotes.
#[derive(Debug)]
pub(crate) struct Cause(String);

impl Cause {
    pub(crate) fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(error) = error.as_db_error() {
            return Self(format!("SQLSTATE {}: {}", error.code().code(), error.message()));
        }
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self(text)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}
