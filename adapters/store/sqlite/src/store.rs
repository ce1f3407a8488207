//! The store: each verb of the port is one job for a lane.

use std::{fmt, path::Path, path::PathBuf, sync::Arc, time::Duration};

use deadpool_sqlite::rusqlite;
use logout_all::{
    By, Clock, EndReason, Ended, Guid, JournalEntry, Label, RefTokId, SessionRow, SessionStore,
    Snapshot, StoreError, UserId,
    store::{
        DeviceRows, Ending, Inserted, JournalPage, Lease, Lookups, NewSession, Polled, Remint,
        Rotation, StoreInfo, Swap, Swept, TicketEpochs, Touch,
    },
};

use crate::{
    SqliteStoreBuilder, end, journal,
    lane::{ReadLane, Urgency, WriteLane},
    lease, login, lookup, renew, sweep,
    wakes::{self, Wakes},
};

/// Sessions in a SQLite file. Cheap to clone; clones share the connections, which close when the
/// last of them is dropped and what they were doing is done.
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use logout_all::SessionStore;
/// use logout_all_sqlite::SqliteStore;
///
/// let folder = tempfile::tempdir()?;
/// let builder = SqliteStore::builder(folder.path().join("app.db"));
/// builder.migrate().await?;
/// let store = builder.connect().await?;
/// store.ping().await?;
/// assert_eq!(store.info().name, "sqlite");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) lookups: Arc<Lookups>,
    pub(crate) reads: Arc<ReadLane>,
    pub(crate) writes: Arc<WriteLane>,
    pub(crate) wakes: Wakes,
    pub(crate) clock: Clock,
    /// Canonical: compared with the file of the application's connection.
    pub(crate) path: Arc<Path>,
    pub(crate) readers: usize,
}

impl SqliteStore {
    /// Settings for a store in that file. Nothing is opened yet.
    pub fn builder(path: impl Into<PathBuf>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.into())
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SqliteStore");
        shown.field("path", &self.path).field("readers", &self.readers).finish_non_exhaustive()
    }
}

impl SessionStore for SqliteStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            name: "sqlite",
            version: rusqlite::version().to_owned(),
            connections: format!(
                "{} for lookups, 1 for other reads, 1 for writes, endings first",
                self.readers
            ),
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reads.run(|db, _| lookup::epochs(db, None).map(drop)).await
    }

    async fn epochs(&self, user: Option<&UserId>) -> Result<TicketEpochs, StoreError> {
        let user = user.cloned();
        self.reads.run(move |db, now| lookup::ticket_epochs(db, now, user.as_ref())).await
    }

    async fn insert(&self, login: &NewSession) -> Result<Inserted, StoreError> {
        let login = login.clone();
        self.writes.run(Urgency::Ordinary, move |db, now| login::insert(db, now, &login)).await
    }

    async fn lookup(&self, user: &UserId, guid: Guid) -> Result<Snapshot, StoreError> {
        self.lookups.lookup(user, guid).await
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<Swap, StoreError> {
        let rotation = rotation.clone();
        self.writes.run(Urgency::Ordinary, move |db, now| renew::rotate(db, now, &rotation)).await
    }

    async fn remint(&self, remint: &Remint) -> Result<Swap, StoreError> {
        let remint = remint.clone();
        self.writes.run(Urgency::Ordinary, move |db, now| renew::remint(db, now, &remint)).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        if touches.is_empty() {
            return Ok(Vec::new());
        }
        let touches = touches.to_vec();
        self.writes.run(Urgency::Ordinary, move |db, now| renew::touch(db, now, &touches)).await?;
        Ok(Vec::new())
    }

    async fn relabel(
        &self,
        user: &UserId,
        guid: Guid,
        label: Option<&Label>,
    ) -> Result<Option<SessionRow>, StoreError> {
        let (user, label) = (user.clone(), label.cloned());
        let relabel = move |db: &rusqlite::Connection, now| {
            renew::relabel(db, now, (&user, guid), label.as_ref())
        };
        self.writes.run(Urgency::Ordinary, relabel).await
    }

    async fn devices(&self, user: &UserId) -> Result<DeviceRows, StoreError> {
        let user = user.clone();
        self.reads.run(move |db, now| lookup::devices(db, now, &user)).await
    }

    async fn end(&self, ending: &Ending) -> Result<Ended, StoreError> {
        let ending = ending.clone();
        self.writes.run(Urgency::Ending, move |db, now| end::end(db, now, &ending)).await
    }

    async fn end_everyone(&self, reason: EndReason, by: &By) -> Result<(), StoreError> {
        let by = by.clone();
        let end = move |db: &rusqlite::Connection, now| end::end_everyone(db, now, reason, &by);
        self.writes.run(Urgency::Ending, end).await
    }

    async fn announce_changed(&self, user: &UserId, by: &By) -> Result<(), StoreError> {
        let (user, by) = (user.clone(), by.clone());
        let announce =
            move |db: &rusqlite::Connection, now| end::announce_changed(db, now, &user, &by);
        self.writes.run(Urgency::Ending, announce).await
    }

    async fn lease(&self) -> Result<Lease, StoreError> {
        self.reads.run(|db, _| lease::lease(db)).await
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<JournalPage, StoreError> {
        self.reads.run(move |db, _| journal::page(db, after, limit)).await
    }

    async fn poll(&self, after: Option<u64>, limit: usize) -> Result<Polled, StoreError> {
        self.reads.run(move |db, _| journal::poll(db, after, limit)).await
    }

    async fn raise_lease(&self, to: Duration) -> Result<Lease, StoreError> {
        self.writes.run(Urgency::Ending, move |db, now| lease::raise(db, now, to)).await
    }

    async fn lower_given(&self, to: Duration) -> Result<Lease, StoreError> {
        self.writes.run(Urgency::Ordinary, move |db, _| lease::lower_given(db, to)).await
    }

    async fn lower_waited(&self, seen: Lease) -> Result<bool, StoreError> {
        self.writes.run(Urgency::Ordinary, move |db, _| lease::lower_waited(db, seen)).await
    }

    fn woken(&self) -> impl Future<Output = ()> + Send {
        wakes::next(&self.wakes)
    }

    async fn history(&self, user: &UserId, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        let user = user.clone();
        self.reads.run(move |db, _| journal::history(db, &user, limit)).await
    }

    async fn sweep(&self, limit: usize) -> Result<Swept, StoreError> {
        let dead = self.reads.run(move |db, now| sweep::dead(db, now, limit)).await?;
        let truncate = move |db: &rusqlite::Connection, now| journal::truncate(db, now, limit);
        let mut swept = Swept::default();
        // In parts, so that the one writer of the file is held for a moment at a time.
        for part in dead.chunks(sweep::PART) {
            let part = part.to_vec();
            let remove = move |db: &rusqlite::Connection, now| sweep::remove(db, now, &part);
            match self.writes.run(Urgency::Ordinary, remove).await {
                Ok(removed) => swept.sessions += removed,
                Err(error) if swept.sessions == 0 => return Err(error),
                // What is removed is told; the next sweep meets the failure again.
                Err(_) => return Ok(swept),
            }
        }
        swept.journal = self.writes.run(Urgency::Ordinary, truncate).await?;
        Ok(swept)
    }
}
