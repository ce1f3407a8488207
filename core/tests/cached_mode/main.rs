//! A schedule explorer on what answers from memory: cache, fill, polls, lease and logout, in random
//! schedules, with the promises that they have to keep in each. Twins that are broken in one thing
//! must be convicted. That nothing is let in after a logout is found by the recorder and the checker that
//! judge the histories of many nodes (`tests/system`, `nodes`).
//!
//! The files under test are compiled here once more, with the explorer's locks and counters in the
//! place of the standard ones: so every step between two of them is a step that the explorer orders.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

macro_rules! under_test {
    ($($file:literal $name:ident;)*) => {
        $(
            #[allow(dead_code, unreachable_pub, reason = "the library's file: a part is needed")]
            #[path = $file]
            mod $name;
        )*
    };
}

under_test! {
    "../../src/live/cache.rs" cache;
    "../../src/live/follow.rs" follow;
    "../../src/live/follower.rs" follower;
    "../../src/live/known.rs" known;
    "../../src/live/lease.rs" lease;
    "../../src/live/marks.rs" marks;
    "../../src/live/moment.rs" moment;
    "../../src/live/table.rs" table;
}

#[allow(dead_code, reason = "what is shared is used in part")]
#[path = "../histories/checker.rs"]
mod checker;
mod explored;
#[allow(dead_code, reason = "what is shared is used in part")]
#[path = "../histories/history.rs"]
mod history;
mod journal;
mod subject;

/// What the library's files know of the rest.
pub(crate) use logout_all::{scheme, store};

/// What they lock and count with.
mod sync {
    pub(crate) use shuttle::sync::{
        Mutex, MutexGuard, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    };
}
