//! Accounts in this process's memory.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use logout_all::UserState;

use super::{Locked, Replaced, data};

#[derive(Clone, Default)]
pub(super) struct MemoryTable {
    rows: Arc<Mutex<Rows>>,
}

#[derive(Default)]
struct Rows {
    /// The id is the place, counted from one.
    accounts: Vec<Account>,
    by_name: HashMap<String, i64>,
}

struct Account {
    username: String,
    hash: String,
    locked: Locked,
}

impl MemoryTable {
    pub(super) fn add(&self, username: &str, hash: String) {
        let mut rows = self.lock();
        if rows.by_name.contains_key(username) {
            return;
        }
        rows.accounts.push(Account { username: username.to_owned(), hash, locked: Locked::No });
        let id = i64::try_from(rows.accounts.len()).unwrap_or(i64::MAX);
        rows.by_name.insert(username.to_owned(), id);
    }

    pub(super) fn id_of(&self, username: &str) -> Option<i64> {
        self.lock().by_name.get(username).copied()
    }

    pub(super) fn password_hash(&self, id: i64) -> Option<String> {
        self.lock().active(id).map(|account| account.hash.clone())
    }

    pub(super) fn replace_password(&self, id: i64, shown: &str, fresh: String) -> Replaced {
        match self.lock().active(id) {
            Some(account) if account.hash == shown => {
                account.hash = fresh;
                Replaced::Yes
            }
            _ => Replaced::Overtaken,
        }
    }

    pub(super) fn set_locked(&self, id: i64, locked: Locked) {
        if let Some(account) = self.lock().get(id) {
            account.locked = locked;
        }
    }

    pub(super) fn find(&self, id: i64) -> UserState {
        match self.lock().active(id) {
            Some(account) => data(id, &account.username),
            None => UserState::Inactive,
        }
    }

    // Every critical section above is one assignment: a poisoned lock still guards whole rows.
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn get(&mut self, id: i64) -> Option<&mut Account> {
        let place = usize::try_from(id).ok()?.checked_sub(1)?;
        self.accounts.get_mut(place)
    }

    fn active(&mut self, id: i64) -> Option<&mut Account> {
        self.get(id).filter(|account| account.locked == Locked::No)
    }
}

impl fmt::Debug for MemoryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryTable({} accounts)", self.lock().accounts.len())
    }
}
