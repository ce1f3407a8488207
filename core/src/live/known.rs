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

#[cfg(test)]
pub(super) mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        scheme::{By, EndReason},
        store::Lease,
    };

    pub(crate) fn entry(seq: u64) -> JournalEntry {
        JournalEntry {
            seq,
            id: Uuid::from_u128(u128::from(seq)),
            user: None,
            guid: None,
            reason: EndReason::Everyone,
            by: By::Application,
            at: SystemTime::UNIX_EPOCH,
        }
    }

    pub(crate) fn polled(seqs: &[u64], last_seq: u64) -> Polled {
        let entries = seqs.iter().copied().map(entry).collect();
        Polled { lease: Lease::default(), last_seq, entries }
    }

    #[test]
    fn an_answer_is_judged_by_its_beginning_its_order_and_its_end() {
        let known = Known::of(&entry(5));
        let judge = |seqs: &[u64], last| known.judge(&polled(seqs, last), 2);
        assert_eq!(judge(&[5], 5), Judged::Whole);
        assert_eq!(judge(&[5, 6, 7], 7), Judged::Whole);
        assert_eq!(judge(&[5, 6, 7], 9), Judged::Part);
        assert_eq!(judge(&[5, 6], 9), Judged::Torn, "it stops before its limit");
        assert_eq!(judge(&[], 5), Judged::Torn);
        assert_eq!(judge(&[], 0), Judged::Torn, "the journal is empty again");
        assert_eq!(judge(&[4, 5], 5), Judged::Torn);
        assert_eq!(judge(&[6, 7], 7), Judged::Torn);
        assert_eq!(judge(&[5, 7], 7), Judged::Torn);
        assert_eq!(judge(&[5, 6, 6], 6), Judged::Torn);
        assert_eq!(judge(&[5, 6], 5), Judged::Torn, "the counter is behind its entries");
        let mut another = polled(&[5, 6], 6);
        another.entries[0].id = Uuid::from_u128(1);
        assert_eq!(known.judge(&another, 2), Judged::Torn, "another entry has that number");
    }

    #[test]
    fn a_newcomer_knows_the_newest_entry_and_no_other() {
        assert_eq!(Known::of_newcomer(&polled(&[7], 7)), Some(Known::of(&entry(7))));
        assert_eq!(Known::of_newcomer(&polled(&[], 0)), None);
        assert_eq!(Known::of_newcomer(&polled(&[6], 7)), None);
        assert_eq!(Known::of_newcomer(&polled(&[6, 7], 7)), None);
    }
}
