//! The sweeper: removes what is dead, in small batches beside the traffic.

use std::time::Duration;

use crate::{
    events::{Events, Side},
    store::DynStore,
};

const BATCH: usize = 500;
const EVERY: Duration = Duration::from_mins(10);
/// Lets requests in between two batches.
const BREATH: Duration = Duration::from_millis(20);

/// Sweeps every ten minutes, more or less, for ever; the caller drops the future to stop.
pub(crate) async fn sweep_at_intervals(store: &dyn DynStore, events: &Events) {
    loop {
        tokio::time::sleep(jittered(EVERY)).await;
        // A failure is told by `watch`; the next round tries again.
        while let Ok(swept) = events.watch(Side::Writes, store.sweep(BATCH).await) {
            if swept.sessions < BATCH && swept.journal < BATCH {
                break;
            }
            tokio::time::sleep(BREATH).await;
        }
    }
}

/// Between half and one and a half of it, so that nodes started together do not sweep together.
fn jittered(around: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    around / 2 + around.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jitter_stays_around_the_interval() {
        for _ in 0..1000 {
            let pause = jittered(EVERY);
            assert!(pause >= EVERY / 2 && pause <= EVERY * 3 / 2, "{pause:?}");
        }
    }
}
