//! How a store is set up: the file, the users table, and the two things to do with them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use logout_all::{Clock, StoreError, StoreErrorKind, Users};

use crate::{SqliteStore, connect, fault::store_error, migrate};

/// The settings of a [`SqliteStore`]. Made by [`SqliteStore::builder`]; used by reference, so that
/// one builder serves [`migrate`](Self::migrate) and [`connect`](Self::connect).
///
/// ```
/// # async fn start() -> Result<(), logout_all::StoreError> {
/// use logout_all_sqlite::{SqliteStore, Users};
/// let builder = SqliteStore::builder("app.db")
///     .users(Users::table("accounts").id("id").active("NOT locked").columns(["email", "role"]));
/// builder.migrate().await?;
/// let store = builder.connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `migrate` or `connect`"]
pub struct SqliteStoreBuilder {
    pub(crate) path: PathBuf,
    pub(crate) users: Option<Users>,
    pub(crate) clock: Clock,
    pub(crate) readers: usize,
}

impl SqliteStoreBuilder {
    /// How many reader threads a store may have at most.
    pub const MAX_READERS: usize = 64;
    /// How long [`migrate`](Self::migrate) waits for another process that migrates.
    pub const MIGRATION_WAIT: Duration = Duration::from_secs(30);

    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, users: None, clock: Clock::system(), readers: 2 }
    }

    /// The application's users table in the same file, joined by every lookup. Without one every
    /// user is taken as active and has no data, unless a `UserDirectory` says otherwise.
    ///
    /// The id column must be declared INTEGER or TEXT and be unique; [`connect`](Self::connect)
    /// checks it all. The data columns come back as a JSON object under the names given here:
    /// integers and reals as numbers, text as text, NULL as null, blobs as base64 text.
    pub fn users(mut self, users: Users) -> Self {
        self.users = Some(users);
        self
    }

    /// How many threads answer verifications, each with a connection of its own: 2 until set, 1 to
    /// 64. One more answers the other reads.
    ///
    /// A lookup takes some microseconds: more than two pay only where the file is much larger than
    /// the memory.
    pub fn readers(mut self, threads: usize) -> Self {
        self.readers = threads;
        self
    }

    /// The clock that rows are compared with: for tests, which move it. In production it is the
    /// machine's, and so it must be for all processes on one file: a node with a clock of its own
    /// would end sessions early, or too late.
    pub fn danger_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Creates the file, readable by its owner alone, and brings its schema up to this binary's.
    /// Changes nothing where that is done already, and may be called from many processes at once.
    /// All its tables begin with `logout_all_`; the application's own, `user_version` and any
    /// other migration tool's history are left alone.
    ///
    /// The file is turned to write-ahead logging. Beside it a `…-migrate-lock` file stays, empty.
    ///
    /// # Errors
    /// [`StoreErrorKind::Schema`] if the schema is a later one that this binary is too old for;
    /// [`StoreErrorKind::TimedOut`] if another process migrates for longer than 30 s;
    /// [`StoreErrorKind::Unavailable`] if the file cannot be written.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        check_path(&self.path)?;
        let path = self.path.clone();
        blocking(move || migrate::migrate(&path)).await
    }

    /// Opens the connections and starts the threads that work on them.
    ///
    /// # Errors
    /// [`StoreErrorKind::Schema`] if the schema is missing or older ("run `migrate()`"), or a later
    /// one that this binary is too old for, or if the users table cannot be joined;
    /// [`StoreErrorKind::Unavailable`] if the file cannot be opened.
    pub async fn connect(&self) -> Result<SqliteStore, StoreError> {
        check_path(&self.path)?;
        if !(1..=Self::MAX_READERS).contains(&self.readers) {
            let message = format!("a store has 1 to 64 readers, not {}", self.readers);
            return Err(StoreError::new(StoreErrorKind::Unavailable, message));
        }
        let builder = self.clone();
        blocking(move || connect::connect(&builder)).await
    }
}

/// Opening a file may wait for a disk: never on a thread that serves requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let message = "the task that opens the SQLite file was stopped";
        Err(store_error(StoreErrorKind::Stopped, message, error))
    })
}

/// Only a plain file is shared by all connections; a private database in memory would give each
/// of them another one.
fn check_path(path: &Path) -> Result<(), StoreError> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() || bytes == b":memory:" || bytes.starts_with(b"file:") {
        let message = format!(
            "{:?} is not the path of a file: for sessions in memory use MemoryStore, and give \
             SqliteStore a path instead of a URI",
            path.display().to_string()
        );
        return Err(StoreError::new(StoreErrorKind::Unavailable, message));
    }
    Ok(())
}
