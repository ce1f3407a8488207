//! What goes wrong inside a verb, and how it is told: SQLite's errors sorted by whose fault they
//! are. No message has a value of a row in it, except for the ids that name the row.

use std::{error::Error, fmt};

use deadpool_sqlite::rusqlite::{self, ErrorCode};
use logout_all::{StoreError, StoreErrorKind};

/// A failure on the way through one verb. Both kinds come up by `?`.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// The failure as the port tells it.
    pub(crate) fn told(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) => {
                let (kind, message) = sorted(&error);
                StoreError::new(kind, message).with_cause(error)
            }
        }
    }
}

fn sorted(error: &rusqlite::Error) -> (StoreErrorKind, &'static str) {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            StoreErrorKind::TimedOut,
            "another connection held the SQLite file's write lock for too long; nothing was \
             changed, and the operation may be repeated",
        ),
        // The file, and so every answer: an outage, unlike one damaged row.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            (StoreErrorKind::Unavailable, "the SQLite file is damaged, or not a database")
        }
        Some(ErrorCode::DiskFull) => (
            StoreErrorKind::Unavailable,
            "the disk is full: SQLite could not write, and nothing was changed",
        ),
        _ if error.to_string().contains("no such table: logout_all_") => {
            (StoreErrorKind::Schema, "the schema is missing from the SQLite file: run migrate()")
        }
        _ => (StoreErrorKind::Unavailable, "SQLite could not carry the operation out"),
    }
}

/// A failure that is told with a text of its own and keeps its cause.
pub(crate) fn store_error(
    kind: StoreErrorKind,
    message: impl fmt::Display,
    cause: impl Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::new(kind, message.to_string()).with_cause(cause)
}
