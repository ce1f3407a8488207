//! What the database has of one user. What belongs together is read in one statement, as it is at one
//! moment.

use std::sync::Arc;

use crate::{home::Home, servers::Store};

#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) home: Arc<Home>,
    pub(crate) name: &'static str,
    pub(crate) id: String,
}

impl Records {
    /// Of his password.
    pub(crate) async fn hash(&self) -> String {
        let [hash] = self.select([&self.hash_of()]).await;
        hash.unwrap()
    }

    /// Which of two devices there are.
    pub(crate) async fn are_there(&self, one: &str, two: &str) -> [bool; 2] {
        self.select([&self.row_of(one), &self.row_of(two)]).await.map(|row| row.is_some())
    }

    /// The hash, of which a change is whole or has not begun: another device, which signed in before
    /// it, is logged out by it and by nothing less.
    pub(crate) async fn change_is_whole(&self, old: &str, other_device: &str) -> String {
        let (row, reason) = (self.row_of(other_device), self.reason_of(other_device));
        let [hash, is_there, reason] = self.select([&self.hash_of(), &row, &reason]).await;
        let hash = hash.unwrap();
        let is_changed = hash != old;
        assert!(!(is_changed && is_there.is_some()), "changed, and a device is left");
        let by_the_change = reason.as_deref() == Some("password");
        assert!(!by_the_change || is_changed, "a device is out, and the password is the old one");
        hash
    }

    fn hash_of(&self) -> String {
        format!("SELECT password_hash FROM demo_accounts WHERE username = '{}'", self.name)
    }

    fn row_of(&self, device: &str) -> String {
        self.of_device("user_id", "sessions", device)
    }

    fn reason_of(&self, device: &str) -> String {
        self.of_device("reason", "journal", device)
    }

    fn of_device(&self, column: &str, table: &str, device: &str) -> String {
        let (table, guid) = match self.home.store() {
            Store::Postgres => (format!("logout_all.{table}"), "replace(guid::text, '-', '')"),
            _ => (format!("logout_all_{table}"), "lower(hex(guid))"),
        };
        let (id, device) = (&self.id, device.replace('-', ""));
        format!("SELECT {column} FROM {table} WHERE user_id = '{id}' AND {guid} = '{device}'")
    }

    async fn select<const N: usize>(&self, queries: [&str; N]) -> [Option<String>; N] {
        let sql = format!("SELECT ({})", queries.join("), ("));
        self.home.sql(&sql, &sql).await.unwrap().try_into().unwrap()
    }
}
