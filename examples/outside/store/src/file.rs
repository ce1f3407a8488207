//! The file: how it is locked, read and replaced, and what stands in it.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use logout_all::{
    By, Clock, EndReason, Guid, JournalEntry, Label, Limits, Persistence, RefTokId, SessionRow,
    StoreError, StoreErrorKind, UserAgent, UserId, scheme::to_micros,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::State;

/// How long a verb waits for the lock before it fails.
pub const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Sessions in one JSON file. Any number of processes of one machine may open the same.
#[derive(Clone, Debug)]
pub struct FileStore {
    path: PathBuf,
    clock: Clock,
}

impl FileStore {
    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    /// If it cannot be read, written or understood.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::with_clock(path, Clock::system())
    }

    /// The same on a clock that a test can move.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_clock(path: impl Into<PathBuf>, clock: Clock) -> Result<Self, StoreError> {
        let store = Self { path: path.into(), clock };
        let _lock = store.lock()?;
        if !store.path.exists() {
            let global_epoch = to_micros(store.clock.now());
            store.write(&State { global_epoch, ..State::default() })?;
        }
        store.read()?;
        Ok(store)
    }

    /// Reads under the lock.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        see: impl FnOnce(State, SystemTime) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        self.on_a_thread(move |store| {
            let _lock = store.lock()?;
            Ok(see(store.read()?, store.clock.now()))
        })
        .await
    }

    /// Reads, changes and replaces under the lock; where the change fails, nothing is replaced.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut State, SystemTime) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.on_a_thread(move |store| {
            let _lock = store.lock()?;
            let mut state = store.read()?;
            let answer = change(&mut state, store.clock.now())?;
            store.write(&state)?;
            Ok(answer)
        })
        .await
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        let stopped = |why| StoreError::new(StoreErrorKind::Stopped, "stopped").with_cause(why);
        tokio::task::spawn_blocking(move || work(store)).await.map_err(stopped)?
    }

    /// The lock is a file beside, since the file itself is replaced. Dropped, it is free; the
    /// operating system frees it for a process that dies.
    fn lock(&self) -> Result<File, StoreError> {
        let file = File::options().create(true).append(true).open(self.beside("lock"));
        let file = file.map_err(unavailable)?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if began.elapsed() < LONGEST_WAIT => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(TryLockError::WouldBlock) => {
                    let message = "the lock of the file of sessions was not free in time";
                    return Err(StoreError::new(StoreErrorKind::TimedOut, message));
                }
                Err(TryLockError::Error(why)) => return Err(unavailable(why)),
            }
        }
    }

    /// A file that is gone is an outage, and not an empty store: everybody would be logged out.
    fn read(&self) -> Result<State, StoreError> {
        let json = fs::read(&self.path).map_err(unavailable)?;
        let kept: Kept = serde_json::from_slice(&json).map_err(corrupt)?;
        kept.state().ok_or_else(|| corrupt(io::Error::other("a value that nobody writes")))
    }

    fn write(&self, state: &State) -> Result<(), StoreError> {
        let json = serde_json::to_vec(&Kept::of(state)).map_err(corrupt)?;
        let fresh = self.beside("new");
        let write = || {
            let mut file = File::create(&fresh)?;
            file.write_all(&json)?;
            file.sync_all()?;
            fs::rename(&fresh, &self.path)?;
            // The new name, too, must outlive a power cut.
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(unavailable)
    }

    fn beside(&self, extension: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(extension);
        name.into()
    }
}

fn unavailable(why: io::Error) -> StoreError {
    let message = "the file of sessions cannot be used; is its folder there, and ours?";
    StoreError::new(StoreErrorKind::Unavailable, message).with_cause(why)
}

/// The cause of serde names a line and a column, and no value.
fn corrupt(why: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    let message = "the file of sessions is damaged; put a good copy in its place";
    StoreError::new(StoreErrorKind::Corrupt, message).with_cause(why)
}

/// The whole file.
#[derive(Serialize, Deserialize)]
struct Kept {
    global_epoch: i64,
    epochs: HashMap<String, i64>,
    rows: Vec<KeptRow>,
    last_seq: u64,
    journal: Vec<KeptEntry>,
}

