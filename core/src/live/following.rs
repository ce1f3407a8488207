//! The reader of the journal while something is open: what ended is told to whatever follows.

use std::{sync::Arc, time::Duration};

use super::follow::{Follows, Wanting};
use crate::{
    events::{Events, Side},
    store::DynStore,
};

const EVERY: Duration = Duration::from_millis(500);
const PAGE: usize = 1000;

/// Reads on while anybody wants it, for ever; the caller drops the future to stop.
pub(super) async fn follow(
    store: &dyn DynStore,
    events: &Events,
    wanting: &Wanting,
    follows: Arc<dyn Follows>,
) {
    loop {
        wanting.until_wanted().await;
        let mut known = None;
        while wanting.is_wanted() {
            known = read_on(store, events, known, &*follows).await;
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// The last entry that is known after this, if any is. Where something may have been missed, that is
/// told.
async fn read_on(
    store: &dyn DynStore,
    events: &Events,
    known: Option<u64>,
    follows: &dyn Follows,
) -> Option<u64> {
    let Some(mut known) = known else {
        let newest = events.watch(Side::Reads, store.journal(u64::MAX / 2, 1).await);
        follows.gap();
        return newest.ok().map(|page| page.last_seq);
    };
    loop {
        let Ok(page) = events.watch(Side::Reads, store.journal(known, PAGE).await) else {
            follows.gap();
            return None;
        };
        if page.last_seq < known {
            follows.gap();
            return Some(page.last_seq);
        }
        for entry in &page.entries {
            if entry.seq != known + 1 {
                follows.gap();
            }
            known = entry.seq;
            follows.entry(entry);
        }
        if page.entries.len() < PAGE {
            return Some(known);
        }
    }
}
