//! What a node knows of the journal, and what an answer to a poll says about that. It marks and tells
//! nothing.

use uuid::Uuid;

use crate::store::{JournalEntry, Polled};

/// The last entry that was applied: its random id too, as a failover may give a `seq` out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) seq: u64,
    pub(super) id: Uuid,
}

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It begins with what was known, has no gap, and ends where the journal ends.
    Whole,
    /// The same, but it ends before the journal does: there was more than fits into one answer.
    Part,
    /// It is not the journal that was known, or not all of it: something may have been missed.
    Torn,
}

impl Known {
    pub(super) fn of(entry: &JournalEntry) -> Self {
        Self { seq: entry.seq, id: entry.id }
    }

    /// What the answer to a poll with this knowledge says; `limit` is what the poll asked for.
    pub(super) fn judge(self, polled: &Polled, limit: usize) -> Judged {
        let entries = &polled.entries;
        if entries.first().map(Self::of) != Some(self) {
            return Judged::Torn;
        }
        let contiguous = (self.seq..).zip(entries).all(|(seq, entry)| entry.seq == seq);
        let last = entries.last().map_or(0, |entry| entry.seq);
        if !contiguous || last > polled.last_seq {
            Judged::Torn
        } else if last == polled.last_seq {
            Judged::Whole
        } else if entries.len() > limit {
            Judged::Part
        } else {
            Judged::Torn
        }
    }

    /// What a newcomer knows after its answer: the newest entry, if there is one and it is that.
    pub(super) fn of_newcomer(polled: &Polled) -> Option<Self> {
        match polled.entries.as_slice() {
            [newest] if newest.seq == polled.last_seq => Some(Self::of(newest)),
            _ => None,
        }
    }
}
