//! Broken twins: for each law at least one store with one verb broken on purpose, which the law
//! must convict by its own finding. A law that lets its twin go proves nothing.
//!
//! A twin is a [`Twin`]: verbs that it does not break forward to a good store. Races are forced by
//! a [`gap`] between the halves of what should have been one step, not left to luck.

mod ending;
mod journal;
mod lease;
mod login;
mod reading;
mod swapping;
mod sweeping;
mod whole;

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libtest_mimic::Trial;
use logout_all::{
    By, Clock, EndReason, Ended, Guid, JournalEntry, Label, MemoryStore, RefTokId, SessionRow,
    SessionStore, Snapshot, StoreError, UserData, UserId, UserState,
    store::{
        DeviceRows, Ending, Inserted, JournalOrder, JournalPage, Lease, NewSession, Polled, Remint,
        Rotation, StoreInfo, Swap, Swept, TicketEpochs, Touch,
    },
};

use super::{
    factory::{FactoryError, Fresh, Standing, StoreFactory},
    trials::{Law, convicts, holds},
};
use crate::report::Planned;

pub(super) use ending::*;
pub(super) use journal::*;
pub(super) use lease::*;
pub(super) use login::*;
pub(super) use reading::*;
pub(super) use swapping::*;
pub(super) use sweeping::*;
pub(super) use whole::*;

/// The trial in which `law` has to convict the twin `T`.
pub(super) fn convicted<T: Twin>(law_name: &str, twin: &str, law: Law) -> Trial {
    convicts(Breaking::<T>::default(), format!("{}::{law_name}::{twin}", T::NAME), law)
}

/// The trial in which `law` has to hold over what lies under the twins, with nothing broken: so
/// what a law convicts in a twin is the broken verb. None for the law about stores without users.
pub(super) fn acquitted(law_name: &str, law: Law) -> Option<Planned> {
    let with_users = law_name != "l32_without_users_nobody_is_asked";
    with_users.then(|| holds(&Arc::new(Breaking::<Nothing>::default()), law_name, law))
}

/// Breaks nothing, and joins a users table.
#[derive(Default)]
struct Nothing;

impl Twin for Nothing {
    const NAME: &str = "unbroken";
    const JOINS: Joins = Joins::Yes;

    async fn lookup(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
    ) -> Result<Snapshot, StoreError> {
        let state = under.standing(user).unwrap_or(UserState::Inactive);
        Ok(Snapshot { user: state, ..under.lookup(user, guid).await? })
    }
}

/// What lies under a twin: a good memory store, and what a bad store has beside it: rows that were
/// *saved*, past every rule. Two handles share all of it.
pub(super) struct Under {
    shared: Arc<Shared>,
    /// Which handle it is: 0 or 1.
    pub(super) handle: usize,
}

struct Shared {
    store: MemoryStore,
    clock: Clock,
    saved: Mutex<HashMap<(UserId, Guid), SessionRow>>,
    known: Mutex<BTreeSet<(UserId, Guid)>>,
    users: Mutex<HashMap<UserId, Standing>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Time between the halves of what should have been one step.
async fn gap() {
    tokio::time::sleep(Duration::from_millis(3)).await;
}

impl Under {
    fn good(&self) -> &MemoryStore {
        &self.shared.store
    }

    fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// What no port may have: the row is as given from now on, whatever was there, or was not.
    fn save(&self, row: SessionRow) {
        lock(&self.shared.saved).insert((row.user.clone(), row.guid), row);
    }

    /// The live row, as the first half of load and save.
    async fn load(&self, user: &UserId, guid: Guid) -> Result<Option<SessionRow>, StoreError> {
        let found = self.lookup(user, guid).await?;
        Ok(found.row.filter(|row| row.is_live(found.epochs, found.now)))
    }

    /// Every session that was ever stored.
    fn known(&self) -> Vec<(UserId, Guid)> {
        lock(&self.shared.known).iter().cloned().collect()
    }

    /// Rows that are there and dead.
    async fn dead(&self) -> Result<Vec<SessionRow>, StoreError> {
        let mut dead = Vec::new();
        for (user, guid) in self.known() {
            let found = self.lookup(&user, guid).await?;
            dead.extend(found.row.filter(|row| !row.is_live(found.epochs, found.now)));
        }
        Ok(dead)
    }