#[derive(Serialize, Deserialize)]
struct KeptRow {
    user: String,
    guid: Uuid,
    ref_tok_id: Uuid,
    prev_ref_tok_id: Option<Uuid>,
    generation: u64,
    epoch: i64,
    global_epoch: i64,
    created_at: SystemTime,
    auth_time: SystemTime,
    rotated_at: Option<SystemTime>,
    token_issued_at: SystemTime,
    token_expires_at: SystemTime,
    confirmed_at: Option<SystemTime>,
    last_seen_at: SystemTime,
    user_agent: Option<String>,
    ip: Option<String>,
    label: Option<String>,
    idle: Duration,
    absolute: Duration,
    persistent: bool,
    expires_at: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct KeptEntry {
    seq: u64,
    id: Uuid,
    user: Option<String>,
    guid: Option<Uuid>,
    reason: String,
    by: String,
    at: SystemTime,
}

impl Kept {
    fn of(state: &State) -> Self {
        Self {
            global_epoch: state.global_epoch,
            epochs: state.epochs.iter().map(|(user, epoch)| (user.to_string(), *epoch)).collect(),
            rows: state.rows.iter().map(KeptRow::of).collect(),
            last_seq: state.last_seq,
            journal: state.journal.iter().map(KeptEntry::of).collect(),
        }
    }

    /// None where a value is none that was written.
    fn state(self) -> Option<State> {
        let epoch = |(user, epoch): (String, i64)| Some((UserId::new(user).ok()?, epoch));
        Some(State {
            global_epoch: self.global_epoch,
            epochs: self.epochs.into_iter().map(epoch).collect::<Option<_>>()?,
            rows: self.rows.into_iter().map(KeptRow::row).collect::<Option<_>>()?,
            last_seq: self.last_seq,
            journal: self.journal.into_iter().map(KeptEntry::entry).collect::<Option<_>>()?,
        })
    }
}

impl KeptRow {
    fn of(row: &SessionRow) -> Self {
        Self {
            user: row.user.to_string(),
            guid: *row.guid.as_uuid(),
            ref_tok_id: *row.ref_tok_id.expose(),
            prev_ref_tok_id: row.prev_ref_tok_id.map(|id| *id.expose()),
            generation: row.generation,
            epoch: row.epoch,
            global_epoch: row.global_epoch,
            created_at: row.created_at,
            auth_time: row.auth_time,
            rotated_at: row.rotated_at,
            token_issued_at: row.token_issued_at,
            token_expires_at: row.token_expires_at,
            confirmed_at: row.confirmed_at,
            last_seen_at: row.last_seen_at,
            user_agent: row.user_agent.as_ref().map(ToString::to_string),
            ip: row.ip.clone(),
            label: row.label.as_ref().map(ToString::to_string),
            idle: row.limits.idle,
            absolute: row.limits.absolute,
            persistent: row.limits.persistence == Persistence::Persistent,
            expires_at: row.expires_at,
        }
    }

    fn row(self) -> Option<SessionRow> {
        let persistence =
            if self.persistent { Persistence::Persistent } else { Persistence::BrowserSession };
        Some(SessionRow {
            user: UserId::new(self.user).ok()?,
            guid: Guid::from_uuid(self.guid)?,
            ref_tok_id: RefTokId::from_uuid(self.ref_tok_id)?,
            prev_ref_tok_id: self.prev_ref_tok_id.and_then(RefTokId::from_uuid),
            generation: self.generation,
            epoch: self.epoch,
            global_epoch: self.global_epoch,
            created_at: self.created_at,
            auth_time: self.auth_time,
            rotated_at: self.rotated_at,
            token_issued_at: self.token_issued_at,
            token_expires_at: self.token_expires_at,
            confirmed_at: self.confirmed_at,
            last_seen_at: self.last_seen_at,
            user_agent: self.user_agent.and_then(|text| UserAgent::from_bytes(text.as_bytes())),
            ip: self.ip,
            label: self.label.and_then(|text| Label::new(&text)),
            limits: Limits { idle: self.idle, absolute: self.absolute, persistence },
            expires_at: self.expires_at,
        })
    }
}

impl KeptEntry {
    fn of(entry: &JournalEntry) -> Self {
        Self {
            seq: entry.seq,
            id: entry.id,
            user: entry.user.as_ref().map(ToString::to_string),
            guid: entry.guid.map(|guid| *guid.as_uuid()),
            reason: entry.reason.to_string(),
            by: entry.by.to_string(),
            at: entry.at,
        }
    }

    fn entry(self) -> Option<JournalEntry> {
        Some(JournalEntry {
            seq: self.seq,
            id: self.id,
            user: self.user.map(UserId::new).transpose().ok()?,
            guid: self.guid.and_then(Guid::from_uuid),
            reason: EndReason::parse(&self.reason)?,
            by: By::parse(&self.by),
            at: self.at,
        })
    }
}
