//! What goes on beside the requests: activity on its way to the store, the wait that makes a
//! logout final, the sweeper, and what is open until its session ends. Everything here runs on the runtime that built `Sessions`, never on
//! a caller's: on Actix a worker's runtime may stall or stop.

mod background;
mod follow;
mod following;
mod open;
mod settle;
mod sweep;
mod touches;
mod waiting;

use std::time::Duration;

pub(crate) use background::Background;
pub(crate) use open::{Kind, Open, Place, Reader, Told, TooMany, look};
pub(crate) use settle::settle;
pub(crate) use touches::Touches;

/// Between half and one and a half of it, so that nodes started together do nothing together.
fn jittered(around: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    around / 2 + around.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jitter_stays_around_the_interval() {
        let around = Duration::from_mins(10);
        let pauses: Vec<Duration> = (0..1000).map(|_| jittered(around)).collect();
        for pause in &pauses {
            assert!(*pause >= around / 2 && *pause <= around * 3 / 2, "{pause:?}");
        }
        assert!(pauses.iter().any(|pause| *pause < around) && pauses.iter().any(|p| *p > around));
    }
}
