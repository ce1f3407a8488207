//! Twins for L80 and L81.

use std::sync::Mutex;

use logout_all::{
    By, EndReason, SessionStore, StoreError, StoreErrorKind, UserId,
    store::{Ending, JournalPage, Scope, Swept, TicketEpochs},
};

use super::{Twin, Under, gap, lock};

/// Sweeps all at once.
#[derive(Default)]
pub(crate) struct SweepsWithoutLimit;

impl Twin for SweepsWithoutLimit {
    async fn sweep(&self, under: &Under, _limit: usize) -> Result<Swept, StoreError> {
        under.sweep(usize::MAX).await
    }
}

/// Sweeps a live row away when no dead one is left.
#[derive(Default)]
pub(crate) struct SweepsTheLiving;

impl Twin for SweepsTheLiving {
    async fn sweep(&self, under: &Under, limit: usize) -> Result<Swept, StoreError> {
        let swept = under.sweep(limit).await?;
        if swept.sessions == 0 {
            for (user, guid) in under.known() {
                let scope = Scope::Device(guid);
                let (reason, by) = (EndReason::ByHand, By::Policy);
                under.end(&Ending { user, scope, reason, by }).await?;
            }
        }
        Ok(swept)
    }
}

/// Writes a sweep into the journal.
#[derive(Default)]
pub(crate) struct JournalsSweeps;

impl Twin for JournalsSweeps {
    async fn sweep(&self, under: &Under, limit: usize) -> Result<Swept, StoreError> {
        if let Some(row) = under.dead().await?.pop() {
            under.announce_changed(&row.user, &By::Policy).await?;
        }
        under.sweep(limit).await
    }
}

/// Sweeps what is past its end, and leaves what an epoch left behind.
#[derive(Default)]
pub(crate) struct SweepsTheExpiredAlone;

impl Twin for SweepsTheExpiredAlone {
    async fn sweep(&self, under: &Under, limit: usize) -> Result<Swept, StoreError> {
        let now = under.clock().now();
        if under.dead().await?.iter().any(|row| row.expires_at <= now) {
            return under.sweep(limit).await;
        }
        Ok(Swept::default())
    }
}

/// Sweeps the journal empty.
#[derive(Default)]
pub(crate) struct SweepsTheJournalEmpty {
    swept: Mutex<u64>,
}

impl Twin for SweepsTheJournalEmpty {
    async fn sweep(&self, under: &Under, limit: usize) -> Result<Swept, StoreError> {
        let swept = under.sweep(limit).await?;
        let page = under.journal(0, 2).await?;
        if swept.journal == 0 && page.entries.len() == 1 {
            *lock(&self.swept) = page.last_seq;
        }
        Ok(swept)
    }

    async fn journal(
        &self,
        under: &Under,
        after: u64,
        limit: usize,
    ) -> Result<JournalPage, StoreError> {
        let swept = *lock(&self.swept);
        under.journal(after.max(swept), limit).await
    }
}

/// Keeps the journal for a day.
#[derive(Default)]
pub(crate) struct KeepsTheJournalForADay;

impl Twin for KeepsTheJournalForADay {
    async fn sweep(&self, under: &Under, limit: usize) -> Result<Swept, StoreError> {
        let rest = std::time::Duration::from_hours(29 * 24);
        under.clock().advance(rest);
        let swept = under.sweep(limit).await;
        under.clock().set_back(rest);
        swept
    }
}

/// Forgets epochs that nothing was heard of for long.
#[derive(Default)]
pub(crate) struct ForgetsEpochs {
    swept: Mutex<bool>,
}

impl Twin for ForgetsEpochs {
    async fn sweep(&self, under: &Under, limit: usize) -> Result<Swept, StoreError> {
        *lock(&self.swept) = true;
        under.sweep(limit).await
    }

    async fn epochs(
        &self,
        under: &Under,
        user: Option<&UserId>,
    ) -> Result<TicketEpochs, StoreError> {
        let mut ticket = under.epochs(user).await?;
        if *lock(&self.swept) {
            ticket.epochs.user = 0;
        }
        Ok(ticket)
    }
}

/// Counts the dead, and removes them a little later.
#[derive(Default)]
pub(crate) struct CountsThenSweeps;

impl Twin for CountsThenSweeps {
    async fn sweep(&self, under: &Under, limit: usize) -> Result<Swept, StoreError> {
        let sessions = under.dead().await?.len().min(limit);
        gap().await;
        Ok(Swept { sessions, ..under.sweep(limit).await? })
    }
}

/// Fails where another sweep is under way, as one that waits for a lock in vain.
#[derive(Default)]
pub(crate) struct FailsBesideAnother {
    under_way: Mutex<bool>,
}

impl Twin for FailsBesideAnother {
    async fn sweep(&self, under: &Under, limit: usize) -> Result<Swept, StoreError> {
        if std::mem::replace(&mut *lock(&self.under_way), true) {
            let message = "the lock of the sweep was not to be had";
            return Err(StoreError::new(StoreErrorKind::TimedOut, message));
        }
        gap().await;
        let swept = under.sweep(limit).await;
        *lock(&self.under_way) = false;
        swept
    }
}

/// Whoever swept first has the turn for ever.
#[derive(Default)]
pub(crate) struct KeepsTheTurn {
    holder: Mutex<Option<usize>>,
}

impl Twin for KeepsTheTurn {
    async fn sweep(&self, under: &Under, limit: usize) -> Result<Swept, StoreError> {
        let holder = *lock(&self.holder).get_or_insert(under.handle);
        if holder == under.handle { under.sweep(limit).await } else { Ok(Swept::default()) }
    }
}
