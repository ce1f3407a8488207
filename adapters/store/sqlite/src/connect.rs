//! Connections, all set up alike, and the checks before a store is handed out.

use std::{path::Path, sync::Arc, thread, time::Duration};

use deadpool_sqlite::rusqlite::{self, Connection, OpenFlags, config::DbConfig};
use logout_all::{StoreError, StoreErrorKind};

use crate::{
    SqliteStore, SqliteStoreBuilder,
    fault::{Fault, store_error},
    lane::{LOCK_WAIT, ReadLane, WriteLane, lookups},
    lookup::Lookup,
    migrate,
    users::JoinedUsers,
    wakes,
};

/// How many prepared statements a connection keeps: more than the store has.
const STATEMENTS: usize = 64;
/// How many KiB of pages the connection of a reader keeps at most.
const READER_CACHE_KIB: i64 = 16 * 1024;
/// How long a connection sleeps before it tries again for a lock.
const LOCK_POLL: Duration = Duration::from_millis(2);

pub(crate) fn connect(builder: &SqliteStoreBuilder) -> Result<SqliteStore, StoreError> {
    let path = std::fs::canonicalize(&builder.path).map_err(|error| {
        let message = format!("there is no SQLite file {}: run migrate()", builder.path.display());
        store_error(StoreErrorKind::Schema, message, error)
    })?;
    let writer = open(&path)?;
    migrate::check(&writer, &path)?;
    // Kept in the file, but a copy made with VACUUM INTO has lost it.
    migrate::use_write_ahead_log(&writer)?;
    let users = match &builder.users {
        Some(users) => Some(JoinedUsers::inspect(&writer, users)?),
        None => None,
    };
    let lookup = Lookup::new(users);
    // Whether every table that it joins is there: told now, not by the first request.
    drop(lookup.prepare(&writer)?);
    let readers: Vec<_> =
        (0..builder.readers).map(|_| open_reader(&path)).collect::<Result<_, _>>()?;
    let (after_commit, wakes) = wakes::channel(&writer)?;
    Ok(SqliteStore {
        lookups: Arc::new(lookups::start(readers, lookup, &builder.clock)?),
        reads: Arc::new(ReadLane::start(open_reader(&path)?, &builder.clock)?),
        writes: Arc::new(WriteLane::start(writer, &builder.clock, after_commit)?),
        wakes,
        clock: builder.clock.clone(),
        path: path.into(),
        readers: builder.readers,
    })
}

/// A connection to an existing file: one that vanished is not created anew, empty and readable by
/// all.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_handler(Some(wait_for_lock))?;
        // A commit that was reported survives the machine's power.
        connection.pragma_update(None, "synchronous", "FULL")?;
        // "lockd" is then an error and not a text: a misspelt column in the application's active
        // condition must not let everybody in.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    open().map_err(|error| match Fault::from(error).told() {
        told if told.kind() == StoreErrorKind::Unavailable => {
            let message = format!("{} could not be opened as a SQLite file", path.display());
            store_error(StoreErrorKind::Unavailable, message, told)
        }
        told => told,
    })
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path)?;
    let set = || -> rusqlite::Result<()> {
        connection.pragma_update(None, "query_only", true)?;
        // With the usual 2 MB a lookup reads half of its pages from the file. (To map the file into
        // memory is a little faster still, but a failing disk is then the death of the process.)
        connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)
    };
    set().map_err(|error| Fault::from(error).told())?;
    Ok(connection)
}

/// SQLite's own handler sleeps up to 100 ms between two attempts and would miss the short gaps
/// that a busy process leaves; this one tries evenly, for as long as [`LOCK_WAIT`].
fn wait_for_lock(attempts: i32) -> bool {
    if LOCK_POLL * attempts.unsigned_abs() >= LOCK_WAIT {
        return false;
    }
    thread::sleep(LOCK_POLL);
    true
}
