//! A schedule explorer on the coalescer: random schedules of callers, workers and endings, with the
//! one law that matters, and everybody is answered. A broken twin must be convicted by each.
//!
//! The file under test is compiled here once more, with the explorer's lock in the place of the
//! standard one: so every step between two holders of the lock is a step that the explorer orders.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[allow(dead_code, unreachable_pub, reason = "the library's file, of which this needs a part")]
#[path = "../../src/store/coalesce.rs"]
mod coalesce;
mod explored;
mod subject;

/// What `coalesce` locks with.
mod sync {
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
}
