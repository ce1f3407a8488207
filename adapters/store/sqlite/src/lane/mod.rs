//! The threads that work on the file, and the queues before them.
//!
//! A lookup in SQLite takes some microseconds, less than handing it to a blocking task takes: so
//! a few reader threads drain a queue, and one writer thread drains two, endings first, and
//! commits what it drained together. No job is carried by a runtime: a stalled or stopped worker
//! of an HTTP server delays nobody's logout.

mod read;
mod write;

use std::{future::Future, time::Duration};

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
