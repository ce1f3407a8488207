//! What a case says when the contract is broken.

use std::fmt;

/// A sentence of the contract that does not hold: what was asked, what was expected, what came.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation(String);

/// What a case gives.
pub type Outcome = Result<(), Violation>;

impl Violation {
    /// With these words.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

impl From<String> for Violation {
    fn from(words: String) -> Self {
        Self(words)
    }
}

impl From<crate::client::ClientError> for Violation {
    fn from(error: crate::client::ClientError) -> Self {
        Self(error.to_string())
    }
}

impl From<&str> for Violation {
    fn from(words: &str) -> Self {
        Self(words.to_owned())
    }
}

impl From<logout_all::AuthError> for Violation {
    fn from(error: logout_all::AuthError) -> Self {
        Self(format!("in the server's process: {error}"))
    }
}

impl From<logout_all::Usage> for Violation {
    fn from(error: logout_all::Usage) -> Self {
        Self(format!("in the server's process: {error}"))
    }
}

impl From<logout_all::KeyError> for Violation {
    fn from(error: logout_all::KeyError) -> Self {
        Self(format!("a key of the suite: {error}"))
    }
}

/// Ends the case with these words unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err($crate::cases::Violation::new(format!($($words)+)));
        }
    };
}

/// Ends the case unless both are equal.
macro_rules! ensure_eq {
    ($found:expr, $wanted:expr, $($words:tt)+) => {
        match (&$found, &$wanted) {
            (found, wanted) => {
                if *found != *wanted {
                    return Err($crate::cases::Violation::new(format!(
                        "{}\nexpected: {wanted:?}\n     got: {found:?}",
                        format_args!($($words)+)
                    )));
                }
            }
        }
    };
}

pub(crate) use {ensure, ensure_eq};
