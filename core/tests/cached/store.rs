//! The memory store behind a door: what is asked is counted, polls can be held, failed and answered with
//! something else, and rotations broken.

use std::{
    collections::HashSet,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use logout_all::{
    By, EndReason, Ended, Guid, JournalEntry, Label, MemoryStore, RefTokId, SessionRow,
    SessionStore, Snapshot, StoreError, StoreErrorKind, UserId,
    store::{
        DeviceRows, Ending, Inserted, JournalOrder, JournalPage, Lease, NewSession, Polled, Remint,
        Rotation, StoreInfo, Swap, Swept, TicketEpochs, Touch,
    },
};
use tokio::sync::Semaphore;

#[derive(Clone, Default)]
pub(crate) struct Door {
    pub(crate) store: MemoryStore,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    lookups: AtomicU64,
    polls: AtomicU64,
    /// How often the lease length was read: once for each settling.
    leases: AtomicU64,
    /// How many endings had been committed, and how many of them when it was read last.
    ended: AtomicU64,
    ended_when_read: AtomicU64,
    /// Nothing is answered.
    down: AtomicBool,
    /// Whoever waits for news panics, once.
    panics: AtomicBool,
    per_user: AtomicBool,
    /// Polls wait here before they are sent, while there is one.
    polls_held: Mutex<Option<Arc<Semaphore>>>,
    /// How long an answer to a poll is on its way.
    delay: Mutex<Duration>,
    forge: Mutex<Option<Forge>>,
    rotating: Mutex<Rotating>,
    /// Sessions of which a torn rotation has deleted the row.
    absent: Mutex<HashSet<Guid>>,
}

/// What becomes of a rotation.
#[allow(dead_code, reason = "each test program uses its part")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rotating {
    /// One compare-and-swap.
    #[default]
    Whole,
    /// Its row goes, and a moment later there is another.
    ByInsertAndDelete,
    /// It looks, and writes a moment later over whatever there is by then.
    ByLoadAndSave,
}

/// The moment between its two halves.
const HALVES: Duration = Duration::from_millis(2);

/// What becomes of the answer to a poll.
type Forge = Box<dyn FnMut(Polled) -> Polled + Send>;

impl Door {
    /// Another door to the same store.
    pub(crate) fn another(&self) -> Self {
        Self { store: self.store.clone(), state: Arc::default() }
    }

    /// How many verifications asked the store.
    pub(crate) fn lookups(&self) -> u64 {
        self.state.lookups.load(Ordering::SeqCst)
    }

    pub(crate) fn polls(&self) -> u64 {
        self.state.polls.load(Ordering::SeqCst)
    }

    /// How many endings were settled.
    pub(crate) fn settled(&self) -> u64 {
        self.state.leases.load(Ordering::SeqCst)
    }

    /// How many endings were committed before the last settling began.
    pub(crate) fn committed_before_settling(&self) -> u64 {
        self.state.ended_when_read.load(Ordering::SeqCst)
    }

    /// The next that waits for news.
    pub(crate) fn panic_when_waited_for(&self) {
        self.state.panics.store(true, Ordering::SeqCst);
    }

    pub(crate) fn hold_polls(&self) {
        *self.state.polls_held.lock().unwrap() = Some(Arc::new(Semaphore::new(0)));
    }

    pub(crate) fn let_polls_go(&self) {
        if let Some(held) = self.state.polls_held.lock().unwrap().take() {
            held.add_permits(1000);
        }
    }

    pub(crate) fn delay_answers(&self, by: Duration) {
        *self.state.delay.lock().unwrap() = by;
    }

    pub(crate) fn take_down(&self) {
        self.state.down.store(true, Ordering::SeqCst);
    }

    pub(crate) fn per_user(self) -> Self {
        self.state.per_user.store(true, Ordering::SeqCst);
        self
    }

    pub(crate) fn forge(&self, forge: impl FnMut(Polled) -> Polled + Send + 'static) {
        *self.state.forge.lock().unwrap() = Some(Box::new(forge));
    }

    #[allow(dead_code, reason = "each test program uses its part")]
    pub(crate) fn break_rotations(&self, rotating: Rotating) {
        *self.state.rotating.lock().unwrap() = rotating;
    }

