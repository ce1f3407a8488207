//! The sweeper: removes what is dead, in small batches beside the traffic.

use std::time::Duration;

use tokio::time::Instant;

use super::jittered;
use crate::{
    events::{Events, Side},
    metrics,
    store::{DynStore, StoreError, Swept},
};

const BATCH: usize = 500;
const EVERY: Duration = Duration::from_mins(10);
/// The least rest between two batches.
const BREATH: Duration = Duration::from_millis(20);

/// Sweeps every ten minutes, more or less, for ever; the caller drops the future to stop.
pub(super) async fn sweep_at_intervals(store: &dyn DynStore, events: &Events) {
    loop {
        tokio::time::sleep(jittered(EVERY)).await;
        sweep_round(store, events).await;
    }
}

/// One batch.
pub(crate) async fn sweep(
    store: &dyn DynStore,
    events: &Events,
    limit: usize,
) -> Result<Swept, StoreError> {
    let swept = events.watch(Side::Writes, store.sweep(limit).await)?;
    metrics::swept(swept.sessions, swept.journal);
    Ok(swept)
}

/// Batch after batch until one is not full: nothing is left, or another node sweeps, which will go
/// on. It rests as long as it works, so that it takes half of one connection at most, and less the
/// busier the store is.
async fn sweep_round(store: &dyn DynStore, events: &Events) {
    loop {
        let begun = Instant::now();
        // A failure is told by `watch`; the next round tries again.
        let Ok(swept) = sweep(store, events, BATCH).await else { return };
        if swept.sessions < BATCH && swept.journal < BATCH {
            return;
        }
        tokio::time::sleep(begun.elapsed().max(BREATH)).await;
    }
}
