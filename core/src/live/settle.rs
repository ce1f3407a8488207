//! The wait between the commit of a logout and its success (`docs/consistency.md`, "Settle").

use std::time::Duration;

use tokio::time::Instant;

use super::Cached;
use crate::{
    events::{Events, Side},
    metrics,
    store::{DynStore, StoreError},
};

/// Every wait is finite, whatever somebody wrote into the store.
const LONGEST_LEASE: Duration = Cached::LONGEST_LEASE;

/// Waits until no lease that predates the commit can still run: the stored length, read in a new
/// statement, plus 1 % and 5 ms for clocks that run apart. Zero while no node uses cached mode.
/// Holds no connection and no lock while it waits.
///
/// `asked`: what this node has asked the store to keep. A store that knows of no lease then has lost
/// it, as a Redis that was emptied, while leases that it gave before may run.
pub(crate) async fn settle(
    store: &dyn DynStore,
    events: &Events,
    asked: Duration,
) -> Result<(), StoreError> {
    let confirmed_at = Instant::now();
    let stored = events.watch(Side::Reads, store.lease().await)?.waited;
    let lease = if stored.is_zero() { asked } else { stored };
    wait_from(confirmed_at, lease).await;
    metrics::settled(confirmed_at.elapsed());
    Ok(())
}

/// Waits, from now on, until no lease of that length that runs now can run any more.
pub(crate) async fn wait_for_leases(lease: Duration) {
    wait_from(Instant::now(), lease).await;
}

async fn wait_from(from: Instant, lease: Duration) {
    // No node takes a longer one.
    let lease = lease.min(LONGEST_LEASE);
    if !lease.is_zero() {
        let margin = lease / 100 + Duration::from_millis(5);
        tokio::time::sleep_until(from + lease + margin).await;
    }
}