    async fn broken_rotation(&self, rotation: &Rotation) -> Result<Swap, StoreError> {
        let rotating = *self.state.rotating.lock().unwrap();
        match rotating {
            Rotating::Whole => {}
            Rotating::ByInsertAndDelete => {
                self.state.absent.lock().unwrap().insert(rotation.guid);
                tokio::time::sleep(HALVES).await;
                self.state.absent.lock().unwrap().remove(&rotation.guid);
            }
            Rotating::ByLoadAndSave => {
                tokio::time::sleep(HALVES).await;
                let found = self.store.lookup(&rotation.user, rotation.guid).await?.row;
                let expected = found.map_or(rotation.expected, |row| row.ref_tok_id);
                return self.store.rotate(&Rotation { expected, ..rotation.clone() }).await;
            }
        }
        self.store.rotate(rotation).await
    }

    fn up(&self) -> Result<(), StoreError> {
        if self.state.down.load(Ordering::SeqCst) {
            let why = "the test has taken it down";
            return Err(StoreError::new(StoreErrorKind::Unavailable, why));
        }
        Ok(())
    }
}

macro_rules! forwarded {
    ($($verb:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl SessionStore for Door {
            fn info(&self) -> StoreInfo {
                self.store.info()
            }
            fn journal_order(&self) -> JournalOrder {
                if self.state.per_user.load(Ordering::SeqCst) {
                    return JournalOrder::PerUser;
                }
                JournalOrder::Common
            }
            async fn lookup(&self, user: &UserId, guid: Guid) -> Result<Snapshot, StoreError> {
                self.state.lookups.fetch_add(1, Ordering::SeqCst);
                self.up()?;
                let mut found = self.store.lookup(user, guid).await?;
                if self.state.absent.lock().unwrap().contains(&guid) {
                    found.row = None;
                }
                Ok(found)
            }
            async fn rotate(&self, rotation: &Rotation) -> Result<Swap, StoreError> {
                self.up()?;
                self.broken_rotation(rotation).await
            }
            async fn poll(&self, after: Option<u64>, limit: usize) -> Result<Polled, StoreError> {
                self.state.polls.fetch_add(1, Ordering::SeqCst);
                let held = self.state.polls_held.lock().unwrap().clone();
                if let Some(held) = held {
                    drop(held.acquire().await);
                }
                self.up()?;
                let polled = self.store.poll(after, limit).await?;
                let delay = *self.state.delay.lock().unwrap();
                tokio::time::sleep(delay).await;
                let mut forge = self.state.forge.lock().unwrap();
                Ok(match forge.as_mut() {
                    Some(forge) => forge(polled),
                    None => polled,
                })
            }
            fn woken(&self) -> impl Future<Output = ()> + Send {
                let panics = self.state.panics.swap(false, Ordering::SeqCst);
                assert!(!panics, "the test has it panic");
                self.store.woken()
            }
            async fn end(&self, ending: &Ending) -> Result<Ended, StoreError> {
                self.up()?;
                let ended = self.store.end(ending).await;
                self.state.ended.fetch_add(1, Ordering::SeqCst);
                ended
            }
            async fn lease(&self) -> Result<Lease, StoreError> {
                self.state.leases.fetch_add(1, Ordering::SeqCst);
                let ended = self.state.ended.load(Ordering::SeqCst);
                self.state.ended_when_read.store(ended, Ordering::SeqCst);
                self.up()?;
                self.store.lease().await
            }
            $(async fn $verb(&self, $($arg: $type),*) -> Result<$answer, StoreError> {
                self.up()?;
                self.store.$verb($($arg),*).await
            })*
        }
    };
}

forwarded! {
    ping() -> ();
    epochs(user: Option<&UserId>) -> TicketEpochs;
    insert(login: &NewSession) -> Inserted;
    remint(remint: &Remint) -> Swap;
    touch(touches: &[Touch]) -> Vec<RefTokId>;
    relabel(user: &UserId, guid: Guid, label: Option<&Label>) -> Option<SessionRow>;
    devices(user: &UserId) -> DeviceRows;
    end_everyone(reason: EndReason, by: &By) -> ();
    announce_changed(user: &UserId, by: &By) -> ();
    journal(after: u64, limit: usize) -> JournalPage;
    raise_lease(to: Duration) -> Lease;
    lower_given(to: Duration) -> Lease;
    lower_waited(seen: Lease) -> bool;
    history(user: &UserId, limit: usize) -> Vec<JournalEntry>;
    sweep(limit: usize) -> Swept;
}
