//! The memory store: the executable specification of the port. For tests, demos and
//! single-process applications whose sessions may end with the process.
//!
//! One lock a shard, a user wholly inside one shard, and the journal's lock last: so each verb is
//! one critical section, and the order of the journal is the order of the effects. No lock is held
//! across an await, for there is no await.

mod journal;

use std::{
    cmp::Reverse,
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use journal::Journal;
use tokio::sync::Notify;

use super::{
    Admission, DeviceRows, Ended, Ending, Inserted, JournalEntry, JournalPage, Lease, NewSession,
    Polled, Remint, Rotation, Scope, SessionStore, StoreError, StoreErrorKind, StoreInfo, Swap,
    Swept, TicketEpochs, Touch,
};
use crate::scheme::{
    By, Clock, EndReason, Epochs, Guid, Label, RefTokId, SessionRow, Snapshot, UserId, UserState,
    to_micros,
};

const SHARDS: usize = 64;

/// Sessions in this process's memory. Cheap to clone; clones share everything.
///
/// ```
/// use logout_all::{MemoryStore, SessionStore};
/// assert_eq!(MemoryStore::new().info().name, "memory");
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

type Shard = RwLock<HashMap<UserId, UserSessions>>;

struct Inner {
    clock: Clock,
    hasher: RandomState,
    shards: Vec<Shard>,
    global_epoch: AtomicI64,
    journal: Mutex<Journal>,
    /// Told of each entry of the journal, without its lock.
    journalled: Arc<Notify>,
    /// One sweep at a time.
    sweeping: AtomicBool,
    next_to_sweep: AtomicUsize,
}

/// Everything of one user. Kept while there are rows or the epoch was ever bumped: an epoch never
/// vanishes.
#[derive(Default)]
struct UserSessions {
    epoch: i64,
    /// Boxed: most people have one or two, and the smallest table has room for three.
    rows: HashMap<Guid, Box<SessionRow>>,
}

impl MemoryStore {
    /// An empty store on the machine's clock.
    pub fn new() -> Self {
        Self::with_clock(Clock::system())
    }

    /// An empty store on a clock that a test can move.
    pub fn with_clock(clock: Clock) -> Self {
        let global_epoch = AtomicI64::new(to_micros(clock.now()));
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        let (hasher, journal) = (RandomState::new(), Journal::default());
        let (journalled, journal) = (journal.written(), Mutex::new(journal));
        let (sweeping, next_to_sweep) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self {
            inner: Arc::new(Inner {
                clock,
                hasher,
                shards,
                global_epoch,
                journal,
                journalled,
                sweeping,
                next_to_sweep,
            }),
        }
    }

    fn shard(&self, user: &UserId) -> &Shard {
        let hash = self.inner.hasher.hash_one(user);
        // The remainder is below 64.
        &self.inner.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }

    // A poisoned lock guards whole rows all the same: every critical section below changes a row
    // by one assignment of each field and calls no code of others.
    fn read(&self, user: &UserId) -> RwLockReadGuard<'_, HashMap<UserId, UserSessions>> {
        self.shard(user).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, user: &UserId) -> RwLockWriteGuard<'_, HashMap<UserId, UserSessions>> {
        self.shard(user).write().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal_lock(&self) -> MutexGuard<'_, Journal> {
        self.inner.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> SystemTime {
        self.inner.clock.now()
    }

    fn global_epoch(&self) -> i64 {
        self.inner.global_epoch.load(Ordering::SeqCst)
    }

    fn epochs_with(&self, user: Option<&UserSessions>) -> Epochs {
        Epochs { user: user.map_or(0, |user| user.epoch), global: self.global_epoch() }
    }

    /// Removes so many dead rows of a shard at most.
    fn sweep_shard(&self, shard: &Shard, room: usize) -> usize {
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let mut removed = 0;
        shard.retain(|_, sessions| {
            if removed < room {
                let epochs = self.epochs_with(Some(sessions));
                let dead = sessions.rows.values().filter(|row| !row.is_live(epochs, now));
                let guids: Vec<Guid> = dead.take(room - removed).map(|row| row.guid).collect();
                sessions.remove(&guids, epochs, now);
                removed += guids.len();
            }
            sessions.epoch != 0 || !sessions.rows.is_empty()
        });
        removed
    }

    /// Runs `change` on a row if it lives: nothing is ever done to a dead one.
    fn change_live<T>(
        &self,
        user: &UserId,
        guid: Guid,
        change: impl FnOnce(Option<&mut SessionRow>) -> T,
    ) -> T {
        let mut shard = self.write(user);
        let Some(sessions) = shard.get_mut(user) else { return change(None) };
        let epochs = self.epochs_with(Some(sessions));
        let now = self.now();
        let row = sessions.rows.get_mut(&guid).map(Box::as_mut);
        change(row.filter(|row| row.is_live(epochs, now)))
    }
}

