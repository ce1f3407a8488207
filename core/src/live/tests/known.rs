//! What an answer to a poll is worth.

use std::time::SystemTime;

use uuid::Uuid;

use crate::{
    live::known::{Judged, Known},
    scheme::{By, EndReason},
    store::{JournalEntry, Lease, Polled},
};

pub(super) fn entry(seq: u64) -> JournalEntry {
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

pub(super) fn polled(seqs: &[u64], last_seq: u64) -> Polled {
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
