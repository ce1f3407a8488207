//! The store: each verb of the port over the line that is for it.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use logout_all::{
    By, EndReason, Ended, Guid, JournalEntry, Label, RefTokId, SessionRow, SessionStore, Snapshot,
    StoreError, StoreErrorKind, UserId, UserState,
    store::{
        DeviceRows, Ending, Inserted, JournalOrder, JournalPage, Lease, Lookups, NewSession,
        Polled, Remint, Rotation, StoreInfo, Swap, Swept, TicketEpochs, Touch, Wakes,
    },
};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    RedisStoreBuilder, end,
    fault::Fault,
    journal,
    keys::{Layout, Whose},
    lease::{Change, Done},
    line::Line,
    login, renew,
    script::{self, Call},
    shared::{Shared, Which},
    sweep,
    touch::touch,
    wait::Replicas,
    wire::Held,
};

/// How long a whole verb takes at most, whatever the network does; and a poll, for which the next one
/// makes up.
pub(crate) const VERB_WAIT: Duration = Duration::from_secs(4);
const POLL_WAIT: Duration = Duration::from_millis(1500);

/// Sessions in Redis. Cheap to clone; clones share the connections, which close when the last of
/// them is dropped and what they were doing is done.
///
/// ```no_run
/// # async fn start() -> Result<(), logout_all::StoreError> {
/// use logout_all::SessionStore;
/// use logout_all_redis::RedisStore;
///
/// let store = RedisStore::builder("rediss://app@redis.example").connect().await?;
/// store.ping().await?;
/// assert_eq!(store.info().name, "redis");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) runtime: Handle,
    /// On one server: what verifications ask, together. Over the line of the lookups.
    pub(crate) together: Option<Lookups>,
    pub(crate) lookups: Line,
    pub(crate) writes: Line,
    pub(crate) endings: Line,
    pub(crate) polls: Line,
    /// On one server.
    pub(crate) wakes: Option<Wakes>,
    pub(crate) replicas: Option<Replicas>,
    pub(crate) version: String,
}

impl RedisStore {
    /// Settings for a store on that server: `rediss://USER:PASSWORD@HOST:PORT/NUMBER`, or `redis://`
    /// for one on this machine. Nothing is opened yet.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url.into())
    }

    /// Runs a verb in a task of its own on the store's runtime, so that a handler that is dropped
    /// half way, or a worker's runtime that stops, cuts nothing in half.
    async fn run<T, F>(&self, verb: impl FnOnce(Arc<Inner>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        self.run_within(VERB_WAIT, verb).await
    }

    async fn run_within<T, F>(
        &self,
        wait: Duration,
        verb: impl FnOnce(Arc<Inner>) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let verb = verb(Arc::clone(&self.inner));
        let task = self.inner.runtime.spawn(async move {
            let Ok(answer) = timeout(wait, verb).await else {
                let message = format!(
                    "Redis did not answer within {wait:?}; what was under way takes place wholly \
                     or not at all, and may be repeated"
                );
                return Err(StoreError::new(StoreErrorKind::TimedOut, message));
            };
            answer.map_err(Fault::told)
        });
        task.await.unwrap_or_else(|error| {
            let message = "the task of a Redis operation was stopped";
            Err(StoreError::new(StoreErrorKind::Stopped, message).with_cause(error))
        })
    }

    async fn change_lease(&self, change: Change) -> Result<(Lease, Done), StoreError> {
        self.run(move |store| async move {
            let (lease, done, held) = store.shared.change_lease(&store.endings, change).await?;
            store.replicated(&held, Whose::Store).await?;
            Ok((lease, done))
        })
        .await
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("shared", &self.inner.shared).finish_non_exhaustive()
    }
}