/// The turn of one sweep, given back when it is dropped.
struct Turn<'a>(&'a AtomicBool);

impl<'a> Turn<'a> {
    fn take(taken: &'a AtomicBool) -> Option<Self> {
        (!taken.swap(true, Ordering::Acquire)).then_some(Self(taken))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl UserSessions {
    /// Removes the rows and tells which of them were alive, in the order given.
    fn remove(&mut self, guids: &[Guid], epochs: Epochs, now: SystemTime) -> Vec<Guid> {
        let was_live = |row: Box<SessionRow>| row.is_live(epochs, now).then_some(row.guid);
        guids.iter().filter_map(|guid| self.rows.remove(guid).and_then(was_live)).collect()
    }

    fn live(&self, epochs: Epochs, now: SystemTime) -> impl Iterator<Item = &SessionRow> {
        self.rows.values().map(Box::as_ref).filter(move |row| row.is_live(epochs, now))
    }
}

impl SessionStore for MemoryStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            name: "memory",
            version: env!("CARGO_PKG_VERSION").to_owned(),
            connections: "none".to_owned(),
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn epochs(&self, user: Option<&UserId>) -> Result<TicketEpochs, StoreError> {
        let epochs = match user {
            Some(user) => self.epochs_with(self.read(user).get(user)),
            None => self.epochs_with(None),
        };
        Ok(TicketEpochs { epochs, now: self.now() })
    }

    async fn insert(&self, login: &NewSession) -> Result<Inserted, StoreError> {
        let mut shard = self.write(&login.user);
        // Taken before the global epoch is read: an `end_everyone` that is journalled first has
        // then also taken effect first.
        let mut journal = self.journal_lock();
        let now = self.now();
        let epochs = self.epochs_with(shard.get(&login.user));
        let Admission::Row(row) = login.admit(epochs, now) else {
            return Ok(Inserted::Overtaken);
        };
        let sessions = shard.entry(login.user.clone()).or_default();
        if sessions.rows.contains_key(&login.guid) {
            let message = "the new session's id is in use already; nothing was stored";
            return Err(StoreError::new(StoreErrorKind::Corrupt, message));
        }
        // Before anything changes: a refusal leaves all as it was.
        let Some(evicted) = login.make_room(sessions.live(epochs, now)) else {
            return Ok(Inserted::LimitReached);
        };
        let replaced = sessions.remove(&login.replaces, epochs, now);
        let evicted = sessions.remove(&evicted, epochs, now);
        sessions.rows.insert(login.guid, row.clone());
        for (guids, reason) in [(&replaced, EndReason::Replaced), (&evicted, EndReason::Evicted)] {
            for guid in guids {
                journal.write(Some(&login.user), Some(*guid), (reason, &By::Policy), now);
            }
        }
        Ok(Inserted::Stored { row, evicted, replaced })
    }

    async fn lookup(&self, user: &UserId, guid: Guid) -> Result<Snapshot, StoreError> {
        let shard = self.read(user);
        let sessions = shard.get(user);
        Ok(Snapshot {
            now: self.now(),
            epochs: self.epochs_with(sessions),
            row: sessions.and_then(|sessions| sessions.rows.get(&guid)).map(|row| (**row).clone()),
            user: UserState::NotAsked,
        })
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<Swap, StoreError> {
        Ok(self.change_live(&rotation.user, rotation.guid, |row| rotation.swap(row)))
    }

    async fn remint(&self, remint: &Remint) -> Result<Swap, StoreError> {
        Ok(self.change_live(&remint.user, remint.guid, |row| remint.swap(row)))
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        for touch in touches {
            self.change_live(&touch.user, touch.guid, |row| row.map(|row| touch.apply(row)));
        }
        Ok(Vec::new())
    }

    async fn relabel(
        &self,
        user: &UserId,
        guid: Guid,
        label: Option<&Label>,
    ) -> Result<Option<SessionRow>, StoreError> {
        Ok(self.change_live(user, guid, |row| {
            let row = row?;
            row.label = label.cloned();
            Some(row.clone())
        }))
    }

    async fn devices(&self, user: &UserId) -> Result<DeviceRows, StoreError> {
        let shard = self.read(user);
        let now = self.now();
        let mut rows: Vec<SessionRow> = shard.get(user).map_or_else(Vec::new, |sessions| {
            sessions.live(self.epochs_with(Some(sessions)), now).cloned().collect()
        });
        rows.sort_by_key(|row| Reverse((row.last_seen_at, row.created_at, row.guid)));
        Ok(DeviceRows { now, rows })
    }

    async fn end(&self, ending: &Ending) -> Result<Ended, StoreError> {
        let mut shard = self.write(&ending.user);
        let mut journal = self.journal_lock();
        let now = self.now();
        if !ending.scope.fences() && !shard.contains_key(&ending.user) {
            return Ok(Ended::default());
        }
        let sessions = shard.entry(ending.user.clone()).or_default();
        let epochs = self.epochs_with(Some(sessions));
        let takes =
            |row: &&SessionRow| ending.scope.takes(row.guid, row.created_at, row.token_born_at());
        let rows = sessions.rows.values().map(Box::as_ref);
        let doomed: Vec<Guid> = rows.filter(takes).map(|row| row.guid).collect();
        let guids = sessions.remove(&doomed, epochs, now);
        if ending.scope.fences() {
            sessions.epoch = Epochs::bumped(epochs.user, to_micros(now));
            // Only what lives is re-stamped: a row that an earlier bump left behind stays dead.
            let bumped = sessions.epoch;
            for row in sessions.rows.values_mut().filter(|row| row.is_live(epochs, now)) {
                ending.scope.restamp(row, bumped);
            }
        }
        let why = (ending.reason, &ending.by);
        if ending.scope == Scope::All {
            journal.write(Some(&ending.user), None, why, now);
        } else {
            for guid in &guids {
                journal.write(Some(&ending.user), Some(*guid), why, now);
            }
        }
        Ok(Ended { guids })
    }

    async fn end_everyone(&self, reason: EndReason, by: &By) -> Result<(), StoreError> {
        let mut journal = self.journal_lock();
        let now = self.now();
        let bumped = Epochs::bumped(self.global_epoch(), to_micros(now));
        self.inner.global_epoch.store(bumped, Ordering::SeqCst);
        journal.write(None, None, (reason, by), now);
        Ok(())
    }

    async fn announce_changed(&self, user: &UserId, by: &By) -> Result<(), StoreError> {
        let now = self.now();
        self.journal_lock().write(Some(user), None, (EndReason::Changed, by), now);
        Ok(())
    }

    async fn lease(&self) -> Result<Lease, StoreError> {
        Ok(self.journal_lock().lease())
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<JournalPage, StoreError> {
        Ok(self.journal_lock().page(after, limit))
    }

    async fn poll(&self, after: Option<u64>, limit: usize) -> Result<Polled, StoreError> {
        Ok(self.journal_lock().poll(after, limit))
    }

    async fn raise_lease(&self, to: Duration) -> Result<Lease, StoreError> {
        let mut journal = self.journal_lock();
        let now = self.now();
        Ok(journal.raise_lease(to, now))
    }

    async fn lower_given(&self, to: Duration) -> Result<Lease, StoreError> {
        Ok(self.journal_lock().lower_given(to))
    }

    async fn lower_waited(&self, seen: Lease) -> Result<bool, StoreError> {
        Ok(self.journal_lock().lower_waited(seen))
    }

    fn woken(&self) -> impl Future<Output = ()> + Send {
        // It hears of what is written from this call on, not only from its first poll on.
        self.inner.journalled.notified()
    }

    async fn history(&self, user: &UserId, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        Ok(self.journal_lock().about(user, limit))
    }

    async fn sweep(&self, limit: usize) -> Result<Swept, StoreError> {
        let Some(turn) = Turn::take(&self.inner.sweeping) else { return Ok(Swept::default()) };
        let mut swept = Swept::default();
        // From where the last one ended: of many batches, each looks at what it removes.
        let begin = self.inner.next_to_sweep.load(Ordering::Relaxed);
        for step in 0..SHARDS {
            let at = (begin + step) % SHARDS;
            self.inner.next_to_sweep.store(at, Ordering::Relaxed);
            swept.sessions += self.sweep_shard(&self.inner.shards[at], limit - swept.sessions);
            if swept.sessions == limit {
                break;
            }
            // A shard of many users takes a while: other tasks come between.
            tokio::task::yield_now().await;
        }
        let now = self.now();
        swept.journal = self.journal_lock().forget_old(now, limit);
        drop(turn);
        Ok(swept)
    }
}
