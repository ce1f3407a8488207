//! Passwords: read without being shown, hashed with Argon2, a bounded number at a time.

use std::{fmt, sync::Arc, thread};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{self, PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use logout_all::Problem;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{StartError, workers::Workers};

/// How many requests wait for a core at most; the next is told to come back. At some 30 ms a hash
/// the last of them waits for about two seconds on a single core.
const QUEUE: usize = 64;

/// A password as a person typed it. Its `Debug` is redacted, and [`expose`](Self::expose) is the
/// one way to it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// What one hash costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashCost {
    /// Argon2id with the crate's defaults: 19 MiB, two passes.
    #[default]
    Default,
    /// Next to nothing: for tests that sign in often.
    DangerCheap,
}

/// Whether a password is the one that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Right,
    Wrong,
}

/// Hashes one password a core at a time. More at once would finish no sooner, take 19 MiB each and
/// leave no core to the requests of those who are signed in already.
#[derive(Clone)]
pub(crate) struct Hasher {
    inner: Arc<Inner>,
    /// Running and waiting.
    places: Arc<Semaphore>,
    /// Running.
    cores: Arc<Semaphore>,
}

struct Inner {
    workers: Workers,
    argon2: Argon2<'static>,
    /// What is verified where there is no hash: with the same parameters, or an unknown name could
    /// be told by the time of the answer.
    dummy: String,
}

/// The right to use one core, until the last clone is dropped: a hash that is running keeps its
/// clone, also when its request has gone away.
#[derive(Clone)]
pub(crate) struct Turn {
    inner: Arc<Inner>,
    _held: Arc<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Hasher {
    pub(crate) fn new(cost: HashCost) -> Result<Self, StartError> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::with_room(cost, cores, QUEUE)
    }

    fn with_room(cost: HashCost, cores: usize, queue: usize) -> Result<Self, StartError> {
        let argon2 = argon2_of(cost)?;
        let mut nobodys = [0; 32];
        getrandom::fill(&mut nobodys)?;
        let dummy = hash(&argon2, &nobodys).map_err(StartError::Argon2)?;
        let workers = Workers::start(cores).map_err(StartError::Thread)?;
        Ok(Self {
            inner: Arc::new(Inner { workers, argon2, dummy }),
            places: Arc::new(Semaphore::new(cores + queue)),
            cores: Arc::new(Semaphore::new(cores)),
        })
    }

    /// Waits for a core, first come, first served.
    ///
    /// # Errors
    /// [`Problem::Overloaded`] if the queue is full.
    pub(crate) async fn turn(&self) -> Result<Turn, Problem> {
        let overloaded = |_| Problem::Overloaded;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(overloaded)?;
        // Never closed, so this only waits.
        let core = Arc::clone(&self.cores).acquire_owned().await;
        let core = core.map_err(|_| Problem::Overloaded)?;
        Ok(Turn { inner: Arc::clone(&self.inner), _held: Arc::new((core, place)) })
    }
}

impl Turn {
    /// Compares with the stored hash; without one does the same work and says no.
    pub(crate) async fn verify(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<Outcome, Problem> {
        self.run(move |inner| Ok(inner.verify(password.expose(), stored.as_deref()))).await
    }

    /// A hash to store, as a PHC string.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Problem> {
        self.run(move |inner| {
            hash(&inner.argon2, password.expose().as_bytes()).map_err(|error| {
                tracing::error!(%error, "Argon2 gives no hash");
                Problem::Misconfigured
            })
        })
        .await
    }

    /// On a thread that may be kept busy: one that serves requests must not be.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.clone();
        let work = move || {
            // All of it: a closure takes only the fields it names, and would let go of the core.
            let turn = turn;
            work(&turn.inner)
        };
        self.inner.workers.run(work).await.unwrap_or(Err(Problem::Overloaded))
    }
}

impl Inner {
    fn verify(&self, password: &str, stored: Option<&str>) -> Outcome {
        let parsed = stored.and_then(|text| match PasswordHash::new(text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                // Never the text itself.
                tracing::error!(%error, "a stored password hash cannot be read");
                None
            }
        });
        let Some(parsed) = parsed else {
            if let Ok(dummy) = PasswordHash::new(&self.dummy) {
                let _ = self.argon2.verify_password(password.as_bytes(), &dummy);
            }
            return Outcome::Wrong;
        };
        match self.argon2.verify_password(password.as_bytes(), &parsed) {
            Ok(()) => Outcome::Right,
            Err(_) => Outcome::Wrong,
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("argon2", &self.inner.argon2).finish_non_exhaustive()
    }
}

