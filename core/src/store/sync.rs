//! The lock of [`coalesce`](super::coalesce): in the schedule explorer (`tests/coalescer`), which
//! compiles that file too, it is the explorer's own.

pub(super) use std::sync::{Mutex, MutexGuard};
