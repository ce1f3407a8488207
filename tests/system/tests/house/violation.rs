//! A broken rule, as a reader needs it.

use std::fmt::{self, Display, Formatter};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// A package or `file:line`.
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) to_do: &'static str,
}

impl Display for Violation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { who, what, to_do } = self;
        write!(f, "- {who}: {what}; {to_do}")
    }
}
