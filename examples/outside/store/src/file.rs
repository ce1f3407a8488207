//! The file: how it is locked, read and replaced.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use logout_all::{Clock, StoreError, StoreErrorKind, scheme::to_micros};

use crate::{format::Kept, store::State};

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
        let kept: Kept = serde_json::from_slice(&json).map_err(|why| corrupt(&place(&why)))?;
        kept.state().ok_or_else(|| corrupt("a value that nobody writes"))
    }

    fn write(&self, state: &State) -> Result<(), StoreError> {
        let json = serde_json::to_vec(&Kept::of(state)).map_err(|why| corrupt(&place(&why)))?;
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

/// Where the damage is, and not in serde's own words: they may quote a value.
fn corrupt(place: &str) -> StoreError {
    let message =
        format!("the file of sessions is damaged ({place}); put a good copy in its place");
    StoreError::new(StoreErrorKind::Corrupt, message)
}

fn place(why: &serde_json::Error) -> String {
    format!("line {}, column {}", why.line(), why.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_without_a_value() {
        let why = serde_json::from_str::<u64>(r#""geheim""#).unwrap_err();
        let told = format!("{:?}", corrupt(&place(&why)));
        assert!(told.contains("line 1") && !told.contains("geheim"), "{told}");
        assert!(format!("{why:?}").contains("geheim"), "serde quotes it");
    }
}
