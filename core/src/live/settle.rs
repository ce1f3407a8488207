//! The wait between the commit of a logout and its success (`docs/consistency.md`, "Settle").

use std::time::Duration;

use crate::{
    events::{Events, Side},
    store::{DynStore, StoreError, StoreErrorKind},
};

/// Every wait is finite, whatever somebody wrote into the store.
const LONGEST_LEASE: Duration = Duration::from_mins(1);

/// Waits until no lease that predates the commit can still run: the stored length, read in a new
/// statement, plus 1 % and 5 ms for clocks that run apart. Zero while no node uses cached mode.
/// Holds no connection and no lock while it waits.
pub(crate) async fn settle(store: &dyn DynStore, events: &Events) -> Result<(), StoreError> {
    let confirmed_at = tokio::time::Instant::now();
    let lease = events.watch(Side::Reads, store.lease().await)?.waited;
    if lease > LONGEST_LEASE {
        let message = format!(
            "the store asks logouts to wait {lease:?}, and a lease is {LONGEST_LEASE:?} at most; \
             the logout is committed and not settled"
        );
        return Err(StoreError::new(StoreErrorKind::Corrupt, message));
    }
    if !lease.is_zero() {
        let margin = lease / 100 + Duration::from_millis(5);
        tokio::time::sleep_until(confirmed_at + lease + margin).await;
    }
    Ok(())
}
