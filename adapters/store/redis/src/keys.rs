//! The names of the keys. Everything of one user is under one hash tag, with the id encoded, so
//! that no id can name another key or another tag.
//!
//! On a cluster a script touches one slot. What a user's script would find in the store's slot has
//! there the name of a key that is never there.

use std::fmt::Write;

use logout_all::UserId;
use uuid::Uuid;

/// Whose keys a script is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose<'a> {
    /// Nobody's: the store's own.
    Store,
    /// A user's who is not there, and whose name nobody has.
    Nobody,
    /// That user's.
    User(&'a UserId),
}

/// Whether all keys are on one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Server,
    Cluster,
}

/// The keys that are no user's, and the prefix of those that are.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
    pub(crate) layout: Layout,
    /// Hash: `store_id`, `version`, `global_epoch`, `last_seq`.
    pub(crate) store: String,
    /// Stream: the journal; the id of an entry is its number. On a cluster it is about everybody
    /// alone.
    pub(crate) journal: String,
    /// List: the numbers of the entries about everybody, newest first.
    pub(crate) everybody: String,
    /// Sorted set: users by the instant from which one of their rows may be dead.
    pub(crate) due: String,
    /// Sorted set: users by the least global epoch of their rows.
    pub(crate) stamped: String,
    /// String, for a while: the sweeper that is at it.
    pub(crate) sweeping: String,
    /// No key, but the channel of the wake-ups; empty on a cluster, whose journals nobody follows.
    pub(crate) channel: String,
    /// Never there.
    pub(crate) nothing: String,
}

/// What one script is given: all in one slot, where there are slots.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) store: String,
    /// String: the user's epoch. Without a time to live: an epoch never vanishes.
    pub(crate) epoch: String,
    /// Hash: guid and row. It lives as long as the last of its rows.
    pub(crate) sessions: String,
    pub(crate) due: String,
    pub(crate) stamped: String,
    pub(crate) journal: String,
    /// List: the numbers of the journal's entries about the user, newest first.
    pub(crate) history: String,
    /// String, for a second: what `WAIT` waits for.
    pub(crate) mark: String,
    pub(crate) nothing: String,
}

/// The tag of the keys that are no user's: in no encoded id there is a star.
const STORE: &str = "*";

impl Keys {
    pub(crate) fn new(prefix: &str, layout: Layout) -> Self {
        let name = |name: &str| format!("{prefix}:{{{STORE}}}:{name}");
        Self {
            prefix: prefix.to_owned(),
            layout,
            store: name("store"),
            journal: name("journal"),
            everybody: name("everybody"),
            due: name("due"),
            stamped: name("stamped"),
            sweeping: name("sweeping"),
            channel: match layout {
                Layout::Server => name("wake"),
                Layout::Cluster => String::new(),
            },
            nothing: name("nothing"),
        }
    }

    /// The user's epoch and sessions: what a lookup needs.
    pub(crate) fn of_session(&self, user: &UserId) -> [String; 2] {
        let tag = encoded(user.as_str());
        ["epoch", "sessions"].map(|name| format!("{}:{{{tag}}}:{name}", self.prefix))
    }

    /// What a script about them is given.
    pub(crate) fn of(&self, whose: Whose<'_>) -> Given {
        let tag = match whose {
            Whose::Store => STORE.to_owned(),
            // Each time another, so that a cluster asks any of its nodes, as for any name.
            Whose::Nobody => format!("{STORE}{}", Uuid::new_v4().simple()),
            Whose::User(user) => encoded(user.as_str()),
        };
        let name = |name: &str| format!("{}:{{{tag}}}:{name}", self.prefix);
        let nothing = match self.layout {
            Layout::Server => self.nothing.clone(),
            Layout::Cluster => name("nothing"),
        };
        // The store's own keys, where the script can touch them.
        let shared = |key: &String| match (self.layout, whose) {
            (Layout::Cluster, Whose::Nobody | Whose::User(_)) => nothing.clone(),
            (Layout::Cluster, Whose::Store) | (Layout::Server, _) => key.clone(),
        };
        let (store, due, stamped) = (shared(&self.store), shared(&self.due), shared(&self.stamped));
        let (journal, history) = match (self.layout, whose) {
            (_, Whose::Store) => (self.journal.clone(), self.everybody.clone()),
            (Layout::Server, _) => (self.journal.clone(), name("history")),
            (Layout::Cluster, _) => (name("journal"), nothing.clone()),
        };
        let (epoch, sessions, mark) = (name("epoch"), name("sessions"), name("mark"));
        Given { store, epoch, sessions, due, stamped, journal, history, mark, nothing }
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
    use crate::slot::slot;

    #[test]
    fn an_id_is_one_hash_tag_whatever_it_is() {
        let keys = Keys::new("p", Layout::Server);
        let of = |id: &str| keys.of(Whose::User(&UserId::new(id).unwrap())).epoch;
        assert_eq!(of("ada@example.org"), "p:{ada@example.org}:epoch");
        assert_eq!(of("a}{b:c"), "p:{a%7D%7Bb%3Ac}:epoch");
        assert_eq!(of("%7D"), "p:{%257D}:epoch");
        assert_eq!(of("*"), "p:{%2A}:epoch");
        assert_eq!(keys.of(Whose::Store).epoch, "p:{*}:epoch");
        assert_eq!(keys.store, "p:{*}:store");
    }

    #[test]
    fn on_a_cluster_all_that_a_script_is_given_is_in_one_slot() {
        let keys = Keys::new("p", Layout::Cluster);
        let (ada, odd) = (UserId::new("ada").unwrap(), UserId::new("}{x").unwrap());
        for whose in [Whose::Store, Whose::Nobody, Whose::User(&ada), Whose::User(&odd)] {
            let given = keys.of(whose);
            let all = [
                &given.store,
                &given.epoch,
                &given.sessions,
                &given.due,
                &given.stamped,
                &given.journal,
                &given.history,
                &given.nothing,
            ];
            for key in all {
                assert_eq!(slot(key), slot(&given.sessions), "{key}");
            }
        }
        let store =
            [&keys.store, &keys.journal, &keys.everybody, &keys.due, &keys.stamped, &keys.sweeping];
        assert!(store.into_iter().all(|key| slot(key) == slot(&keys.nothing)));
    }
}
