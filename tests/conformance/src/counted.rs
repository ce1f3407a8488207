//! A store in a store: it forwards every verb, counts them, and fails or holds those that it is
//! told to. For cases about what a request costs, about outages, and about races.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use logout_all::{
    By, EndReason, Ended, Guid, JournalEntry, RefTokId, SessionRow, SessionStore, Snapshot,
    StoreError, StoreErrorKind, UserId,
    scheme::Label,
    store::{
        DeviceRows, Ending, Inserted, JournalOrder, JournalPage, Lease, NewSession, Polled, Remint,
        Rotation, StoreInfo, Swap, Swept, TicketEpochs, Touch,
    },
};
use tokio::sync::Semaphore;

/// A store whose accesses are counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    store: S,
    accesses: Accesses,
}

/// What is known of the accesses, and what shall become of them. Clones are one.
#[derive(Clone, Default)]
pub struct Accesses {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    counts: [AtomicU64; VERBS],
    orders: Mutex<Orders>,
}

#[derive(Default)]
struct Orders {
    /// Which verbs fail.
    failing: Option<Failing>,
    /// Which verb waits, and where.
    held: Option<(Verb, Arc<Gate>)>,
}

/// Which verbs fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// Every one: the store cannot be reached.
    All,
    /// This one.
    Only(Verb),
}

struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

/// Calls of one verb that wait. Let through by [`release`](Held::release), or when this is
/// dropped.
#[must_use = "when this is dropped the calls go on"]
pub struct Held {
    gate: Arc<Gate>,
    accesses: Accesses,
}

macro_rules! verbs {
    ($($verb:ident $name:ident;)*) => {
        /// The verbs of the port.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Verb {
            $(#[doc = concat!("`", stringify!($name), "`")] $verb,)*
        }

        const VERBS: usize = [$(Verb::$verb),*].len();
    };
}

verbs! {
    Ping ping;
    Epochs epochs;
    Insert insert;
    Lookup lookup;
    Rotate rotate;
    Remint remint;
    Touch touch;
    Relabel relabel;
    Devices devices;
    End end;
    EndEveryone end_everyone;
    AnnounceChanged announce_changed;
    Lease lease;
    Journal journal;
    Poll poll;
    RaiseLease raise_lease;
    LowerGiven lower_given;
    LowerWaited lower_waited;
    History history;
    Sweep sweep;
}

impl Accesses {
    /// How often that verb was asked for, also where it failed.
    pub fn of(&self, verb: Verb) -> u64 {
        self.inner.counts[verb as usize].load(Ordering::SeqCst)
    }

    /// How often the store was asked for anything, but for what tasks do beside the requests:
    /// `touch` writes down what an earlier request was, `poll` and `raise_lease` belong to cached mode,
    /// and `sweep` and `ping` to nobody.
    pub fn of_requests(&self) -> u64 {
        let beside = [Verb::Touch, Verb::Poll, Verb::RaiseLease, Verb::Sweep, Verb::Ping];
        let is_asked = |at: usize| !beside.iter().any(|verb| *verb as usize == at);
        // Each of them is read once: a task may ask while they are added up.
        let counts = self.inner.counts.iter().enumerate().filter(|(at, _)| is_asked(*at));
        counts.map(|(_, count)| count.load(Ordering::SeqCst)).sum()
    }

    /// From now on these verbs fail as a store does that cannot be reached.
    pub fn fail(&self, failing: Failing) {
        self.orders().failing = Some(failing);
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.orders().failing = None;
    }

    /// Calls of that verb wait from now on, before they reach the store.
    pub fn hold(&self, verb: Verb) -> Held {
        let gate = Arc::new(Gate { arrived: Semaphore::new(0), open: Semaphore::new(0) });
        self.orders().held = Some((verb, gate.clone()));
        Held { gate, accesses: self.clone() }
    }

    fn orders(&self) -> std::sync::MutexGuard<'_, Orders> {
        self.inner.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self, verb: Verb) -> Result<(), StoreError> {
        self.inner.counts[verb as usize].fetch_add(1, Ordering::SeqCst);
        let gate = self.orders().held.as_ref().filter(|(held, _)| *held == verb).cloned();
        if let Some((_, gate)) = gate {
            gate.arrived.add_permits(1);
            // A closed semaphore would let the call through as well.
            let _ = gate.open.acquire().await;
        }
        let failing = self.orders().failing;
        match failing {
            Some(Failing::All) => Err(outage()),
            Some(Failing::Only(one)) if one == verb => Err(outage()),
            _ => Ok(()),
        }
    }
}

fn outage() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the suite has taken the store away")
}

impl Held {
    /// Waits until one call (more than before) waits here.
    pub async fn reached(&self) {
        if let Ok(permit) = self.gate.arrived.acquire().await {
            permit.forget();
        }
    }

    /// Lets them through.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut orders = self.accesses.orders();
        if orders.held.as_ref().is_some_and(|(_, gate)| Arc::ptr_eq(gate, &self.gate)) {
            orders.held = None;
        }
        drop(orders);
        self.gate.open.add_permits(1 << 20);
    }
}

impl<S: SessionStore> Counted<S> {
    /// Counts the accesses of that store into `accesses`.
    pub fn new(store: S, accesses: Accesses) -> Self {
        Self { store, accesses }
    }
}

macro_rules! forwarded {
    ($($verb:ident $name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl<S: SessionStore> SessionStore for Counted<S> {
            fn info(&self) -> StoreInfo {
                self.store.info()
            }
            fn journal_order(&self) -> JournalOrder {
                self.store.journal_order()
            }
            fn woken(&self) -> impl Future<Output = ()> + Send {
                self.store.woken()
            }
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer, StoreError> {
                self.accesses.pass(Verb::$verb).await?;
                self.store.$name($($arg),*).await
            })*
        }
    };
}

forwarded! {
    Ping ping() -> ();
    Epochs epochs(user: Option<&UserId>) -> TicketEpochs;
    Insert insert(login: &NewSession) -> Inserted;
    Lookup lookup(user: &UserId, guid: Guid) -> Snapshot;
    Rotate rotate(rotation: &Rotation) -> Swap;
    Remint remint(remint: &Remint) -> Swap;
    Touch touch(touches: &[Touch]) -> Vec<RefTokId>;
    Relabel relabel(user: &UserId, guid: Guid, label: Option<&Label>) -> Option<SessionRow>;
    Devices devices(user: &UserId) -> DeviceRows;
    End end(ending: &Ending) -> Ended;
    EndEveryone end_everyone(reason: EndReason, by: &By) -> ();
    AnnounceChanged announce_changed(user: &UserId, by: &By) -> ();
    Lease lease() -> Lease;
    Journal journal(after: u64, limit: usize) -> JournalPage;
    Poll poll(after: Option<u64>, limit: usize) -> Polled;
    RaiseLease raise_lease(to: Duration) -> Lease;
    LowerGiven lower_given(to: Duration) -> Lease;
    LowerWaited lower_waited(seen: Lease) -> bool;
    History history(user: &UserId, limit: usize) -> Vec<JournalEntry>;
    Sweep sweep(limit: usize) -> Swept;
}

impl fmt::Debug for Accesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accesses").field("of_requests", &self.of_requests()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}
