//! The journal: what ended, why, by whom and when. It is the audit trail, the answer to "why was I
//! logged out", and what caches and open streams follow.

use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::Lease;
use crate::scheme::{By, EndReason, Guid, UserId};

/// One entry, written in the transaction that ended the sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// The place in the journal: gapless, in the order of the commits, from 1. Where each user has
    /// a journal ([`JournalOrder::PerUser`](super::JournalOrder::PerUser)), the place in that one.
    pub seq: u64,
    /// A random id, so that a reader notices a `seq` that a failover gave out twice.
    pub id: Uuid,
    /// Whose sessions; none: everybody's.
    pub user: Option<UserId>,
    /// Which session; none: all of that user.
    pub guid: Option<Guid>,
    /// Why.
    pub reason: EndReason,
    /// By whom.
    pub by: By,
    /// When, on the store's clock.
    pub at: SystemTime,
}

impl JournalEntry {
    /// How long entries are kept; the newest is never removed.
    pub const KEPT: Duration = Duration::from_hours(720);
}

/// A part of the journal, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalPage {
    /// The `seq` of the last entry that was ever written; 0: none was.
    pub last_seq: u64,
    /// Entries in the order of `seq`.
    pub entries: Vec<JournalEntry>,
}

/// One answer of the journal to a node that follows it, all of one instant
/// (`docs/consistency.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Both lease lengths.
    pub lease: Lease,
    /// The `seq` of the last entry that was ever written; 0: none was.
    pub last_seq: u64,
    /// The entry that was known, if it is still there, and those beyond it in the order of `seq`;
    /// for a node that knew none, the newest alone.
    pub entries: Vec<JournalEntry>,
}
