//! Twins for L70 and the readers of the journal.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use logout_all::{
    By, EndReason, JournalEntry, SessionStore, StoreError, StoreErrorKind, UserId,
    store::{Ending, JournalOrder, JournalPage, Lease, Scope},
};

use super::{Twin, Under};

/// Gives numbers to entries that were never committed, as a sequence does.
#[derive(Default)]
pub(crate) struct NumbersWithGaps;

fn with_gaps(seq: u64) -> u64 {
    seq + seq / 8
}

impl Twin for NumbersWithGaps {
    async fn journal(
        &self,
        under: &Under,
        after: u64,
        limit: usize,
    ) -> Result<JournalPage, StoreError> {
        let mut page = under.journal(0, usize::MAX).await?;
        page.last_seq = with_gaps(page.last_seq);
        page.entries.iter_mut().for_each(|entry| entry.seq = with_gaps(entry.seq));
        page.entries.retain(|entry| entry.seq > after);
        page.entries.truncate(limit);
        Ok(page)
    }
}

/// Shows an entry before the one that was numbered before it, as a commit that is late does.
#[derive(Default)]
pub(crate) struct CommitsOutOfOrder {
    late: AtomicU64,
}

impl Twin for CommitsOutOfOrder {
    async fn journal(
        &self,
        under: &Under,
        after: u64,
        limit: usize,
    ) -> Result<JournalPage, StoreError> {
        let mut page = under.journal(after, limit).await?;
        if page.entries.len() >= 2 {
            let seq = page.entries[page.entries.len() - 2].seq;
            // Once for each.
            if self.late.fetch_max(seq, Ordering::SeqCst) < seq {
                page.entries.retain(|entry| entry.seq != seq);
            }
        }
        Ok(page)
    }
}

/// Tells the end of the page for the end of the journal.
#[derive(Default)]
pub(crate) struct EndsWithThePage;

impl Twin for EndsWithThePage {
    async fn journal(
        &self,
        under: &Under,
        after: u64,
        limit: usize,
    ) -> Result<JournalPage, StoreError> {
        let mut page = under.journal(after, limit).await?;
        page.last_seq = page.entries.last().map_or(after, |entry| entry.seq);
        Ok(page)
    }
}

/// Forgets the names of operators.
#[derive(Default)]
pub(crate) struct ForgetsOperators;

impl Twin for ForgetsOperators {
    async fn journal(
        &self,
        under: &Under,
        after: u64,
        limit: usize,
    ) -> Result<JournalPage, StoreError> {
        let mut page = under.journal(after, limit).await?;
        for entry in &mut page.entries {
            if let By::Operator(_) = entry.by {
                entry.by = By::Application;
            }
        }
        Ok(page)
    }
}

/// Ends the sessions of a user whose data changed.
#[derive(Default)]
pub(crate) struct ChangesEndSessions;

impl Twin for ChangesEndSessions {
    async fn announce_changed(
        &self,
        under: &Under,
        user: &UserId,
        by: &By,
    ) -> Result<(), StoreError> {
        let (user, scope, reason) = (user.clone(), Scope::All, EndReason::Changed);
        under.end(&Ending { user, scope, reason, by: by.clone() }).await.map(drop)
    }
}

/// Leaves out what is about everybody.
#[derive(Default)]
pub(crate) struct LeavesEverybodyOut;

impl Twin for LeavesEverybodyOut {
    async fn history(
        &self,
        under: &Under,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let mut entries = under.history(user, limit).await?;
        entries.retain(|entry| entry.user.is_some());
        Ok(entries)
    }
}

/// Tells the oldest entries.
#[derive(Default)]
pub(crate) struct TellsTheOldest;

impl Twin for TellsTheOldest {
    async fn history(
        &self,
        under: &Under,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let mut entries = under.history(user, usize::MAX).await?;
        let older = entries.len().saturating_sub(limit);
        Ok(entries.split_off(older))
    }
}

/// Makes every logout wait from the first day.
#[derive(Default)]
pub(crate) struct BeginsWithALease;

impl Twin for BeginsWithALease {
    async fn lease(&self, _under: &Under) -> Result<Lease, StoreError> {
        let half = Duration::from_millis(500);
        Ok(Lease { given: half, waited: half })
    }
}

/// Says that there is no common journal, which its factory knows nothing of.
#[derive(Default)]
pub(crate) struct DisownsItsJournal;

impl Twin for DisownsItsJournal {
    fn journal_order(&self) -> JournalOrder {
        JournalOrder::PerUser
    }
}

/// Has a journal for each user, and answers whoever wants to follow them all with a part.
#[derive(Default)]
pub(crate) struct TellsAPart;

impl Twin for TellsAPart {
    const ORDER: JournalOrder = JournalOrder::PerUser;

    async fn journal(
        &self,
        under: &Under,
        after: u64,
        limit: usize,
    ) -> Result<JournalPage, StoreError> {
        let mut page = under.journal(after, limit).await?;
        page.entries.retain(|entry| entry.user.is_none());
        Ok(page)
    }
}

/// Has a journal for each user, and says that it will have a common one again.
#[derive(Default)]
pub(crate) struct SaysItIsAway;

impl Twin for SaysItIsAway {
    const ORDER: JournalOrder = JournalOrder::PerUser;

    async fn journal(&self, _: &Under, _: u64, _: usize) -> Result<JournalPage, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unavailable, "later"))
    }
}

/// Has a journal for each user, and one count for them all.
#[derive(Default)]
pub(crate) struct CountsUsersTogether;

impl Twin for CountsUsersTogether {
    const ORDER: JournalOrder = JournalOrder::PerUser;
}

/// Tells a history from its beginning.
#[derive(Default)]
pub(crate) struct TellsTheOldestFirst;

impl Twin for TellsTheOldestFirst {
    async fn history(
        &self,
        under: &Under,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let mut history = under.history(user, limit).await?;
        history.reverse();
        Ok(history)
    }
}
