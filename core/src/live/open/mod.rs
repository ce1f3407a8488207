//! What is open on this node: WebSockets and event streams that close when their session ends
//! (`docs/http.md`, "Event streams"). They cost the store nothing while they are open: one reader of
//! the journal tells all of them.
//!
//! An entry that names a session ends it here. One that names a user or everybody has those sessions
//! read again, for who signed in after it is not meant. Whatever may have been missed is found by
//! reading everything again, in batches, and never oftener than every 5 s. A session of which neither
//! the journal nor an answer of the store tells anything for 15 s is told as unknown.
//!
//! The lock is held for a look into a tree, or for one batch; never while anybody is woken, and never
//! across an await.

mod keeper;
mod reading;
mod table;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

pub(crate) use keeper::keep;
pub(crate) use reading::{Reader, look};
use table::{Asked, Key, Ms, Refused, Table, Teller};
pub(crate) use table::{Kind, Told};

use super::follow::{Follows, Wanted, Wanting};
use crate::{
    events::Event,
    scheme::{Clock, EndReason, Guid, UserId, to_micros},
    store::JournalEntry,
};

/// The open connections of a node.
pub(crate) struct Open {
    guarded: Mutex<Guarded>,
    /// There is something to read, sooner than there was.
    work: Notify,
    started: Instant,
    clock: Clock,
    wanting: Arc<Wanting>,
}

struct Guarded {
    table: Table,
    /// While anything is open, the journal is followed.
    wanted: Option<Wanted>,
}

/// Too many event streams, of this session or of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// A place among the open, left when it is dropped. What it is told comes once.
pub(crate) struct Place {
    open: Arc<Open>,
    key: Key,
    id: u64,
    told: oneshot::Receiver<Told>,
}

impl Open {
    pub(crate) fn new(clock: Clock, wanting: Arc<Wanting>) -> Self {
        let guarded = Mutex::new(Guarded { table: Table::default(), wanted: None });
        Self { guarded, work: Notify::new(), started: Instant::now(), clock, wanting }
    }

    /// Opens a connection of a session that was alive at that instant of the store's clock. It is
    /// read once more: it may have ended since then, and been told to all who were here.
    pub(crate) fn join(
        self: &Arc<Self>,
        user: &UserId,
        guid: Guid,
        alive_at: SystemTime,
        kind: Kind,
    ) -> Result<Place, TooMany> {
        let key = (user.clone(), guid);
        let (tell, told) = oneshot::channel();
        let joined = {
            let mut guarded = self.lock();
            let joined = guarded.table.join(&key, to_micros(alive_at), (kind, tell), self.now());
            if joined.is_ok() && guarded.wanted.is_none() {
                guarded.wanted = Some(self.wanting.wanted());
            }
            joined
        };
        match joined {
            Ok(id) => {
                self.work.notify_one();
                Ok(Place { open: self.clone(), key, id, told })
            }
            Err(Refused::Closed(teller, at_once)) => {
                let _ = teller.send(at_once);
                Ok(Place { open: self.clone(), key, id: 0, told })
            }
            Err(Refused::TooMany) => Err(TooMany),
        }
    }

    /// An ending of this node's own, told before it is in the journal that is read.
    pub(crate) fn ended_here(&self, event: &Event) {
        let Event::Ended { user, guids, reason, .. } = event else { return };
        match user {
            Some(user) => guids.iter().for_each(|guid| self.end(user, *guid, *reason)),
            None => self.read_everything(Some(*reason)),
        }
    }

    /// A user of whom something changed: whether they may still be served is asked.
    pub(crate) fn changed(&self, user: &UserId) {
        self.read_again(user, None);
    }

    /// Of how many sessions something is open, and how many event streams there are.
    pub(super) fn count(&self) -> (usize, usize) {
        self.lock().table.count()
    }

