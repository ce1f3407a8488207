//! A store that cannot answer.

use std::{error::Error, fmt, sync::Arc};

/// The store's failure: answered as 503, never as a denial. Keeps its cause. Cheap to clone.
#[derive(Clone)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Arc<str>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What kind of failure it is: for metrics and for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Not reachable, or it refused.
    Unavailable,
    /// It did not answer within the limit.
    TimedOut,
    /// The schema is absent, or a later one that this binary is too old for.
    Schema,
    /// A row holds what no version of the library writes.
    Corrupt,
    /// This store cannot do it, today or later.
    Unsupported,
    /// The task that ran the operation was stopped, as at a shutdown.
    Stopped,
}

impl StoreErrorKind {
    /// The word for it, as metrics have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed-out",
            Self::Schema => "schema",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::Stopped => "stopped",
        }
    }
}

impl StoreError {
    /// A failure with what happened, to what, and what to do.
    pub fn new(kind: StoreErrorKind, message: impl Into<Arc<str>>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    /// The same with the error behind it.
    pub fn with_cause(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StoreError");
        shown.field("kind", &self.kind).field("message", &self.message);
        shown.field("cause", &self.cause.as_ref().map(ToString::to_string)).finish()
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
