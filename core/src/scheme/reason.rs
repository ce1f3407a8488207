//! Why a session ended, and by whom: what the journal keeps.

use std::{fmt, sync::Arc};

use super::Guid;

/// Why sessions ended. Every ending verb takes one and the journal keeps it for 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The device signed itself out, or was signed out from the device list.
    Logout,
    /// The user signed out every other device.
    Others,
    /// The user signed out everywhere.
    Everywhere,
    /// Everybody was signed out (`logout_everyone`).
    Everyone,
    /// Sessions from before a date were ended (`logout_before`).
    Before,
    /// An operator ended it.
    Operator,
    /// A token that had been replaced was renewed: theft.
    Reuse,
    /// A newer login took its place under the device limit.
    Evicted,
    /// The same client signed in again.
    Replaced,
    /// The user was locked.
    Locked,
    /// The password was changed.
    Password,
    /// A row was deleted by other means than the library.
    ByHand,
    /// Not an ending: the user's data changed, and caches forget it.
    Changed,
    /// Nothing more is known: the caller says no more, or a later release wrote a reason that this one
    /// does not know. Nodes forget what the entry names, and ask the store whether it ended.
    Unspecified,
}

impl EndReason {
    const ALL: [(Self, &'static str); 14] = [
        (Self::Logout, "logout"),
        (Self::Others, "others"),
        (Self::Everywhere, "everywhere"),
        (Self::Everyone, "everyone"),
        (Self::Before, "before"),
        (Self::Operator, "operator"),
        (Self::Reuse, "reuse"),
        (Self::Evicted, "evicted"),
        (Self::Replaced, "replaced"),
        (Self::Locked, "locked"),
        (Self::Password, "password"),
        (Self::ByHand, "by-hand"),
        (Self::Changed, "changed"),
        (Self::Unspecified, "unspecified"),
    ];

    /// The word that stores keep.
    pub fn as_str(self) -> &'static str {
        // Every variant is in the table: the test below counts them.
        Self::ALL.iter().find(|(reason, _)| *reason == self).map_or("", |(_, word)| word)
    }

    /// Reads the word that a store kept; a later release's, which this one does not know, is
    /// [`EndReason::Unspecified`]: nodes of both follow the same journal during an upgrade.
    pub fn parse(word: &str) -> Self {
        let known = Self::ALL.iter().find(|(_, known)| *known == word);
        known.map_or(Self::Unspecified, |(reason, _)| *reason)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who ended it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum By {
    /// The user, from this device session.
    Device(Guid),
    /// An operator or a job, under the name that the application gives.
    Operator(Arc<str>),
    /// The application's own code, without a name.
    Application,
    /// A rule of the library: device limit, reuse, a login that replaces a session.
    Policy,
}

impl By {
    /// An operator or job by name; control characters are removed and the name is cut at 200 bytes.
    pub fn operator(name: &str) -> Self {
        Self::Operator(super::text::clean_and_cut(name, 200).into())
    }

    /// Reads the text that a store kept; what is unreadable counts as the application.
    pub fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some(("device", guid)) => Guid::parse(guid).map_or(Self::Application, Self::Device),
            Some(("operator", name)) => Self::Operator(name.into()),
            _ if text == "policy" => Self::Policy,
            _ => Self::Application,
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(guid) => write!(f, "device:{guid}"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::Application => f.write_str("application"),
            Self::Policy => f.write_str("policy"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_word_and_reads_back() {
        for (reason, word) in EndReason::ALL {
            assert_eq!(reason.as_str(), word);
            assert_eq!(EndReason::parse(word), reason);
        }
        // A new variant does not compile until it is named here, and then must be counted.
        let is_known = |reason| match reason {
            EndReason::Logout
            | EndReason::Others
            | EndReason::Everywhere
            | EndReason::Everyone
            | EndReason::Before
            | EndReason::Operator
            | EndReason::Reuse
            | EndReason::Evicted
            | EndReason::Replaced
            | EndReason::Locked
            | EndReason::Password
            | EndReason::ByHand
            | EndReason::Changed
            | EndReason::Unspecified => true,
        };
        let known = EndReason::ALL.iter().filter(|(reason, _)| is_known(*reason)).count();
        assert_eq!(known, 14);
        assert_eq!(EndReason::parse("a-later-one"), EndReason::Unspecified);
    }

    #[test]
    fn who_reads_back() {
        for by in [By::Device(Guid::random()), By::operator("ops: x"), By::Application, By::Policy]
        {
            assert_eq!(By::parse(&by.to_string()), by);
        }
    }
}
