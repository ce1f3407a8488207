//! What was ended inside the application's transaction and is still to be settled.

use std::time::SystemTime;

use logout_all::{Ended, StoreError, Usage, store::{Ending}};

/// Sessions that end when the application's transaction commits.
///
/// After the commit hand it to `Sessions::committed`, which waits until no node answers from
/// memory any more (`docs/consistency.md`) and raises the event. After a rollback drop it.
#[derive(Clone, Debug)]
#[must_use = "after the commit, hand it to `Sessions::committed`: until then other nodes may still \
              answer from memory"]
pub struct Pending {
    ending: Ending,
    ended: Ended,
}

impl Pending {
    /// What was asked for, and what it ended.
    pub fn new(ending: Ending, ended: Ended) -> Self {
        Self { ending, ended }
    }

    /// What was asked for.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// The sessions that end with the commit.
    pub fn ended(&self) -> &Ended {
        &self.ended
    }
}

/// The two meanings of "before" in `logout_before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Devices that signed in before that instant.
    SignedIn(SystemTime),
    /// Devices whose last token was made before that instant.
    TokenIssued(SystemTime),
}

/// Why nothing was ended inside the application's transaction. Its transaction may go on: nothing
/// of the ending is in it.
#[derive(Clone, Debug)]
pub enum InTransactionError {
    /// The application's mistake: another file, no write lock, an instant in the future.
    Usage(Usage),
    /// SQLite could not carry it out.
    Store(StoreError),
}

impl std::fmt::Display for InTransactionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(usage) => usage.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for InTransactionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Usage(usage) => usage.source(),
            Self::Store(error) => error.source(),
        }
    }
}

impl From<Usage> for InTransactionError {
    fn from(usage: Usage) -> Self {
        Self::Usage(usage)
    }
}

impl From<StoreError> for InTransactionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
