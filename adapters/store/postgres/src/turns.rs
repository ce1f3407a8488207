//! Turns: endings of one user wait for each other at the user's epoch row anyway. Here they wait
//! before they take a connection, so that one user's row, held by somebody's open transaction,
//! keeps one ending connection busy and not all of them.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use logout_all::{StoreError, StoreErrorKind, UserId};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

/// Users share a turn by chance: one in so many.
const TURNS: usize = 256;
/// How long an ending waits for those of the same user before it.
const TURN_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Turns {
    hasher: RandomState,
    turns: Vec<Mutex<()>>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), turns: (0..TURNS).map(|_| Mutex::new(())).collect() }
    }

    /// The user's turn, until it is dropped.
    pub(crate) async fn take(&self, user: &UserId) -> Result<MutexGuard<'_, ()>, StoreError> {
        let hash = self.hasher.hash_one(user);
        // The remainder is below 256.
        let turn = &self.turns[usize::try_from(hash % TURNS as u64).unwrap_or(0)];
        timeout(TURN_WAIT, turn.lock()).await.map_err(|_| {
            let message = "other endings of this user are stuck, as behind a transaction that holds \
                           the user's row; nothing was changed, and the operation may be repeated";
            StoreError::new(StoreErrorKind::TimedOut, message)
        })
    }
}