fn argon2_of(cost: HashCost) -> Result<Argon2<'static>, StartError> {
    let params = match cost {
        HashCost::Default => Params::default(),
        HashCost::DangerCheap => Params::new(Params::MIN_M_COST, 1, 1, None)
            .map_err(|error| StartError::Argon2(error.into()))?,
    };
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> password_hash::Result<String> {
    argon2.hash_password(password).map(|hash| hash.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn cheap() -> Hasher {
        Hasher::new(HashCost::DangerCheap).unwrap()
    }

    #[tokio::test]
    async fn a_hash_admits_its_password_alone() {
        let turn = cheap().turn().await.unwrap();
        let stored = turn.hash("lovelace".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
        assert_ne!(stored, turn.hash("lovelace".into()).await.unwrap(), "salted");
        for (password, wanted) in
            [("lovelace", Outcome::Right), ("Lovelace", Outcome::Wrong), ("", Outcome::Wrong)]
        {
            assert_eq!(turn.verify(password.into(), Some(stored.clone())).await, Ok(wanted));
        }
    }

    /// "unknown and locked users hash a dummy" of the same parameters, and never get in by it.
    #[tokio::test]
    async fn without_a_hash_the_same_work_is_done_and_the_answer_is_no() {
        let hasher = Hasher::new(HashCost::Default).unwrap();
        let parameters = |text: &str| text.split('$').take(4).collect::<Vec<_>>().join("$");
        let turn = hasher.turn().await.unwrap();
        let stored = turn.hash("lovelace".into()).await.unwrap();
        assert_eq!(parameters(&stored), parameters(&hasher.inner.dummy));

        let time = async |stored: Option<String>| {
            let begun = Instant::now();
            assert_eq!(turn.verify("babbage".into(), stored).await, Ok(Outcome::Wrong));
            begun.elapsed()
        };
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for _ in 0..5 {
            known.push(time(Some(stored.clone())).await);
            unknown.push(time(None).await);
        }
        // The fastest of each, for other programs only make it slower; a skipped hash is some
        // thousand times faster.
        let (known, unknown) = (known.iter().min().unwrap(), unknown.iter().min().unwrap());
        assert!(*unknown > *known / 4, "{unknown:?} against {known:?}");
        assert_eq!(turn.verify("x".into(), Some("no hash".into())).await, Ok(Outcome::Wrong));
    }

    #[tokio::test]
    async fn a_full_queue_is_told_and_empties_again() {
        let hasher = Hasher::with_room(HashCost::DangerCheap, 1, 2).unwrap();
        let running = hasher.turn().await.unwrap();
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.turn().await.map(drop) })
            })
            .collect();
        while hasher.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.turn().await.map(drop), Err(Problem::Overloaded));
        drop(running);
        for waited in waiting {
            assert_eq!(waited.await.unwrap(), Ok(()));
        }
        assert!(hasher.turn().await.is_ok());
    }

    /// A client that goes away while its password is hashed must not free the core before it is
    /// free.
    #[tokio::test]
    async fn a_hash_that_is_running_keeps_its_core() {
        let hasher = Hasher::with_room(HashCost::DangerCheap, 1, 2).unwrap();
        let turn = hasher.turn().await.unwrap();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (tell, begun) = tokio::sync::oneshot::channel();
        let request = tokio::spawn(async move {
            turn.run(move |_| {
                let _ = tell.send(());
                let _ = released.recv();
                Ok(())
            })
            .await
        });
        begun.await.unwrap();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        assert_eq!(hasher.cores.available_permits(), 0);
        drop(release);
        let free = tokio::time::timeout(Duration::from_secs(10), hasher.turn()).await;
        assert!(free.unwrap().is_ok());
    }

    #[test]
    fn a_password_does_not_show_itself() {
        assert!(!format!("{:?}", Password::from("lovelace")).contains("lovelace"));
    }
}
