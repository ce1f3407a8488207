//! The three kinds of failure, never confused: whose fault decides the answer.

use crate::{
    scheme::{Denied, Usage},
    store::StoreError,
    token::IssueError,
};

/// Why an operation did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthError {
    /// The client's: 4xx.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store's: 503. The client keeps its login and tries again.
    #[error("the session store does not answer: {0}")]
    Store(#[from] StoreError),
    /// The application's: 500. No input of a client can reach it.
    #[error(transparent)]
    Usage(#[from] Usage),
}

impl From<IssueError> for AuthError {
    /// A key that signed when it was loaded and does not any more is a matter of the set-up too.
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Usage(usage) => Self::Usage(usage),
            other => Self::Usage(Usage::OutOfRange(other.to_string().into())),
        }
    }
}

/// `Sessions` could not be built.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Settings that contradict each other or cannot be.
    #[error("the settings cannot be: {0}")]
    Settings(#[from] Usage),
    /// The store does not answer.
    #[error("the session store does not answer: {0}")]
    Store(#[from] StoreError),
    /// `build` was called outside of a Tokio runtime.
    #[error("build Sessions inside a Tokio runtime: its tasks live there")]
    NoRuntime,
}
