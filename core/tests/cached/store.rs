//! The memory store behind a door: what is asked is counted, and polls can be held, failed and
//! answered with something else.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use logout_all::{
    By, EndReason, Ended, Guid, JournalEntry, Label, MemoryStore, SessionRow, SessionStore,
    Snapshot, StoreError, StoreErrorKind, UserId,
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
    /// Nothing is answered.
    down: AtomicBool,
    per_user: AtomicBool,
    /// Polls wait here before they are sent, while there is one.
    polls_held: Mutex<Option<Arc<Semaphore>>>,
    /// How long an answer to a poll is on its way.
    delay: Mutex<Duration>,
    forge: Mutex<Option<Forge>>,
}

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
                self.store.lookup(user, guid).await
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
                self.store.woken()
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
    rotate(rotation: &Rotation) -> Swap;
    remint(remint: &Remint) -> Swap;
    touch(touches: &[Touch]) -> ();
    relabel(user: &UserId, guid: Guid, label: Option<&Label>) -> Option<SessionRow>;
    devices(user: &UserId) -> DeviceRows;
    end(ending: &Ending) -> Ended;
    end_everyone(reason: EndReason, by: &By) -> ();
    announce_changed(user: &UserId, by: &By) -> ();
    lease() -> Lease;
    journal(after: u64, limit: usize) -> JournalPage;
    raise_lease(to: Duration) -> Lease;
    lower_given(to: Duration) -> Lease;
    lower_waited(seen: Lease) -> bool;
    history(user: &UserId, limit: usize) -> Vec<JournalEntry>;
    sweep(limit: usize) -> Swept;
}
