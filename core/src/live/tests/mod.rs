//! The parts that follow the journal, each alone. They stand outside of the files that they test, as
//! the schedule explorer (`tests/cached_mode`) compiles those too.

mod follower;
mod known;
mod marks;
mod poller;
mod sweep;
mod table;

use std::time::Duration;

use super::jittered;

#[test]
fn the_jitter_stays_around_the_interval() {
    let around = Duration::from_mins(10);
    let pauses: Vec<Duration> = (0..1000).map(|_| jittered(around)).collect();
    for pause in &pauses {
        assert!(*pause >= around / 2 && *pause <= around * 3 / 2, "{pause:?}");
    }
    assert!(pauses.iter().any(|pause| *pause < around) && pauses.iter().any(|p| *p > around));
}