    /// Event streams end, and whatever comes later; what the application opened itself stays.
    pub(crate) fn drain(&self) {
        self.tell(Told::Closing, |table, _| table.drain());
    }

    /// Nobody follows the journal any more: nothing is known of anybody.
    fn close(&self) {
        self.tell(Told::Unknown, |table, _| table.close());
    }

    fn end(&self, user: &UserId, guid: Guid, reason: EndReason) {
        self.over(&(user.clone(), guid), Told::Ended(reason));
    }

    fn over(&self, key: &Key, told: Told) {
        self.tell(told, |table, _| table.remove(key));
    }

    fn read_again(&self, user: &UserId, why: Option<EndReason>) {
        self.with(|table, now| table.mark(user, why, now));
        self.work.notify_one();
    }

    fn read_everything(&self, why: Option<EndReason>) {
        self.with(|table, now| table.begin_round(why, now));
        self.work.notify_one();
    }

    /// What is to be read now; those of whom nothing was heard for too long are told so.
    fn take(&self) -> Vec<Asked> {
        let mut batch = Vec::new();
        self.tell(Told::Unknown, |table, now| {
            let given_up;
            (batch, given_up) = table.take(now);
            given_up
        });
        batch
    }

    /// It is alive, and is read again so long after the question was sent: the answer counts from then,
    /// or later.
    fn alive(&self, asked: &Asked, at: SystemTime, again_in: Duration) {
        let next = asked.at.saturating_add(ms(again_in));
        self.with(|table, _| table.alive(asked, to_micros(at), next));
    }

    fn unanswered(&self, asked: &Asked) {
        self.with(|table, now| table.unanswered(asked, now));
    }

    /// For how long nothing is to be read; none while nothing is open.
    fn idle_for(&self) -> Option<Duration> {
        self.with(|table, now| {
            table.next().map(|next| Duration::from_millis(next.saturating_sub(now)))
        })
    }

    /// Tells outside of the lock: who is woken may come back at once.
    fn tell(&self, told: Told, take: impl FnOnce(&mut Table, Ms) -> Vec<Teller>) {
        for teller in self.with(take) {
            let _ = teller.send(told);
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Table, Ms) -> T) -> T {
        let now = self.now();
        let mut guarded = self.lock();
        let changed = change(&mut guarded.table, now);
        if guarded.table.is_empty() {
            guarded.wanted = None;
        }
        changed
    }

    /// Moved with the clock that tests move, so that a session expires when they say so.
    fn now(&self) -> Ms {
        ms(self.started.elapsed()).saturating_add_signed(self.clock.offset_micros() / 1000)
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ms(duration: Duration) -> Ms {
    Ms::try_from(duration.as_millis()).unwrap_or(Ms::MAX)
}

impl Follows for Open {
    fn entry(&self, entry: &JournalEntry) {
        let why = (entry.reason != EndReason::Changed).then_some(entry.reason);
        match (&entry.user, entry.guid, why) {
            // A later release's: whether it ends the session, the store knows. The user's other
            // sessions, which are read too, have reasons of their own.
            (Some(user), Some(_), Some(EndReason::Unspecified)) => self.changed(user),
            (Some(user), Some(guid), Some(reason)) => self.end(user, guid, reason),
            (Some(user), ..) => self.read_again(user, why),
            (None, ..) => self.read_everything(why),
        }
    }

    fn read_on(&self) {
        self.with(Table::is_heard);
    }

    fn gap(&self, silent: Duration) {
        self.with(|table, now| {
            table.begin_round_in_turn(now.saturating_sub(ms(silent)), now);
        });
        self.work.notify_one();
    }
}

impl Future for Place {
    type Output = Told;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Told> {
        // Nobody drops a teller without a word, but for a panic.
        Pin::new(&mut self.told).poll(cx).map(|told| told.unwrap_or(Told::Unknown))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self { open, key, id, .. } = self;
        open.with(|table, _| table.leave(key, *id));
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
