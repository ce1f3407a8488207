//! What the cache, its marks and its lease are locked and counted with: in the schedule explorer
//! (`tests/cached_mode`), which compiles those files too, it is the explorer's own.

pub(super) use std::sync::{
    Mutex, MutexGuard, RwLock,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};
