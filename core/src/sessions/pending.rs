//! An ending inside the application's own transaction, not yet final.

use crate::{
    scheme::{By, EndReason},
    store::{Ended, Ending},
};

/// Sessions that end when the application commits its transaction. After the commit,
/// `sessions.committed(pending)` raises the event and makes the logout final on every node; after
/// a rollback drop it (`docs/consistency.md`, "Settle").
#[derive(Clone, Debug)]
#[must_use = "after the commit, pass it to Sessions::committed"]
pub struct Pending(Committed);

/// What a transaction ended.
#[derive(Clone, Debug)]
pub(super) enum Committed {
    User(Ending, Ended),
    Everyone(EndReason, By),
}

impl Pending {
    /// For stores: what was asked for, and what the transaction ended.
    pub fn new(ending: Ending, ended: Ended) -> Self {
        Self(Committed::User(ending, ended))
    }

    /// For stores: everybody's sessions.
    pub fn everyone(reason: EndReason, by: By) -> Self {
        Self(Committed::Everyone(reason, by))
    }

    /// The sessions that end with the commit, as far as they are known by name: none for
    /// everybody's.
    pub fn ended(&self) -> &[crate::scheme::Guid] {
        match &self.0 {
            Committed::User(_, ended) => &ended.guids,
            Committed::Everyone(..) => &[],
        }
    }

    pub(super) fn into_committed(self) -> Committed {
        self.0
    }
}
