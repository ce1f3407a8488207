//! What a node holds, told to the metrics once a second, and what it hears of the journal, as it does
//! (`docs/metrics.md`).

use std::{sync::Arc, time::Duration};

use super::{Moment, Open, Purges, Touches, cache::CacheState, follow::Follows, waiting::Line};
use crate::{
    metrics::{self, Tally},
    scheme::{Clock, elapsed},
    store::JournalEntry,
};

const EVERY: Duration = Duration::from_secs(1);

/// What there is to look at.
pub(super) struct Measured {
    pub(super) tally: Arc<Tally>,
    pub(super) touches: Arc<Touches>,
    pub(super) open: Arc<Open>,
    /// In cached mode.
    pub(super) cache: Option<Arc<dyn Purges>>,
}

impl Measured {
    /// For ever; the caller drops the future to stop.
    pub(super) async fn publish_at_intervals(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.publish();
        }
    }

    pub(super) fn publish(&self) {
        self.tally.publish();
        for line in [Line::Confirmations, Line::Activity] {
            metrics::touches_waiting(line.as_str(), self.touches.left(line));
        }
        let (sessions, streams) = self.open.count();
        metrics::open(sessions, streams);
        if let Some(cache) = &self.cache {
            let CacheState { entries, bytes, lease_left } = cache.state(Moment::now());
            metrics::caching(entries, bytes, lease_left);
        }
    }
}

/// Measures how late this node learns of what ends.
pub(super) struct Lag(pub(super) Clock);

impl Follows for Lag {
    fn entry(&self, entry: &JournalEntry) {
        metrics::learned(elapsed(entry.at, self.0.now()));
    }

    fn gap(&self, _: Duration) {
        metrics::gap();
    }
}
