//! Activity on its way to the store: verification queues it and answers, a task writes it down in
//! batches. One entry a session; bounded; a touch may be lost, a logout never is.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;

use crate::{
    events::{Events, Side},
    scheme::{Guid, RefTokId, UserId, elapsed},
    store::{Confirm, DynStore, Touch},
};

/// More waiting sessions than this are not remembered: their activity shows a little later.
const MOST_WAITING: usize = 100_000;
/// How many go into one statement or transaction.
const BATCH: usize = 500;
/// How long the first one waits for others. A confirmation reaches the store within a second.
const GATHER: Duration = Duration::from_millis(200);
/// Two sights of one token this close are one activity: the second was read before the first was
/// committed.
const SAME_ACTIVITY: Duration = Duration::from_secs(1);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Touches {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    overflowed: AtomicBool,
}

/// Of one token: a touch that arrives late, for a token that was replaced, must not take the place
/// of its successor's.
type Key = (UserId, Guid, RefTokId);

#[derive(Debug, Default)]
struct Waiting {
    queued: HashMap<Key, Touch>,
    /// Handed to the store and not answered yet: still what this node knows and the store may not.
    in_flight: HashMap<Key, Touch>,
    /// The last batch that was written: a verification that read before its commit asks for the
    /// same again.
    written: HashMap<Key, Touch>,
}

