//! The lookups of a store whose queries are worth sharing: coalesced, each caller with a deadline
//! and a failure of its own. For authors of stores.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    StoreError, StoreErrorKind,
    coalesce::{Batch, Batches, Bounds, Callers, Refused, Taking},
    work::{self, Pace},
};
use crate::{
    metrics,
    scheme::{Guid, Snapshot, UserId},
};

/// What a lookup asks.
pub type LookupAsked = (UserId, Guid);
/// What it is answered: damage of one row is the failure of those who asked for that row.
pub type LookupAnswer = Result<Snapshot, StoreError>;

/// The callers' side of [`SessionStore::lookup`](super::SessionStore::lookup).
#[derive(Debug)]
pub struct Lookups {
    callers: Callers<LookupAsked, LookupAnswer>,
    limit: Duration,
    store: &'static str,
    /// Somebody was refused, and since then there was no time with room for many.
    overloaded: AtomicBool,
}

impl Lookups {
    /// How many callers may wait for their query to be sent.
    pub const WAITING: usize = 16_384;

    /// For the store of that name (in messages), whose lookups take `limit` at most, with at most
    /// `together` in one query. The batches go to whoever queries.
    pub fn new(
        store: &'static str,
        limit: Duration,
        together: usize,
    ) -> (Self, Batches<LookupAsked, LookupAnswer>) {
        let bounds = Bounds { waiting: Self::WAITING, together };
        let (callers, batches) = Callers::watched(bounds, move |Taking { together, waiting }| {
            metrics::looking_up(store, together, waiting);
        });
        (Self { callers, limit, store, overloaded: AtomicBool::new(false) }, batches)
    }

    /// The same, and `answer` answers the batches at that pace, on that runtime, until this is
    /// dropped. Whatever a batch leaves unanswered is refused: at its end, after the limit, and by
    /// a panic, which is logged and stops nothing else.
    pub fn answered<Answering>(
        store: &'static str,
        limit: Duration,
        pace: Pace,
        runtime: &Handle,
        answer: impl Fn(Batch<LookupAsked, LookupAnswer>) -> Answering + Clone + Send + Sync + 'static,
    ) -> Self
    where
        Answering: Future<Output = ()> + Send + 'static,
    {
        let (lookups, batches) = Self::new(store, limit, pace.together);
        work::start(store, limit, pace, runtime, &batches, &answer);
        lookups
    }

    /// The answer of a query that is sent after this call.
    ///
    /// # Errors
    /// What the query failed with; [`StoreErrorKind::TimedOut`] after the limit;
    /// [`StoreErrorKind::Unavailable`] at once if too many wait; [`StoreErrorKind::Stopped`] if
    /// nobody queries any more, or the query was dropped.
    pub async fn lookup(&self, user: &UserId, guid: Guid) -> LookupAnswer {
        let Self { callers, limit, store, .. } = self;
        let refusal = |kind, why: String| Err(StoreError::new(kind, why));
        let asked = callers.ask((user.clone(), guid));
        match tokio::time::timeout(*limit, asked).await {
            Ok(Ok(answer)) => {
                self.end_of_overload();
                answer
            }
            Ok(Err(Refused::Full)) => {
                self.overload();
                metrics::lookup_refused(store);
                refusal(StoreErrorKind::Unavailable, format!("too many lookups wait for {store}"))
            }
            Ok(Err(Refused::Stopped)) => {
                let why = format!("the lookups in {store} were stopped, or the query was dropped");
                refusal(StoreErrorKind::Stopped, why)
            }
            Err(_) => {
                let why = format!("{store} answered no lookup within {limit:?}");
                refusal(StoreErrorKind::TimedOut, why)
            }
        }
    }

    /// Told once, and not to each who is refused.
    fn overload(&self) {
        if !self.overloaded.swap(true, Ordering::Relaxed) {
            let (store, waiting) = (self.store, Self::WAITING);
            tracing::warn!(store, waiting, "lookups are refused: too many wait for the store");
        }
    }

    /// Half of the room is free again.
    fn end_of_overload(&self) {
        // The flag is looked at first: it costs the usual lookup no lock.
        if self.overloaded.load(Ordering::Relaxed)
            && self.callers.waiting() <= Self::WAITING / 2
            && self.overloaded.swap(false, Ordering::Relaxed)
        {
            tracing::info!(store = self.store, "lookups are answered again");
        }
    }
}
