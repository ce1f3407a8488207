//! The schema and its versions.
//!
//! refinery applies what is missing and keeps its own history table, but does not keep two
//! processes apart: a lock file does, which the system releases with the process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use deadpool_sqlite::rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use logout_all::{StoreError, StoreErrorKind};

use crate::{
    SqliteStoreBuilder, connect,
    fault::{Fault, store_error},
};

mod embedded {
    refinery::embed_migrations!("src/migrations");
}

/// The history that refinery keeps: not its default table, which may be the application's.
const HISTORY: &str = "logout_all_migrations";
/// Which minimum reader version this binary satisfies. A migration that old binaries cannot live
/// with raises `minimum_reader_version`; others leave it, and old and new nodes run side by side.
const READER_VERSION: i64 = 1;

pub(crate) fn migrate(path: &Path) -> Result<(), StoreError> {
    let _lock = lock(path)?;
    create(path)?;
    let mut connection = connect::open(path)?;
    use_write_ahead_log(&connection)?;
    check_reader_version(&connection).map_err(Fault::told)?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    // A migration that this binary does not know is a later binary's, and compatible: the minimum
    // reader version was checked above.
    let mut runner = embedded::migrations::runner().set_grouped(true).set_abort_missing(false);
    runner.set_migration_table_name(HISTORY);
    let report = runner.run(&mut connection).map_err(|error| {
        let message = format!("the schema in {} could not be migrated", path.display());
        store_error(StoreErrorKind::Schema, message, error)
    })?;
    for migration in report.applied_migrations() {
        tracing::info!(version = migration.version(), name = migration.name(), "migrated");
    }
    Ok(())
}

/// Refuses a schema that this binary cannot work on.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    check_reader_version(connection).map_err(Fault::told)?;
    let sql = format!("SELECT COALESCE(MAX(version), 0) FROM {HISTORY}");
    let applied = if has_table(connection, HISTORY).map_err(Fault::told)? {
        connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|error| Fault::from(error).told())?
    } else {
        0
    };
    if applied < latest() {
        let what = if applied == 0 { "is missing" } else { "is an older one" };
        let message =
            format!("the schema of logout-all in {} {what}: run migrate()", path.display());
        return Err(StoreError::new(StoreErrorKind::Schema, message));
    }
    Ok(())
}

fn latest() -> i64 {
    let runner = embedded::migrations::runner();
    runner.get_migrations().iter().map(|known| i64::from(known.version())).max().unwrap_or(0)
}

fn check_reader_version(connection: &Connection) -> Result<(), Fault> {
    if !has_table(connection, "logout_all_meta")? {
        return Ok(());
    }
    let sql = "SELECT minimum_reader_version FROM logout_all_meta WHERE id = 1";
    let minimum: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    if minimum.is_some_and(|minimum| minimum > READER_VERSION) {
        let message = "this binary is too old for the schema in the SQLite file: a later version \
                       of logout-all migrated it; update the application";
        return Err(StoreError::new(StoreErrorKind::Schema, message).into());
    }
    Ok(())
}

fn has_table(connection: &Connection, name: &str) -> Result<bool, Fault> {
    let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1)";
    Ok(connection.query_row(sql, [name], |row| row.get(0))?)
}

/// Kept in the file: every later connection finds it so.
pub(crate) fn use_write_ahead_log(connection: &Connection) -> Result<(), StoreError> {
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|error| Fault::from(error).told())?;
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    let message = format!(
        "the SQLite file cannot use write-ahead logging (its journal mode stays {mode}): put it on \
         a local file system"
    );
    Err(StoreError::new(StoreErrorKind::Unavailable, message))
}

/// Creates an absent file before SQLite would, which heeds the umask alone. SQLite gives the
/// permissions of the database to its `-wal` and `-shm` files.
fn create(path: &Path) -> Result<(), StoreError> {
    match owner_only().create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unavailable(path, error)),
    }
}

/// Waits for the lock that keeps migrating processes apart. It is released when the file is
/// dropped, or with the process. The file is never removed: another process may be about to lock
/// it. It is not the database itself, since closing any handle of that would release SQLite's own
/// locks on it (<https://sqlite.org/howtocorrupt.html>, section 2.2).
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-migrate-lock");
    let name = Path::new(&name);
    let file = owner_only().create(true).open(name).map_err(|error| unavailable(name, error))?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(unavailable(name, error)),
            Err(TryLockError::WouldBlock)
                if since.elapsed() > SqliteStoreBuilder::MIGRATION_WAIT =>
            {
                let message = format!("another process holds {} for too long", name.display());
                return Err(StoreError::new(StoreErrorKind::TimedOut, message));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn unavailable(path: &Path, error: io::Error) -> StoreError {
    let message = format!("{} could not be opened for writing", path.display());
    store_error(StoreErrorKind::Unavailable, message, error)
}
