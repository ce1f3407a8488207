//! The application's users beside the sessions: joined by stores that can, asked for otherwise.

use std::future::Future;

use super::StoreError;
use crate::scheme::{Usage, UserId, UserState};

/// Finds a user's status and data for stores that cannot join the application's users table
/// (memory, Redis). Asked once in each verification and renewal, after the session was found.
///
/// ```
/// use logout_all::{StoreError, UserData, UserDirectory, UserId, UserState};
///
/// struct OnlyAda;
/// impl UserDirectory for OnlyAda {
///     async fn find(&self, user: &UserId) -> Result<UserState, StoreError> {
///         Ok(match user.as_str() {
///             "ada" => UserState::Active(Some(UserData::from_json(r#"{"role":"admin"}"#))),
///             _ => UserState::Inactive,
///         })
///     }
/// }
/// ```
pub trait UserDirectory: Send + Sync + 'static {
    /// `Active` with the user's data, or `Inactive` for a user who is locked or unknown.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be told: the request is then answered 503.
    fn find(&self, user: &UserId) -> impl Future<Output = Result<UserState, StoreError>> + Send;
}

/// The directory of an application that gives none: every user is active and has no data.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoUsers;

impl UserDirectory for NoUsers {
    async fn find(&self, _user: &UserId) -> Result<UserState, StoreError> {
        Ok(UserState::Active(None))
    }
}

/// The application's users table, named to a SQL store, which joins it in the statement that finds
/// the session.
///
/// Table and column names are quoted as identifiers by the store. [`active`] is SQL of the
/// application's own: nothing from a request may ever get into it.
///
/// [`active`]: Users::active
///
/// ```
/// use logout_all::Users;
/// let users = Users::table("accounts").id("id").active("NOT locked").columns(["email", "role"]);
/// assert_eq!(users.id_column(), "id");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users {
    table: String,
    id: String,
    active: Option<String>,
    columns: Vec<String>,
}

impl Users {
    /// The table, `schema.table` where the database has schemas. The id column is `id` until
    /// [`Users::id`] says otherwise.
    pub fn table(name: impl Into<String>) -> Self {
        Self { table: name.into(), id: "id".into(), active: None, columns: Vec::new() }
    }

    /// The column that holds what the application gives as the user's id.
    pub fn id(mut self, column: impl Into<String>) -> Self {
        self.id = column.into();
        self
    }

    /// An SQL condition over the table's columns that is true for users who may be served. Without
    /// one every user who is in the table may.
    pub fn active(mut self, condition: impl Into<String>) -> Self {
        self.active = Some(condition.into());
        self
    }

    /// The columns that come back as user data, under their own names.
    pub fn columns<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Whether the names can be names at all; whether they exist is for the database to say.
    ///
    /// # Errors
    /// [`Usage::OutOfRange`] for an empty name or one with a NUL.
    pub fn check(&self) -> Result<(), Usage> {
        let names = self.columns.iter().chain([&self.table, &self.id]);
        let bad = |name: &String| name.is_empty() || name.contains('\0');
        match names.into_iter().find(|name| bad(name)) {
            None => Ok(()),
            Some(name) => {
                let why = format!("{name:?} cannot be the name of a users table or column");
                Err(Usage::OutOfRange(why.into()))
            }
        }
    }

    /// The table's name.
    pub fn table_name(&self) -> &str {
        &self.table
    }

    /// The id column's name.
    pub fn id_column(&self) -> &str {
        &self.id
    }

    /// The active condition.
    pub fn active_condition(&self) -> Option<&str> {
        self.active.as_deref()
    }

    /// The data columns.
    pub fn data_columns(&self) -> &[String] {
        &self.columns
    }
}
