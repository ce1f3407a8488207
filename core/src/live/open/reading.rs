//! One session, read from the store: whether it is alive, and if not, why.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::table::{Asked, Told};
use crate::{
    events::{Events, Side},
    scheme::{EndReason, Guid, Snapshot, UserId, UserState, elapsed, live_row, to_micros},
    store::{DynDirectory, DynStore, JournalEntry, StoreError},
};

/// An entry is dated before its commit, and a verification may have been answered from the cache: an
/// entry that is so much older than the last sight of the living session may still be its end.
const BEFORE_ITS_COMMIT: i64 = 20_000_000;

/// How far back a reason is looked for.
const ENTRIES: usize = 50;

/// What is asked about a session.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) store: Arc<dyn DynStore>,
    pub(crate) directory: Option<Arc<dyn DynDirectory>>,
    pub(crate) events: Events,
}

/// What is found.
pub(super) enum Found {
    /// It is alive at that instant of the store's clock, and for so long if nothing happens.
    Alive(SystemTime, Duration),
    Over(Told),
}

/// One read of everything about a session: with the directory's word on the user, where the store
/// joins none.
pub(crate) async fn look(
    store: &dyn DynStore,
    directory: Option<&dyn DynDirectory>,
    events: &Events,
    (user, guid): (&UserId, Guid),
) -> Result<Snapshot, StoreError> {
    let mut snapshot = events.watch(Side::Reads, store.lookup(user, guid).await)?;
    if let (UserState::NotAsked, Some(directory), true) =
        (&snapshot.user, directory, snapshot.row.is_some())
    {
        snapshot.user = events.watch(Side::Directory, directory.find(user).await)?;
    }
    Ok(snapshot)
}

impl Reader {
    pub(super) async fn read(&self, asked: &Asked) -> Result<Found, StoreError> {
        let Self { store, directory, events } = self;
        let (user, guid) = &asked.key;
        let snapshot = look(&**store, directory.as_deref(), events, (user, *guid)).await?;
        let now = snapshot.now;
        if let Some(row) = live_row(&snapshot) {
            return Ok(Found::Alive(now, elapsed(now, row.expires_at)));
        }
        if snapshot.row.as_ref().is_some_and(|row| row.expires_at <= now) {
            return Ok(Found::Over(Told::Expired));
        }
        let reason = match asked.why {
            Some(reason) => Some(reason),
            // That it is over is known; an outage meanwhile leaves out the reason alone.
            None => events
                .watch(Side::Reads, store.history(user, ENTRIES).await)
                .unwrap_or_default()
                .iter()
                .find_map(|entry| (ends(entry, *guid, asked.alive_at)).then_some(entry.reason)),
        };
        // Of a user who is locked by a row of the application's there is no entry.
        let unnamed = match (&snapshot.user, &snapshot.row) {
            (UserState::Inactive, Some(_)) => EndReason::Locked,
            _ => EndReason::ByHand,
        };
        Ok(Found::Over(Told::Ended(reason.unwrap_or(unnamed))))
    }
}

/// Whether that entry ended a session that was alive at that instant.
fn ends(entry: &JournalEntry, guid: Guid, alive_at: i64) -> bool {
    let since = to_micros(entry.at).saturating_add(BEFORE_ITS_COMMIT) >= alive_at;
    match entry.guid {
        _ if entry.reason == EndReason::Changed => false,
        Some(ended) => ended == guid,
        None => since,
    }
}