impl Touches {
    /// Queues one; merged with what waits for the same session and token.
    pub(crate) fn queue(&self, touch: Touch) {
        let mut waiting = self.lock();
        let key = (touch.user.clone(), touch.guid, touch.ref_tok_id);
        let known = waiting.in_flight.get(&key).or_else(|| waiting.written.get(&key));
        if known.is_some_and(|known| says_no_more(known, &touch)) {
            return;
        }
        if waiting.queued.len() >= MOST_WAITING && !waiting.queued.contains_key(&key) {
            drop(waiting);
            if !self.overflowed.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "too much activity waits for the store; last-seen times fall behind"
                );
            }
            return;
        }
        match waiting.queued.entry(key) {
            std::collections::hash_map::Entry::Occupied(mut there) => {
                let merged = merge(there.get(), touch);
                there.insert(merged);
            }
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(touch);
            }
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// When this node first saw that token of that session, if the store may not know it yet.
    pub(crate) fn seen_here(
        &self,
        user: &UserId,
        guid: Guid,
        ref_tok_id: RefTokId,
    ) -> Option<SystemTime> {
        let waiting = self.lock();
        let key = (user.clone(), guid, ref_tok_id);
        let found = [waiting.in_flight.get(&key), waiting.queued.get(&key)];
        let confirms = |touch: &&Touch| touch.confirm == Confirm::Yes;
        found.into_iter().flatten().find(confirms).map(|touch| touch.seen_at)
    }

    /// Writes down what arrives, for ever; the caller drops the future to stop.
    pub(crate) async fn write_behind(&self, store: &dyn DynStore, events: &Events) {
        loop {
            self.arrived.notified().await;
            tokio::time::sleep(GATHER).await;
            while self.write_batch(store, events).await == Written::More {}
        }
    }

    /// Writes down all that waits, as at a shutdown; gives up at the first failure.
    pub(crate) async fn flush(&self, store: &dyn DynStore, events: &Events) {
        loop {
            match self.write_batch(store, events).await {
                Written::More => {}
                Written::All | Written::Failed => return,
            }
        }
    }

    async fn write_batch(&self, store: &dyn DynStore, events: &Events) -> Written {
        let mut batch = self.take_batch();
        if batch.is_empty() {
            return Written::All;
        }
        // In the order of their keys, so that two nodes never wait for each other's rows.
        batch.sort_by(|a, b| (&a.user, a.guid).cmp(&(&b.user, b.guid)));
        if events.watch(Side::Writes, store.touch(&batch).await).is_ok() {
            let mut waiting = self.lock();
            waiting.written = std::mem::take(&mut waiting.in_flight);
            self.overflowed.store(false, Ordering::Relaxed);
            return if waiting.queued.is_empty() { Written::All } else { Written::More };
        }
        self.put_back();
        tokio::time::sleep(PAUSE).await;
        self.arrived.notify_one();
        Written::Failed
    }

    fn take_batch(&self) -> Vec<Touch> {
        let mut waiting = self.lock();
        let keys: Vec<_> = waiting.queued.keys().take(BATCH).cloned().collect();
        for key in keys {
            if let Some(touch) = waiting.queued.remove(&key) {
                waiting.in_flight.insert(key, touch);
            }
        }
        waiting.in_flight.values().cloned().collect()
    }

    /// After a failure: what was in flight waits again, under what came since.
    fn put_back(&self) {
        let mut waiting = self.lock();
        let in_flight = std::mem::take(&mut waiting.in_flight);
        for (key, older) in in_flight {
            let merged = match waiting.queued.remove(&key) {
                Some(newer) => merge(&older, newer),
                None => older,
            };
            waiting.queued.insert(key, merged);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    All,
    More,
    Failed,
}

/// Whether a touch adds nothing to one that is written, or about to be.
fn says_no_more(known: &Touch, touch: &Touch) -> bool {
    let confirmed = known.confirm == Confirm::Yes || touch.confirm == Confirm::No;
    let extended = known.extension >= touch.extension;
    confirmed && extended && elapsed(known.seen_at, touch.seen_at) < SAME_ACTIVITY
}

/// Two touches of one token become one.
fn merge(older: &Touch, newer: Touch) -> Touch {
    let confirm = if older.confirm == Confirm::Yes { Confirm::Yes } else { newer.confirm };
    // The confirmation counts from when the token was *first* seen.
    let seen_at = match confirm {
        Confirm::Yes => older.seen_at.min(newer.seen_at),
        Confirm::No => older.seen_at.max(newer.seen_at),
    };
    Touch {
        seen_at,
        confirm,
        extension: older.extension.max(newer.extension),
        user_agent: newer.user_agent.or_else(|| older.user_agent.clone()),
        ..newer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        scheme::Clock,
        store::{MemoryStore, erase},
    };

    fn touch(guid: Guid, ref_tok_id: RefTokId, confirm: Confirm) -> Touch {
        Touch {
            user: UserId::new(1).unwrap(),
            guid,
            ref_tok_id,
            seen_at: Clock::system().now(),
            extension: None,
            user_agent: None,
            confirm,
        }
    }

    /// "which renewals on the same node see at once"
    #[test]
    fn a_confirmation_is_seen_here_before_the_store_has_it() {
        let touches = Touches::default();
        let (guid, token) = (Guid::random(), RefTokId::random());
        let first = touch(guid, token, Confirm::Yes);
        touches.queue(first.clone());
        touches.queue(touch(guid, token, Confirm::No));
        let seen = |token| touches.seen_here(&first.user, guid, token);
        assert_eq!(seen(token), Some(first.seen_at));
        assert_eq!(seen(RefTokId::random()), None);
        assert_eq!(touches.take_batch().len(), 1);
        assert_eq!(seen(token), Some(first.seen_at), "also while it is on its way");
    }

    /// A verification of the predecessor that read before the rotation may queue after the first
    /// use of the successor.
    #[test]
    fn a_late_touch_of_the_predecessor_takes_no_confirmation_away() {
        let touches = Touches::default();
        let guid = Guid::random();
        let (old, new) = (RefTokId::random(), RefTokId::random());
        let first = touch(guid, new, Confirm::Yes);
        touches.queue(first.clone());
        touches.queue(touch(guid, old, Confirm::Yes));
        assert_eq!(touches.seen_here(&first.user, guid, new), Some(first.seen_at));
        assert_eq!(touches.take_batch().len(), 2);
    }

    /// "at most one per session per minute and node"
    #[tokio::test]
    async fn what_is_written_is_not_written_again() {
        let touches = Touches::default();
        let seen = touch(Guid::random(), RefTokId::random(), Confirm::Yes);
        touches.queue(seen.clone());
        assert_eq!(touches.take_batch().len(), 1);
        touches.queue(seen.clone());
        assert!(touches.lock().queued.is_empty(), "it is on its way");
        touches.flush(&*erase(MemoryStore::new()), &Events::default()).await;
        touches.queue(seen.clone());
        assert!(touches.lock().queued.is_empty(), "it is written");
        let later = Touch { seen_at: seen.seen_at + Duration::from_mins(1), ..seen };
        touches.queue(later);
        assert_eq!(touches.lock().queued.len(), 1);
    }

    #[test]
    fn the_queue_is_bounded() {
        let touches = Touches::default();
        for _ in 0..=MOST_WAITING {
            touches.queue(touch(Guid::random(), RefTokId::random(), Confirm::No));
        }
        assert_eq!(touches.lock().queued.len(), MOST_WAITING);
    }

    #[tokio::test]
    async fn all_batches_are_flushed() {
        let touches = Touches::default();
        for _ in 0..=(BATCH * 2) {
            touches.queue(touch(Guid::random(), RefTokId::random(), Confirm::No));
        }
        touches.flush(&*erase(MemoryStore::new()), &Events::default()).await;
        let waiting = touches.lock();
        assert!(waiting.queued.is_empty() && waiting.in_flight.is_empty());
    }
}
