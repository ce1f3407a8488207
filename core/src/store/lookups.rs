//! The lookups of a store whose queries are worth sharing: coalesced, each caller with a deadline
//! and a failure of its own. For authors of stores.

use std::time::Duration;

use super::{
    StoreError, StoreErrorKind,
    coalesce::{Batches, Bounds, Callers, Refused},
};
use crate::scheme::{Guid, Snapshot, UserId};

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
        let (callers, batches) = Callers::new(Bounds { waiting: Self::WAITING, together });
        (Self { callers, limit, store }, batches)
    }

    /// The answer of a query that is sent after this call.
    ///
    /// # Errors
    /// What the query failed with; [`StoreErrorKind::TimedOut`] after the limit;
    /// [`StoreErrorKind::Unavailable`] at once if too many wait; [`StoreErrorKind::Stopped`] if
    /// nobody queries any more.
    pub async fn lookup(&self, user: &UserId, guid: Guid) -> LookupAnswer {
        let Self { callers, limit, store } = self;
        let refusal = |kind, why: String| Err(StoreError::new(kind, why));
        let asked = callers.ask((user.clone(), guid));
        match tokio::time::timeout(*limit, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(Refused::Full)) => {
                refusal(StoreErrorKind::Unavailable, format!("too many lookups wait for {store}"))
            }
            Ok(Err(Refused::Stopped)) => {
                refusal(StoreErrorKind::Stopped, format!("the lookups in {store} were stopped"))
            }
            Err(_) => {
                let why = format!("{store} answered no lookup within {limit:?}");
                refusal(StoreErrorKind::TimedOut, why)
            }
        }
    }
}
