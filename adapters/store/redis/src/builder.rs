//! How a store is set up.

use std::{path::PathBuf, time::Duration};

use logout_all::{Clock, StoreError, StoreErrorKind};

use crate::{
    RedisStore, connect,
    server::{Plain, Url},
    wait::Replicas,
};

/// The settings of a [`RedisStore`]. Made by [`RedisStore::builder`].
///
/// ```no_run
/// # async fn start() -> Result<(), logout_all::StoreError> {
/// use logout_all_redis::RedisStore;
/// let store = RedisStore::builder("rediss://app@redis.example").prefix("shop").connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct RedisStoreBuilder {
    pub(crate) url: Url,
    pub(crate) seeds: Vec<Url>,
    pub(crate) plain: Plain,
    pub(crate) root_certificate: Option<PathBuf>,
    pub(crate) prefix: String,
    pub(crate) replicas: Option<Replicas>,
    pub(crate) clock: Clock,
}

impl RedisStoreBuilder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url: Url(url),
            seeds: Vec::new(),
            plain: Plain::ThisMachine,
            root_certificate: None,
            prefix: "logout-all".to_owned(),
            replicas: None,
            clock: Clock::system(),
        }
    }

    /// Another node of a Redis Cluster, asked at the start where the first one does not answer. Any
    /// node will do, as it names the others; their manner (TLS, user, password) is the first one's.
    pub fn seed(mut self, url: impl Into<String>) -> Self {
        self.seeds.push(Url(url.into()));
        self
    }

    /// The file (PEM) of the certificate authority that the server's certificate must come from,
    /// in place of the system's authorities.
    pub fn root_certificate(mut self, file: impl Into<PathBuf>) -> Self {
        self.root_certificate = Some(file.into());
        self
    }

    /// What all keys begin with: `logout-all` until set. Two applications on one server take two.
    /// Letters, digits, `-`, `_` and `.`, at most 64.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Reports a logout only when that many replicas have it (`WAIT`), and fails after `within`,
    /// at most 1 s. A failed ending may be repeated. Without it, a failover may undo the endings of
    /// the moments before it (`docs/redis.md`, "Failover"). Endings wait one after the other.
    pub fn wait_for_replicas(mut self, count: usize, within: Duration) -> Self {
        self.replicas = Some(Replicas { count, within });
        self
    }

    /// Allows `redis://`, without TLS, to another machine: for a network where nobody else can
    /// listen or answer. Whoever can reads the password and every session.
    pub fn danger_plain_network(mut self) -> Self {
        self.plain = Plain::AnyMachine;
        self
    }

    /// For tests, which move time: what this clock is moved by is added to the server's. In
    /// production the server's clock is the only one.
    pub fn danger_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the store, and makes it where there is none. Its connections live on the Tokio runtime
    /// that calls this. Warns in the log where the server may drop sessions (`maxmemory-policy`).
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`] if the server does not answer, refuses, or is a replica;
    /// [`StoreErrorKind::Schema`] if what is stored is of another version.
    pub async fn connect(&self) -> Result<RedisStore, StoreError> {
        let refuse = |message: String| Err(StoreError::new(StoreErrorKind::Unavailable, message));
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let prefix = &self.prefix;
        if prefix.is_empty() || prefix.len() > 64 || !prefix.chars().all(fits) {
            return refuse(format!("{prefix:?} cannot be the prefix of the keys"));
        }
        let waits = self.replicas.iter();
        if waits.clone().any(|wait| wait.count == 0 || wait.within > Replicas::LONGEST) {
            return refuse("endings wait for 1 replica or more, and for 1 s at most".to_owned());
        }
        connect::connect(self).await
    }
}
