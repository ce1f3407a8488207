//! The names of the keys. Everything of one user is under one hash tag, with the id encoded, so
//! that no id can name another key or another tag.

use std::fmt::Write;

use logout_all::UserId;

/// The keys that are no user's, and the prefix of those that are.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
    /// Hash: `store_id`, `version`, `global_epoch`, `last_seq`.
    pub(crate) store: String,
    /// Stream: the journal; the id of an entry is its number.
    pub(crate) journal: String,
    /// List: the numbers of the entries about everybody, newest first.
    pub(crate) everybody: String,
    /// Sorted set: users by the instant from which one of their rows may be dead.
    pub(crate) due: String,
    /// Sorted set: users by the least global epoch of their rows.
    pub(crate) stamped: String,
    /// Never there.
    pub(crate) nothing: String,
}

/// The keys of one user.
#[derive(Clone, Debug)]
pub(crate) struct UserKeys {
    /// String: the user's epoch. Without a time to live: an epoch never vanishes.
    pub(crate) epoch: String,
    /// Hash: guid and row. It lives as long as the last of its rows.
    pub(crate) sessions: String,
    /// List: the numbers of the journal's entries about the user, newest first.
    pub(crate) history: String,
    /// String, for a second: what `WAIT` waits for.
    pub(crate) mark: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        let name = |name: &str| format!("{prefix}:{name}");
        Self {
            prefix: prefix.to_owned(),
            store: name("store"),
            journal: name("journal"),
            everybody: name("everybody"),
            due: name("due"),
            stamped: name("stamped"),
            nothing: name("nothing"),
        }
    }

    /// Of nobody in particular where there is no user: no id is empty.
    pub(crate) fn of(&self, user: Option<&UserId>) -> UserKeys {
        let tag = encoded(user.map_or("", UserId::as_str));
        let name = |name: &str| format!("{}:{{{tag}}}:{name}", self.prefix);
        UserKeys {
            epoch: name("epoch"),
            sessions: name("sessions"),
            history: name("history"),
            mark: name("mark"),
        }
    }
}

/// Letters, digits and `-._@` as they are, every other byte as `%XX`.
fn encoded(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_hash_tag_whatever_it_is() {
        let keys = Keys::new("p");
        let of = |id: &str| keys.of(Some(&UserId::new(id).unwrap())).epoch;
        assert_eq!(of("ada@example.org"), "p:{ada@example.org}:epoch");
        assert_eq!(of("a}{b:c"), "p:{a%7D%7Bb%3Ac}:epoch");
        assert_eq!(of("%7D"), "p:{%257D}:epoch");
        assert_eq!(keys.of(None).epoch, "p:{}:epoch");
    }
}
