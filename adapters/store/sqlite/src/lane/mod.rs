//! The threads that work on the file, and the queues before them.
//!
//! A lookup in SQLite takes some microseconds, less than handing it to a blocking task takes: so
//! one or two threads drain the queue of the lookups, one that of the other reads, and one writer
//! thread drains two, endings first, and commits what it drained together. No job is carried by a runtime: a stalled or stopped worker
//! of an HTTP server delays nobody's logout.

pub(crate) mod lookups;
mod read;
mod write;

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use deadpool_sqlite::rusqlite::{self, Connection};
use logout_all::{StoreError, StoreErrorKind};
pub(crate) use read::ReadLane;
use tokio::sync::oneshot;
pub(crate) use write::{Urgency, WriteLane};

use crate::fault::Fault;

/// How long a job waits for its turn before it is given up.
pub(crate) const TURN_WAIT: Duration = Duration::from_secs(1);
/// How long SQLite waits for a lock that another connection holds.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(2);
/// How long a whole verb may take: a turn, a lock, and the work itself.
const VERB_WAIT: Duration = Duration::from_secs(4);
/// How many jobs may wait; beyond, a verb fails at once.
const QUEUE: usize = 16_384;

type Answer<T> = Result<T, Fault>;

/// Waits for a job's answer, and no longer than a verb may take. What was begun by then goes on
/// in its thread and takes effect wholly or not at all; what was not, never begins.
async fn answered<T>(answer: oneshot::Receiver<Answer<T>>) -> Result<T, StoreError> {
    match within(VERB_WAIT, answer).await? {
        Ok(answer) => answer.map_err(Fault::told),
        Err(_) => Err(StoreError::new(
            StoreErrorKind::Stopped,
            "the thread that works on the SQLite file dropped the operation; it may be repeated",
        )),
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Result<T, StoreError> {
    tokio::time::timeout(limit, future).await.map_err(|_| {
        let message = "SQLite did not answer within 4 s; the operation may be repeated";
        StoreError::new(StoreErrorKind::TimedOut, message)
    })
}

/// Works a batch off. A panic drops its jobs, whose callers are told so, and nothing else.
fn guarded(connection: &Connection, what: &str, work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        tracing::error!("{what} of the SQLite session store panicked");
    }
    if !connection.is_autocommit() {
        let end = || connection.prepare_cached("ROLLBACK")?.execute([]);
        if end().is_err() {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
}

/// Begins a read transaction: its first read takes the snapshot.
fn begin(connection: &Connection) -> Result<(), StoreError> {
    let begin = || -> rusqlite::Result<()> {
        connection.prepare_cached("BEGIN DEFERRED")?.execute([])?;
        Ok(())
    };
    begin().map_err(|error| Fault::from(error).told())
}

fn no_turn() -> StoreError {
    let message = "no turn at the SQLite file within 1 s; nothing was changed, and the operation \
                   may be repeated";
    StoreError::new(StoreErrorKind::TimedOut, message)
}

fn too_many() -> StoreError {
    let message = "too many operations wait for the SQLite file; nothing was changed, and the \
                   operation may be repeated";
    StoreError::new(StoreErrorKind::Unavailable, message)
}

fn no_thread(cause: std::io::Error) -> StoreError {
    crate::fault::store_error(
        StoreErrorKind::Unavailable,
        "no thread could be started for the SQLite file",
        cause,
    )
}
