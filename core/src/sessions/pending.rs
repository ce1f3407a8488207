//! An ending inside the application's own transaction, not yet final.

use crate::store::{Ended, Ending};

/// Sessions that end when the application commits its transaction. After the commit,
/// `sessions.committed(pending)` makes the logout final on every node and raises the event; after
/// a rollback drop it (`docs/consistency.md`, "Settle").
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

    /// What was asked for.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// The sessions that end with the commit.
    pub fn ended(&self) -> &Ended {
        &self.ended
    }

    pub(super) fn into_parts(self) -> (Ending, Ended) {
        (self.ending, self.ended)
    }
}