    fn standing(&self, user: &UserId) -> Option<UserState> {
        match lock(&self.shared.users).get(user)? {
            Standing::Active { name } => UserData::from_value(&HashMap::from([("name", name)]))
                .ok()
                .map(|data| UserState::Active(Some(data))),
            _ => None,
        }
    }

    /// What [`SessionStore::end`] does to saved rows.
    fn end_saved(&self, ending: &Ending, was: TicketEpochs, is: TicketEpochs) {
        let mut saved = lock(&self.shared.saved);
        let takes = |row: &SessionRow| {
            row.user == ending.user
                && ending.scope.takes(row.guid, row.created_at, row.token_issued_at)
        };
        saved.retain(|_, row| !takes(row));
        let mine = saved.values_mut().filter(|row| row.user == ending.user);
        mine.filter(|row| row.is_live(was.epochs, was.now)).for_each(|row| {
            row.epoch = is.epochs.user;
        });
    }
}

impl SessionStore for Under {
    fn info(&self) -> StoreInfo {
        self.good().info()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.good().ping().await
    }
    async fn epochs(&self, user: Option<&UserId>) -> Result<TicketEpochs, StoreError> {
        self.good().epochs(user).await
    }
    async fn insert(&self, login: &NewSession) -> Result<Inserted, StoreError> {
        lock(&self.shared.known).insert((login.user.clone(), login.guid));
        self.good().insert(login).await
    }
    async fn lookup(&self, user: &UserId, guid: Guid) -> Result<Snapshot, StoreError> {
        let mut snapshot = self.good().lookup(user, guid).await?;
        if let Some(row) = lock(&self.shared.saved).get(&(user.clone(), guid)) {
            snapshot.row = Some(row.clone());
        }
        Ok(snapshot)
    }
    async fn rotate(&self, rotation: &Rotation) -> Result<Swap, StoreError> {
        self.good().rotate(rotation).await
    }
    async fn remint(&self, remint: &Remint) -> Result<Swap, StoreError> {
        self.good().remint(remint).await
    }
    async fn touch(&self, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        self.good().touch(touches).await
    }
    async fn relabel(
        &self,
        user: &UserId,
        guid: Guid,
        label: Option<&Label>,
    ) -> Result<Option<SessionRow>, StoreError> {
        self.good().relabel(user, guid, label).await
    }
    async fn devices(&self, user: &UserId) -> Result<DeviceRows, StoreError> {
        let mut devices = self.good().devices(user).await?;
        let epochs = self.good().epochs(Some(user)).await?.epochs;
        let saved = lock(&self.shared.saved);
        devices.rows.retain(|row| !saved.contains_key(&(user.clone(), row.guid)));
        let mine = saved.values().filter(|row| row.user == *user);
        devices.rows.extend(mine.filter(|row| row.is_live(epochs, devices.now)).cloned());
        devices.rows.sort_by_key(|row| std::cmp::Reverse(row.last_seen_at));
        Ok(devices)
    }
    async fn end(&self, ending: &Ending) -> Result<Ended, StoreError> {
        let was = self.good().epochs(Some(&ending.user)).await?;
        let ended = self.good().end(ending).await?;
        let is = self.good().epochs(Some(&ending.user)).await?;
        self.end_saved(ending, was, is);
        Ok(ended)
    }
    async fn end_everyone(&self, reason: EndReason, by: &By) -> Result<(), StoreError> {
        self.good().end_everyone(reason, by).await
    }
    async fn announce_changed(&self, user: &UserId, by: &By) -> Result<(), StoreError> {
        self.good().announce_changed(user, by).await
    }
    async fn lease(&self) -> Result<Lease, StoreError> {
        self.good().lease().await
    }
    async fn journal(&self, after: u64, limit: usize) -> Result<JournalPage, StoreError> {
        self.good().journal(after, limit).await
    }
    async fn poll(&self, after: Option<u64>, limit: usize) -> Result<Polled, StoreError> {
        self.good().poll(after, limit).await
    }
    async fn raise_lease(&self, to: Duration) -> Result<Lease, StoreError> {
        self.good().raise_lease(to).await
    }
    async fn lower_given(&self, to: Duration) -> Result<Lease, StoreError> {
        self.good().lower_given(to).await
    }
    async fn lower_waited(&self, seen: Lease) -> Result<bool, StoreError> {
        self.good().lower_waited(seen).await
    }
    async fn history(&self, user: &UserId, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        self.good().history(user, limit).await
    }
    async fn sweep(&self, limit: usize) -> Result<Swept, StoreError> {
        self.good().sweep(limit).await
    }
}

macro_rules! twin {
    ($($verb:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        /// A store with one thing wrong: the verbs that it overrides.
        pub(super) trait Twin: Default + Send + Sync + 'static {
            /// The first part of its trials' names.
            const NAME: &str = "broken";
            /// Whether it joins a users table.
            const JOINS: Joins = Joins::No;
            /// What its factory declares.
            const ORDER: JournalOrder = JournalOrder::Common;

            fn info(&self, under: &Under) -> StoreInfo {
                under.info()
            }
            fn journal_order(&self) -> JournalOrder {
                Self::ORDER
            }
            $(fn $verb(&self, under: &Under, $($name: $type),*)
                -> impl Future<Output = Result<$answer, StoreError>> + Send
            {
                under.$verb($($name),*)
            })*
        }

        impl<T: Twin> SessionStore for Broken<T> {
            fn info(&self) -> StoreInfo {
                self.twin.info(&self.under)
            }
            fn journal_order(&self) -> JournalOrder {
                self.twin.journal_order()
            }
            $(async fn $verb(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                self.twin.$verb(&self.under, $($name),*).await
            })*
        }
    };
}

twin! {
    ping() -> ();
    epochs(user: Option<&UserId>) -> TicketEpochs;
    insert(login: &NewSession) -> Inserted;
    lookup(user: &UserId, guid: Guid) -> Snapshot;
    rotate(rotation: &Rotation) -> Swap;
    remint(remint: &Remint) -> Swap;
    touch(touches: &[Touch]) -> Vec<RefTokId>;
    relabel(user: &UserId, guid: Guid, label: Option<&Label>) -> Option<SessionRow>;
    devices(user: &UserId) -> DeviceRows;
    end(ending: &Ending) -> Ended;
    end_everyone(reason: EndReason, by: &By) -> ();
    announce_changed(user: &UserId, by: &By) -> ();
    lease() -> Lease;
    journal(after: u64, limit: usize) -> JournalPage;
    poll(after: Option<u64>, limit: usize) -> Polled;
    raise_lease(to: Duration) -> Lease;
    lower_given(to: Duration) -> Lease;
    lower_waited(seen: Lease) -> bool;
    history(user: &UserId, limit: usize) -> Vec<JournalEntry>;
    sweep(limit: usize) -> Swept;
}

/// Whether a twin joins a users table.
#[derive(PartialEq, Eq)]
pub(super) enum Joins {
    Yes,
    No,
}

/// One handle on a twin.
pub(super) struct Broken<T> {
    under: Under,
    twin: Arc<T>,
}

/// Makes twins.
struct Breaking<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Default for Breaking<T> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T: Twin> StoreFactory for Breaking<T> {
    type Store = Broken<T>;

    fn name(&self) -> String {
        T::NAME.to_owned()
    }

    fn journal_order(&self) -> JournalOrder {
        T::ORDER
    }

    async fn fresh(&self) -> Result<Fresh<Broken<T>>, FactoryError> {
        let clock = Clock::system();
        let shared = Arc::new(Shared {
            store: MemoryStore::with_clock(clock.clone()),
            clock: clock.clone(),
            saved: Mutex::default(),
            known: Mutex::default(),
            users: Mutex::default(),
        });
        let twin = Arc::new(T::default());
        let handle = |handle| Broken {
            under: Under { shared: Arc::clone(&shared), handle },
            twin: Arc::clone(&twin),
        };
        let fresh = Fresh::new(handle(0), clock).second(handle(1));
        if T::JOINS == Joins::No {
            return Ok(fresh);
        }
        Ok(fresh.users(move |user, standing| {
            lock(&shared.users).insert(user, standing);
            std::future::ready(Ok(()))
        }))
    }
}
