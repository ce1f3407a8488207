//! Strict or cached: how a node answers whether a session lives (`docs/consistency.md`).

use std::time::Duration;

use crate::{
    scheme::{Policy, Usage},
    store::JournalOrder,
};

/// How a node answers verifications. In both modes a logout is final everywhere when it has
/// returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Each verification reads the store.
    #[default]
    Strict,
    /// Verifications are answered from memory while the node holds a lease.
    Cached(Cached),
}

/// Cached mode, and its numbers.
///
/// ```
/// use std::time::Duration;
/// use logout_all::{Keys, MemoryStore, Mode, Sessions};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
/// let mode = Mode::cached().lease(Duration::from_millis(250)).most_entries(50_000);
/// let sessions =
///     Sessions::builder(MemoryStore::new(), keys, "https://app.example").mode(mode).build().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    lease: Duration,
    most_entries: usize,
    most_bytes: usize,
}

impl Mode {
    /// Cached mode with its defaults: a lease of 500 ms, 262,144 entries and 256 MiB at most.
    pub fn cached() -> Cached {
        Cached { lease: Duration::from_millis(500), most_entries: 1 << 18, most_bytes: 256 << 20 }
    }
}

impl Cached {
    /// The shortest lease.
    pub const SHORTEST_LEASE: Duration = Duration::from_millis(10);
    /// The longest lease.
    pub const LONGEST_LEASE: Duration = Duration::from_mins(1);
    /// Room for fewer bytes than this cannot be asked for.
    pub const LEAST_BYTES: usize = 1 << 20;

    /// How long this node may answer from memory after a look at the journal, which it takes four
    /// times as often. Every logout, on every node, waits the longest lease of them all (and 1 % and
    /// 5 ms) before it reports success. Default: 500 ms; 10 ms to 60 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How many tokens are kept at most. Default: 262,144; at least 1.
    pub fn most_entries(mut self, entries: usize) -> Self {
        self.most_entries = entries;
        self
    }

    /// How many bytes they take at most, about; a token takes its own length and some 250 bytes, and
    /// its claims and user data once more. Default: 256 MiB; at least 1 MiB.
    pub fn most_bytes(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    pub(crate) fn length(&self) -> Duration {
        self.lease
    }

    pub(crate) fn room(&self) -> (usize, usize) {
        (self.most_entries, self.most_bytes)
    }

    /// Whether cached mode can be as it is asked for.
    ///
    /// # Errors
    /// [`Usage::OutOfRange`].
    pub(crate) fn check(&self, policy: &Policy, order: JournalOrder) -> Result<(), Usage> {
        let refuse = |why: String| Err(Usage::OutOfRange(why.into()));
        if order == JournalOrder::PerUser {
            return refuse(
                "cached mode follows one journal of everything, and this store has one for each \
                 user: it serves strict mode only"
                    .to_owned(),
            );
        }
        if policy.grace.is_zero() {
            return refuse(
                "without grace the old token stops at the very moment of rotation, which cached \
                 mode cannot promise: give it a grace, or stay strict"
                    .to_owned(),
            );
        }
        let Self { lease, most_entries, most_bytes } = self;
        if !(Self::SHORTEST_LEASE..=Self::LONGEST_LEASE).contains(lease) {
            return refuse(format!("the lease ({lease:?}) must be 10 ms to 60 s"));
        }
        if *most_entries == 0 || *most_bytes < Self::LEAST_BYTES {
            return refuse(format!(
                "the cache needs room for at least 1 entry and 1 MiB, not for {most_entries} and \
                 {most_bytes} bytes"
            ));
        }
        Ok(())
    }
}

impl From<Cached> for Mode {
    fn from(cached: Cached) -> Self {
        Self::Cached(cached)
    }
}
