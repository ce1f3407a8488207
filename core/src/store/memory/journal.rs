//! The memory store's journal and the lease lengths beside it: under one lock, so that a poll sees
//! both at one instant.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;
use uuid::Uuid;

use super::super::{JournalEntry, JournalPage, Lease, Polled};
use crate::scheme::{By, EndReason, Guid, UserId, elapsed};

#[derive(Default)]
pub(super) struct Journal {
    last_seq: u64,
    /// Without gaps, the oldest first: what is removed is removed at the front.
    entries: VecDeque<JournalEntry>,
    lease: Lease,
    /// Told of each entry.
    written: Arc<Notify>,
}

impl Journal {
    pub(super) fn write(
        &mut self,
        user: Option<&UserId>,
        guid: Option<Guid>,
        (reason, by): (EndReason, &By),
        at: SystemTime,
    ) {
        self.last_seq += 1;
        self.entries.push_back(JournalEntry {
            seq: self.last_seq,
            id: Uuid::new_v4(),
            user: user.cloned(),
            guid,
            reason,
            by: by.clone(),
            at,
        });
        self.written.notify_waiters();
    }

    /// Where to wait for the next entry.
    pub(super) fn written(&self) -> Arc<Notify> {
        self.written.clone()
    }

    pub(super) fn page(&self, after: u64, limit: usize) -> JournalPage {
        let entries = self.since(after.saturating_add(1)).take(limit);
        JournalPage { last_seq: self.last_seq, entries: entries.cloned().collect() }
    }

    pub(super) fn poll(&self, after: Option<u64>, limit: usize) -> Polled {
        let entries = match after {
            None => self.entries.back().cloned().into_iter().collect(),
            Some(seq) => {
                let known = self.since(seq).next().filter(|entry| entry.seq == seq);
                let later = self.since(seq.saturating_add(1)).take(limit);
                known.into_iter().chain(later).cloned().collect()
            }
        };
        Polled { lease: self.lease, last_seq: self.last_seq, entries }
    }

    /// The newest about that user and about everybody.
    pub(super) fn about(&self, user: &UserId, limit: usize) -> Vec<JournalEntry> {
        let concerns = |entry: &&JournalEntry| entry.user.as_ref().is_none_or(|of| of == user);
        self.entries.iter().rev().filter(concerns).take(limit).cloned().collect()
    }

    pub(super) fn lease(&self) -> Lease {
        self.lease
    }

    pub(super) fn raise_lease(&mut self, to: Duration, now: SystemTime) -> Lease {
        let Lease { given, waited } = self.lease;
        self.lease = Lease { given: given.max(to), waited: waited.max(to) };
        if self.entries.is_empty() {
            self.write(None, None, (EndReason::Changed, &By::Policy), now);
        }
        self.lease
    }

    pub(super) fn lower_given(&mut self, to: Duration) -> Lease {
        self.lease.given = self.lease.given.min(to);
        self.lease
    }

    pub(super) fn lower_waited(&mut self, seen: Lease) -> bool {
        let as_seen = self.lease == seen;
        if as_seen {
            self.lease.waited = seen.given;
        }
        as_seen
    }

    /// Removes so many entries past their time at most, never the newest; tells how many.
    pub(super) fn forget_old(&mut self, now: SystemTime, limit: usize) -> usize {
        let old = |entry: &JournalEntry| elapsed(entry.at, now) > JournalEntry::KEPT;
        let mut forgotten = 0;
        while forgotten < limit && self.entries.len() > 1 && self.entries.front().is_some_and(old) {
            self.entries.pop_front();
            forgotten += 1;
        }
        forgotten
    }

    /// The entries from that `seq` on, found without a look at those before it.
    fn since(&self, seq: u64) -> impl Iterator<Item = &JournalEntry> {
        let first = self.entries.front().map_or(seq, |entry| entry.seq);
        let skipped = usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX);
        self.entries.range(skipped.min(self.entries.len())..)
    }
}
