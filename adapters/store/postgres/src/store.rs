//! The store: each verb of the port is one piece of work for a lane.

use std::{fmt, sync::Arc, time::Duration};

use logout_all::{
    By, EndReason, Ended, Guid, JournalEntry, Label, RefTokId, SessionRow, SessionStore, Snapshot,
    StoreError, UserId,
    store::{
        DeviceRows, Ending, Inserted, JournalPage, Lease, Lookups, NewSession, Polled, Remint,
        Rotation, StoreInfo, Swap, Swept, TicketEpochs, Touch, Wakes,
    },
};
use uuid::Uuid;

use crate::{
    PostgresStoreBuilder, Server, coalesce,
    db::Schema,
    end, journal,
    lane::{Lane, Repeat, Shared},
    lease, login, lookup, renew,
    sweep::{self, Reached},
    touch,
    turns::Turns,
};

/// Sessions in PostgreSQL. Cheap to clone; clones share the connections, which close when the last
/// of them is dropped and what they were doing is done.
///
/// ```no_run
/// # async fn start() -> Result<(), logout_all::StoreError> {
/// use logout_all::SessionStore;
/// use logout_all_postgres::PostgresStore;
///
/// let builder = PostgresStore::builder("postgres://app@db.example/app");
/// builder.migrate().await?;
/// let store = builder.connect().await?;
/// store.ping().await?;
/// assert_eq!(store.info().name, "postgres");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lookups: Arc<Lookups>,
    pub(crate) reads: Lane,
    pub(crate) polls: Lane,
    pub(crate) wakes: Arc<Wakes>,
    pub(crate) writes: Lane,
    pub(crate) endings: Lane,
    pub(crate) turns: Turns,
    pub(crate) swept: Arc<Reached>,
    pub(crate) home: Arc<Home>,
}

/// Where the sessions are.
pub(crate) struct Home {
    pub(crate) schema: Schema,
    /// The same in no other database: compared with what the application's transaction sees.
    pub(crate) store_id: Uuid,
    pub(crate) version: String,
}

impl PostgresStore {
    /// Settings for a store on that server: a URL, or the driver's configuration. Nothing is
    /// opened yet.
    ///
    /// TLS: `sslmode=disable` is plain. `require`, `verify-ca` and `verify-full` all verify the
    /// certificate and its name, and so does `prefer`, the default, but for this machine
    /// (`localhost`, a loopback address, a Unix socket), where it is plain. There is no TLS without
    /// verification.
    pub fn builder(server: impl Into<Server>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(server.into())
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PostgresStore");
        shown.field("schema", &self.home.schema.quoted()).finish_non_exhaustive()
    }
}

impl SessionStore for PostgresStore {
    fn info(&self) -> StoreInfo {
        let lookups = coalesce::CONNECTIONS;
        let (reads, polls) = (self.reads.connections(), self.polls.connections());
        let (writes, endings) = (self.writes.connections(), self.endings.connections());
        StoreInfo {
            name: "postgres",
            version: self.home.version.clone(),
            connections: format!(
                "at most {} ({lookups} for lookups, {reads} for other reads, {writes} for writes, \
                 {endings} for endings; where the journal is followed also {polls} for polls and 1 \
                 for wake-ups)",
                lookups + reads + writes + endings
            ),
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reads.run(&self.shared, Repeat::Always, (), lease::lease).await.map(drop)
    }

    async fn epochs(&self, user: Option<&UserId>) -> Result<TicketEpochs, StoreError> {
        self.reads.run(&self.shared, Repeat::Always, (user.cloned(),), lookup::epochs).await
    }

    async fn insert(&self, login: &NewSession) -> Result<Inserted, StoreError> {
        let once = Repeat::IfNothingHappened;
        self.writes.run(&self.shared, once, login.clone(), login::insert).await
    }

    async fn lookup(&self, user: &UserId, guid: Guid) -> Result<Snapshot, StoreError> {
        self.lookups.lookup(user, guid).await
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<Swap, StoreError> {
        let once = Repeat::IfNothingHappened;
        self.writes.run(&self.shared, once, rotation.clone(), renew::rotate).await
    }

    async fn remint(&self, remint: &Remint) -> Result<Swap, StoreError> {
        self.writes.run(&self.shared, Repeat::Always, remint.clone(), renew::remint).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        if touches.is_empty() {
            return Ok(Vec::new());
        }
        self.writes.run(&self.shared, Repeat::Always, (touches.to_vec(),), touch::touch).await
    }

    async fn relabel(
        &self,
        user: &UserId,
        guid: Guid,
        label: Option<&Label>,
    ) -> Result<Option<SessionRow>, StoreError> {
        let asked = (user.clone(), guid, label.cloned());
        self.writes.run(&self.shared, Repeat::Always, asked, renew::relabel).await
    }

    async fn devices(&self, user: &UserId) -> Result<DeviceRows, StoreError> {
        self.reads.run(&self.shared, Repeat::Always, user.clone(), lookup::devices).await
    }

    async fn end(&self, ending: &Ending) -> Result<Ended, StoreError> {
        let _turn = self.turns.take(&ending.user).await?;
        let once = Repeat::IfNothingHappened;
        self.endings.run(&self.shared, once, ending.clone(), end::end).await
    }

    async fn end_everyone(&self, reason: EndReason, by: &By) -> Result<(), StoreError> {
        let (once, why) = (Repeat::IfNothingHappened, (reason, by.clone()));
        self.endings.run(&self.shared, once, why, end::end_everyone).await
    }

    async fn announce_changed(&self, user: &UserId, by: &By) -> Result<(), StoreError> {
        let (once, whose) = (Repeat::IfNothingHappened, (user.clone(), by.clone()));
        self.endings.run(&self.shared, once, whose, end::announce_changed).await
    }

    // A part of every logout: on its connections.
    async fn lease(&self) -> Result<Lease, StoreError> {
        self.endings.run(&self.shared, Repeat::Always, (), lease::lease).await
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<JournalPage, StoreError> {
        self.reads.run(&self.shared, Repeat::Always, (after, limit), journal::page).await
    }

    async fn poll(&self, after: Option<u64>, limit: usize) -> Result<Polled, StoreError> {
        self.polls.run(&self.shared, Repeat::Always, (after, limit), journal::poll).await
    }

    async fn raise_lease(&self, to: Duration) -> Result<Lease, StoreError> {
        self.endings.run(&self.shared, Repeat::Always, to, lease::raise).await
    }

    async fn lower_given(&self, to: Duration) -> Result<Lease, StoreError> {
        self.endings.run(&self.shared, Repeat::Always, to, lease::lower_given).await
    }

    async fn lower_waited(&self, seen: Lease) -> Result<bool, StoreError> {
        let once = Repeat::IfNothingHappened;
        self.endings.run(&self.shared, once, seen, lease::lower_waited).await
    }

    fn woken(&self) -> impl Future<Output = ()> + Send {
        self.wakes.next()
    }

    async fn history(&self, user: &UserId, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        let asked = (user.clone(), limit);
        self.reads.run(&self.shared, Repeat::Always, asked, journal::history).await
    }

    async fn sweep(&self, limit: usize) -> Result<Swept, StoreError> {
        let (once, batch) = (Repeat::IfNothingHappened, (limit, self.swept.get()));
        let (swept, reached) = self.writes.run(&self.shared, once, batch, sweep::sweep).await?;
        self.swept.set(reached);
        Ok(swept)
    }
}
