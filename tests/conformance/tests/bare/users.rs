//! The application's users: a name is its own id, and passwords are kept as they are, which no
//! application may do.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use logout_all::{StoreError, UserData, UserDirectory, UserId, UserState};

#[derive(Clone, Default)]
pub(crate) struct Users(Arc<Mutex<HashMap<String, User>>>);

struct User {
    password: String,
    locked: bool,
}

impl Users {
    pub(crate) fn add(&self, name: String, password: String) -> String {
        self.0.lock().unwrap().insert(name.clone(), User { password, locked: false });
        name
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.lock().unwrap().contains_key(name)
    }

    pub(crate) fn password_is(&self, name: &str, password: &str) -> bool {
        let users = self.0.lock().unwrap();
        users.get(name).is_some_and(|user| !user.locked && user.password == password)
    }

    pub(crate) fn set_password(&self, name: &str, password: &str) {
        if let Some(user) = self.0.lock().unwrap().get_mut(name) {
            password.clone_into(&mut user.password);
        }
    }

    pub(crate) fn lock(&self, name: &str, locked: bool) -> bool {
        match self.0.lock().unwrap().get_mut(name) {
            None => false,
            Some(user) => {
                user.locked = locked;
                true
            }
        }
    }
}

impl UserDirectory for Users {
    async fn find(&self, user: &UserId) -> Result<UserState, StoreError> {
        let users = self.0.lock().unwrap();
        Ok(match users.get(user.as_str()) {
            Some(User { locked: false, .. }) => {
                let data = serde_json::json!({ "username": user.as_str() });
                UserState::Active(Some(UserData::from_json(data.to_string())))
            }
            _ => UserState::Inactive,
        })
    }
}
