//! Turns: endings of one user wait for each other at the user's epoch row anyway. Here they wait
//! before they take a connection, so that one user's row, held by somebody's open transaction,
//! keeps one ending connection busy and not all of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use logout_all::{StoreError, StoreErrorKind, UserId};
use tokio::{
    sync::{Mutex as Lock, OwnedMutexGuard},
    time::timeout,
};

/// How long an ending waits for those of the same user before it.
const TURN_WAIT: Duration = Duration::from_secs(2);

/// One lock for each user who has an ending under way; exact, since two users that shared one would
/// hold each other up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    users: Arc<Mutex<HashMap<UserId, Arc<Lock<()>>>>>,
}

/// A user's turn, or a place in the queue for it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    user: UserId,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    pub(crate) async fn take(&self, user: &UserId) -> Result<Turn, StoreError> {
        let lock = Arc::clone(self.users().entry(user.clone()).or_default());
        // Made before the wait: a caller who gives up leaves the queue by it.
        let mut turn = Turn { turns: self.clone(), user: user.clone(), held: None };
        let held = timeout(TURN_WAIT, lock.lock_owned()).await.map_err(|_| {
            let message = "other endings of this user are stuck, as behind a transaction that holds \
                           the user's row; nothing was changed, and the operation may be repeated";
            StoreError::new(StoreErrorKind::TimedOut, message)
        })?;
        turn.held = Some(held);
        Ok(turn)
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, Arc<Lock<()>>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        let mut users = self.turns.users();
        // Whoever waits has a clone of it, taken under this same lock.
        if users.get(&self.user).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            users.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_user_waits_and_others_do_not_and_nothing_is_left() {
        let turns = Turns::default();
        let (ada, bob) = (UserId::new("ada").unwrap(), UserId::new("bob").unwrap());
        let first = turns.take(&ada).await.unwrap();
        let second = turns.take(&ada);
        tokio::pin!(second);
        let soon = Duration::from_millis(50);
        assert!(timeout(soon, &mut second).await.is_err());
        drop(turns.take(&bob).await.unwrap());
        drop(first);
        drop(second.await.unwrap());
        assert!(turns.users().is_empty());
    }
}
