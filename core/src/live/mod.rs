//! What goes on beside the requests: activity on its way to the store, the wait that makes a
//! logout final, the sweeper, and what follows the journal: the lease, the cache, what is open until
//! its session ends. Everything here runs on the runtime that built `Sessions`, never on a caller's:
//! on Actix a worker's runtime may stall or stop.

mod again;
mod background;
mod cache;
mod follow;
mod follower;
mod known;
mod lease;
mod marks;
mod measure;
mod mode;
mod moment;
mod open;
mod poller;
mod settle;
mod sweep;
mod sync;
mod table;
mod touches;
mod waiting;

use std::time::Duration;

pub(crate) use background::{Background, Following};
pub use cache::CacheState;
pub(crate) use cache::{Cache, Fill, unkept};
pub(crate) use follower::Follower;
pub(crate) use lease::Held;
pub(crate) use marks::Marks;
pub use mode::{Cached, Mode};
pub(crate) use moment::Moment;
pub(crate) use open::{Kind, Open, Place, Reader, Told, TooMany, look};
pub(crate) use poller::Purges;
pub(crate) use settle::{settle, wait_for_leases};
pub(crate) use sweep::sweep;
pub(crate) use table::{Entry, Weighs};
pub(crate) use touches::Touches;

/// Between half and one and a half of it, so that nodes started together do nothing together.
fn jittered(around: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    around / 2 + around.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
