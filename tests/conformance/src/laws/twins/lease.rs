//! Twins for L73 to L75: polls, and the lengths of the lease.

use std::{sync::Mutex, time::Duration};

use logout_all::{
    SessionStore, StoreError,
    store::{JournalOrder, Lease, Polled},
};

use super::{Twin, Under, gap, lock};

/// Leaves out the entry that is known.
#[derive(Default)]
pub(crate) struct TellsTheNewAlone;

impl Twin for TellsTheNewAlone {
    async fn poll(
        &self,
        under: &Under,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Polled, StoreError> {
        let mut polled = under.poll(after, limit).await?;
        polled.entries.retain(|entry| after != Some(entry.seq));
        Ok(polled)
    }
}

/// Counts the known entry among those that are at most told.
#[derive(Default)]
pub(crate) struct CountsTheKnown;

impl Twin for CountsTheKnown {
    async fn poll(
        &self,
        under: &Under,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Polled, StoreError> {
        let mut polled = under.poll(after, limit).await?;
        polled.entries.truncate(limit);
        Ok(polled)
    }
}

/// Tells a newcomer the whole journal.
#[derive(Default)]
pub(crate) struct TellsNewcomersAll;

impl Twin for TellsNewcomersAll {
    async fn poll(
        &self,
        under: &Under,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Polled, StoreError> {
        under.poll(after.or(Some(0)), limit).await
    }
}

/// Reads the counter after the entries.
#[derive(Default)]
pub(crate) struct ReadsTheCounterLater;

impl Twin for ReadsTheCounterLater {
    async fn poll(
        &self,
        under: &Under,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Polled, StoreError> {
        let polled = under.poll(after, limit).await?;
        gap().await;
        let last_seq = under.poll(None, 1).await?.last_seq;
        Ok(Polled { last_seq, ..polled })
    }
}

/// Answers with what the poll before it saw, as a replica that is behind does.
#[derive(Default)]
pub(crate) struct PollsBehind {
    last: Mutex<Option<Polled>>,
}

impl Twin for PollsBehind {
    async fn poll(
        &self,
        under: &Under,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Polled, StoreError> {
        let whole = under.poll(Some(0), usize::MAX).await?;
        let seen = lock(&self.last).replace(whole.clone()).unwrap_or(whole);
        let from = after.unwrap_or(seen.last_seq);
        let mut entries = seen.entries;
        entries.retain(|entry| entry.seq >= from);
        entries.truncate(limit.saturating_add(1));
        Ok(Polled { entries, ..seen })
    }
}

/// Has a journal for each user, and lets it be followed.
#[derive(Default)]
pub(crate) struct FollowsAPart;

impl Twin for FollowsAPart {
    const ORDER: JournalOrder = JournalOrder::PerUser;
}

/// What a twin thinks the lengths are.
#[derive(Default)]
pub(crate) struct Own(Mutex<Lease>);

impl Own {
    fn get(&self) -> Lease {
        *lock(&self.0)
    }

    fn set(&self, lease: Lease) -> Lease {
        *lock(&self.0) = lease;
        lease
    }

    /// Good in this: there is an entry to know, and a poll tells the lengths.
    async fn poll(&self, under: &Under, after: Option<u64>) -> Result<Polled, StoreError> {
        under.raise_lease(Duration::ZERO).await?;
        Ok(Polled { lease: self.get(), ..under.poll(after, 1000).await? })
    }
}

/// Reads the lengths, and writes the longer ones in a step of its own.
#[derive(Default)]
pub(crate) struct ReadsThenRaises(Own);

impl Twin for ReadsThenRaises {
    async fn raise_lease(&self, _: &Under, to: Duration) -> Result<Lease, StoreError> {
        let Lease { given, waited } = self.0.get();
        gap().await;
        Ok(self.0.set(Lease { given: given.max(to), waited: waited.max(to) }))
    }
    async fn lower_given(&self, _: &Under, to: Duration) -> Result<Lease, StoreError> {
        let Lease { given, waited } = self.0.get();
        Ok(self.0.set(Lease { given: given.min(to), waited }))
    }
    async fn lease(&self, _: &Under) -> Result<Lease, StoreError> {
        Ok(self.0.get())
    }
    async fn poll(
        &self,
        under: &Under,
        after: Option<u64>,
        _: usize,
    ) -> Result<Polled, StoreError> {
        self.0.poll(under, after).await
    }
}

/// Takes a raise for a setting.
#[derive(Default)]
pub(crate) struct SetsTheLease(Own);

impl Twin for SetsTheLease {
    async fn raise_lease(&self, _: &Under, to: Duration) -> Result<Lease, StoreError> {
        Ok(self.0.set(Lease { given: to, waited: to }))
    }
    async fn lease(&self, _: &Under) -> Result<Lease, StoreError> {
        Ok(self.0.get())
    }
}

/// Raises what polls are given, and lets logouts wait no longer than before.
#[derive(Default)]
pub(crate) struct RaisesWhatIsGiven(Own);

impl Twin for RaisesWhatIsGiven {
    async fn raise_lease(&self, _: &Under, to: Duration) -> Result<Lease, StoreError> {
        let Lease { given, waited } = self.0.get();
        Ok(self.0.set(Lease { given: given.max(to), waited }))
    }
    async fn lease(&self, _: &Under) -> Result<Lease, StoreError> {
        Ok(self.0.get())
    }
}

/// Raises a lease over a journal that is empty, and leaves it so.
#[derive(Default)]
pub(crate) struct RaisesOverNothing(Own);

impl Twin for RaisesOverNothing {
    async fn raise_lease(&self, _: &Under, to: Duration) -> Result<Lease, StoreError> {
        Ok(self.0.set(Lease { given: to, waited: to }))
    }
}

/// Announces every raise, not only the first.
#[derive(Default)]
pub(crate) struct AnnouncesEveryRaise;

impl Twin for AnnouncesEveryRaise {
    async fn raise_lease(&self, under: &Under, to: Duration) -> Result<Lease, StoreError> {
        let by = logout_all::By::Policy;
        under.end_everyone(logout_all::EndReason::Changed, &by).await?;
        under.raise_lease(to).await
    }
}

/// Lowers both lengths at once: leases of the old length may still run.
#[derive(Default)]
pub(crate) struct LowersBothAtOnce;

impl Twin for LowersBothAtOnce {
    async fn lower_given(&self, under: &Under, to: Duration) -> Result<Lease, StoreError> {
        let seen = under.lower_given(to).await?;
        under.lower_waited(seen).await?;
        under.lease().await
    }
}

/// Completes a lowering whatever was raised since.
#[derive(Default)]
pub(crate) struct LowersOverARaise;

impl Twin for LowersOverARaise {
    async fn lower_waited(&self, under: &Under, _: Lease) -> Result<bool, StoreError> {
        let now = under.lease().await?;
        under.lower_waited(now).await
    }
}

/// Compares the length that polls are given alone.
#[derive(Default)]
pub(crate) struct ComparesOneLength;

impl Twin for ComparesOneLength {
    async fn lower_waited(&self, under: &Under, seen: Lease) -> Result<bool, StoreError> {
        let now = under.lease().await?;
        under.lower_waited(Lease { given: seen.given, ..now }).await
    }
}
