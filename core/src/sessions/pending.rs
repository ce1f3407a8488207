//! An ending inside the application's own transaction, not yet final.

use crate::store::{Ended, Ending};

/// Sessions that end when the application commits its transaction. After the commit,
/// `sessions.committed(pending)` makes the logout final on every node; without it, a node in cached
/// mode may answer from memory for a lease longer.
#[derive(Clone, Debug)]
#[must_use = "after the commit, pass it to Sessions::committed"]
pub struct Pending {
    ending: Ending,
    ended: Ended,
}

impl Pending {
    /// For stores: what was asked for, and what the transaction ended.
    pub fn new(ending: Ending, ended: Ended) -> Self {
        Self { ending, ended }
    }

    /// How many live sessions the transaction ends.
    pub fn count(&self) -> usize {
        self.ended.guids.len()
    }

    pub(super) fn into_parts(self) -> (Ending, Ended) {
        (self.ending, self.ended)
    }
}
