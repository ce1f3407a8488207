//! The users of every variant, and those of the variants that keep them in memory.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

/// A user as `GET /me` answers it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: Option<String>,
    /// Whoever is locked can neither sign in nor use a session.
    #[serde(skip)]
    pub(crate) locked: bool,
}

/// A table of users that any number of requests can read.
pub(crate) type Table = Arc<HashMap<String, User>>;

/// The users "1" to "10000", none of them locked.
pub(crate) fn table() -> Table {
    let user = |number: u32| {
        let id = number.to_string();
        let email = Some(format!("{id}@app.example"));
        (id.clone(), User { id, email, locked: false })
    };
    Arc::new((1..=10_000).map(user).collect())
}

/// The user with that id, unless there is none or it is locked.
pub(crate) fn find(table: &Table, id: &str) -> Option<User> {
    table.get(id).filter(|user| !user.locked).cloned()
}
