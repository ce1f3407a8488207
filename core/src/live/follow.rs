//! What follows the journal beside the cache, and who wants it followed: a node in strict mode polls
//! only while something open depends on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::store::JournalEntry;

/// Hears of everything that ends, in the order of the journal. Called on the task that reads it:
/// keep it short, and wait for nothing.
pub(crate) trait Follows: Send + Sync {
    /// This was journalled. An entry may be told a second time, never a later one before it.
    fn entry(&self, entry: &JournalEntry);

    /// The journal was read on to its end, and nothing of it was missed.
    fn read_on(&self) {}

    /// Something may have been missed: whatever is open is to be read again. The journal was read
    /// last so long ago: not at all, where it is what told of the gap.
    fn gap(&self, silent: Duration);
}

/// Counts who wants the journal followed.
#[derive(Debug, Default)]
pub(crate) struct Wanting {
    count: AtomicUsize,
    first: Notify,
}

/// One who does, until it is dropped.
#[derive(Debug)]
pub(crate) struct Wanted(Arc<Wanting>);

impl Wanting {
    /// From now on the journal is followed, at the latest until the guard is dropped.
    pub(crate) fn wanted(self: &Arc<Self>) -> Wanted {
        if self.count.fetch_add(1, Ordering::SeqCst) == 0 {
            self.first.notify_one();
        }
        Wanted(self.clone())
    }

    /// Whether anybody does.
    pub(crate) fn is_wanted(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// Waits until somebody does; for the one task that polls.
    pub(crate) async fn until_wanted(&self) {
        while !self.is_wanted() {
            self.first.notified().await;
        }
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
    }
}
