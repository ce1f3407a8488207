//! What one read of the store brings: the row, the epochs, the user and the store's clock.

use std::{sync::Arc, time::SystemTime};

use serde::de::DeserializeOwned;

use super::{SessionRow, Usage};

/// The two counters that fence off logins: a session lives only while both are as its login saw
/// them.
///
/// A user without an epoch row has epoch 0; the first bump seeds it from the store's clock in
/// microseconds, and each bump makes it larger, so that a value never returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epochs {
    /// The user's; 0 while absent.
    pub user: i64,
    /// Everybody's.
    pub global: i64,
}

impl Epochs {
    /// The value after a bump at `now_micros`: larger than before, and larger than any that was
    /// lost with a vanished row.
    pub fn bumped(current: i64, now_micros: i64) -> i64 {
        current.saturating_add(1).max(now_micros)
    }
}

/// Everything that one read brings about one presented (user, guid).
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The store's clock at the read.
    pub now: SystemTime,
    /// Both epochs as they are now.
    pub epochs: Epochs,
    /// The row, dead or alive.
    pub row: Option<SessionRow>,
    /// The user, if the store joins the users table.
    pub user: UserState,
}

/// What is known of the user besides the session.
#[derive(Clone, Debug)]
pub enum UserState {
    /// Nobody was asked: the store joins no users table.
    NotAsked,
    /// The user may be served; with the data that the application named, if any.
    Active(Option<UserData>),
    /// Locked, deleted or unknown: every session of this user is denied.
    Inactive,
}

/// The application's own data of the user, read with the session: JSON text inside, typed on
/// demand. Cheap to clone.
#[derive(Clone)]
pub struct UserData(Arc<str>);

impl UserData {
    /// Takes JSON text that a store or a directory made.
    pub fn from_json(json: impl Into<Arc<str>>) -> Self {
        Self(json.into())
    }

    /// Takes anything that serialises.
    ///
    /// # Errors
    /// [`Usage::WrongType`] if it does not serialise to JSON.
    pub fn from_value(value: &impl serde::Serialize) -> Result<Self, Usage> {
        serde_json::to_string(value)
            .map(|json| Self(json.into()))
            .map_err(|why| Usage::WrongType { what: "user data", why: why.to_string().into() })
    }

    /// The data as the application's type.
    ///
    /// # Errors
    /// [`Usage::WrongType`] if they do not fit it.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, Usage> {
        serde_json::from_str(&self.0).map_err(|why| Usage::wrong_type("user data", &why))
    }

    /// The JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for UserData {
    /// Names and addresses of people do not belong in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UserData({} bytes)", self.0.len())
    }
}