impl SessionStore for RedisStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            name: "redis",
            version: self.inner.version.clone(),
            connections: match self.inner.shared.keys.layout {
                Layout::Server => {
                    "3, multiplexed: for lookups, for writes, for endings; where the journal is \
                     followed also one for polls and one for wake-ups"
                }
                Layout::Cluster => {
                    "3 to each node, multiplexed: for lookups, for writes, for endings"
                }
            }
            .to_owned(),
        }
    }

    fn journal_order(&self) -> JournalOrder {
        match self.inner.shared.keys.layout {
            Layout::Server => JournalOrder::Common,
            Layout::Cluster => JournalOrder::PerUser,
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let verb = async |store: Arc<Inner>| {
            store.shared.read(&store.lookups, Whose::Store, Which::Epochs).await.map(drop)
        };
        self.run(verb).await
    }

    async fn epochs(&self, user: Option<&UserId>) -> Result<TicketEpochs, StoreError> {
        let user = user.cloned();
        self.run(|store| async move {
            let whose = user.as_ref().map_or(Whose::Nobody, Whose::User);
            let view = store.shared.read(&store.lookups, whose, Which::Epochs).await?;
            Ok(TicketEpochs { epochs: view.epochs, now: view.now })
        })
        .await
    }

    async fn insert(&self, login: &NewSession) -> Result<Inserted, StoreError> {
        let login = login.clone();
        self.run(|store| async move {
            let decide = |view: &_| login::insert(view, &login);
            store.shared.change(&store.writes, Whose::User(&login.user), Which::All, decide).await
        })
        .await
    }

    async fn lookup(&self, user: &UserId, guid: Guid) -> Result<Snapshot, StoreError> {
        if let Some(together) = &self.inner.together {
            return together.lookup(user, guid).await;
        }
        let user = user.clone();
        self.run(move |store| async move {
            let view =
                store.shared.read(&store.lookups, Whose::User(&user), Which::One(guid)).await?;
            let (now, epochs) = (view.now, view.epochs);
            Ok(Snapshot { now, epochs, row: view.row()?, user: UserState::NotAsked })
        })
        .await
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<Swap, StoreError> {
        let rotation = rotation.clone();
        self.run(|store| async move {
            let (whose, which) = (Whose::User(&rotation.user), Which::One(rotation.guid));
            let decide = |view: &_| renew::rotate(view, &rotation);
            store.shared.change(&store.writes, whose, which, decide).await
        })
        .await
    }

    async fn remint(&self, remint: &Remint) -> Result<Swap, StoreError> {
        let remint = remint.clone();
        self.run(|store| async move {
            let (whose, which) = (Whose::User(&remint.user), Which::One(remint.guid));
            let decide = |view: &_| renew::remint(view, &remint);
            store.shared.change(&store.writes, whose, which, decide).await
        })
        .await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        let touches = touches.to_vec();
        self.run(|store| touch(store, touches)).await?;
        // No lock is held between two scripts.
        Ok(Vec::new())
    }

    async fn relabel(
        &self,
        user: &UserId,
        guid: Guid,
        label: Option<&Label>,
    ) -> Result<Option<SessionRow>, StoreError> {
        let (user, label) = (user.clone(), label.cloned());
        self.run(move |store| async move {
            let decide = |view: &_| renew::relabel(view, label.as_ref());
            let (whose, which) = (Whose::User(&user), Which::One(guid));
            store.shared.change(&store.writes, whose, which, decide).await
        })
        .await
    }

    async fn devices(&self, user: &UserId) -> Result<DeviceRows, StoreError> {
        let user = user.clone();
        self.run(|store| async move {
            let view = store.shared.read(&store.lookups, Whose::User(&user), Which::All).await?;
            let mut rows: Vec<SessionRow> = view.live().cloned().collect();
            rows.sort_by_key(|row| (row.last_seen_at, row.created_at, row.guid));
            rows.reverse();
            Ok(DeviceRows { now: view.now, rows })
        })
        .await
    }

    async fn end(&self, ending: &Ending) -> Result<Ended, StoreError> {
        use logout_all::store::Scope;
        let ending = ending.clone();
        self.run(|store| async move {
            let which = match ending.scope {
                Scope::Device(guid) => Which::One(guid),
                _ => Which::All,
            };
            let decide = |view: &_| end::end(view, &ending);
            let (line, whose) = (&store.endings, Whose::User(&ending.user));
            let (ended, held) = store.shared.change_held(line, whose, which, decide).await?;
            store.replicated(&held, whose).await?;
            Ok(ended)
        })
        .await
    }

    async fn end_everyone(&self, reason: EndReason, by: &By) -> Result<(), StoreError> {
        let by = by.clone();
        self.run(move |store| async move {
            let decide = |view: &_| end::end_everyone(view, reason, &by);
            let ((), held) = store
                .shared
                .change_held(&store.endings, Whose::Store, Which::Epochs, decide)
                .await?;
            store.replicated(&held, Whose::Store).await
        })
        .await
    }

    async fn announce_changed(&self, user: &UserId, by: &By) -> Result<(), StoreError> {
        let (user, by) = (user.clone(), by.clone());
        self.run(|store| async move {
            let decide = |_: &_| end::announce_changed(&by);
            let whose = Whose::User(&user);
            let ((), held) =
                store.shared.change_held(&store.endings, whose, Which::Epochs, decide).await?;
            store.replicated(&held, whose).await
        })
        .await
    }

    async fn lease(&self) -> Result<Lease, StoreError> {
        self.run(|store| async move { store.shared.lease(&store.lookups).await }).await
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<JournalPage, StoreError> {
        self.run(move |store| async move {
            journal::page(&store.shared, &store.lookups, after, limit).await
        })
        .await
    }

    async fn poll(&self, after: Option<u64>, limit: usize) -> Result<Polled, StoreError> {
        self.run_within(POLL_WAIT, move |store| async move {
            journal::poll(&store.shared, &store.polls, after, limit).await
        })
        .await
    }

    async fn raise_lease(&self, to: Duration) -> Result<Lease, StoreError> {
        self.change_lease(Change::Raise(to)).await.map(|(lease, _)| lease)
    }

    async fn lower_given(&self, to: Duration) -> Result<Lease, StoreError> {
        self.change_lease(Change::LowerGiven(to)).await.map(|(lease, _)| lease)
    }

    async fn lower_waited(&self, seen: Lease) -> Result<bool, StoreError> {
        self.change_lease(Change::LowerWaited(seen)).await.map(|(_, done)| done == Done::Yes)
    }

    fn woken(&self) -> impl Future<Output = ()> + Send {
        let next = self.inner.wakes.as_ref().map(Wakes::next);
        async move {
            match next {
                Some(next) => next.await,
                None => std::future::pending().await,
            }
        }
    }

    async fn history(&self, user: &UserId, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        let user = user.clone();
        self.run(move |store| async move {
            journal::history(&store.shared, &store.lookups, &user, limit).await
        })
        .await
    }

    async fn sweep(&self, limit: usize) -> Result<Swept, StoreError> {
        self.run(
            move |store| async move { sweep::sweep(&store.shared, &store.writes, limit).await },
        )
        .await
    }
}

impl Inner {
    async fn replicated(&self, held: &Held, whose: Whose<'_>) -> Result<(), Fault> {
        let Some(replicas) = &self.replicas else { return Ok(()) };
        let given = self.shared.keys.of(whose);
        let mark = Call::new(&script::MARK, &[&given.mark, &given.nothing]);
        replicas.acknowledged(held, &mark).await
    }
}
