//! The application's users, in memory: a name is its own id.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use logout_all::{StoreError, UserData, UserDirectory, UserId, UserState};

/// Users in memory. Clones are one.
#[derive(Clone, Default)]
pub struct Users(Arc<Mutex<HashMap<String, User>>>);

struct User {
    password: String,
    locked: bool,
}

impl Users {
    /// Adds a user, and gives the user's id.
    pub fn add(&self, name: String, password: String) -> String {
        self.all().insert(name.clone(), User { password, locked: false });
        name
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.all().contains_key(name)
    }

    pub(crate) fn password_is(&self, name: &str, password: &str) -> bool {
        self.all().get(name).is_some_and(|user| !user.locked && user.password == password)
    }

    pub(crate) fn set_password(&self, name: &str, password: &str) {
        if let Some(user) = self.all().get_mut(name) {
            password.clone_into(&mut user.password);
        }
    }

    /// Whether there is such a user.
    pub(crate) fn lock(&self, name: &str, locked: bool) -> bool {
        self.all().get_mut(name).map(|user| user.locked = locked).is_some()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, User>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserDirectory for Users {
    async fn find(&self, user: &UserId) -> Result<UserState, StoreError> {
        if self.all().get(user.as_str()).is_none_or(|found| found.locked) {
            return Ok(UserState::Inactive);
        }
        let data = serde_json::json!({ "username": user.as_str() });
        Ok(UserState::Active(Some(UserData::from_json(data.to_string()))))
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.all().len())
    }
}
