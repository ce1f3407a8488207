//! What goes wrong inside a verb, and how it is told. No message repeats a value that was sent.

use std::{error::Error, fmt};

use logout_all::{StoreError, StoreErrorKind};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What a key of the wrong type is told as.
pub(crate) const HIDDEN: &str = "a key in the Redis store is of a type that no version of logout-all \
                                 writes";

/// A failure on the way through one verb.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection failed or is silent: whether the command took place is not known.
    Connection(StoreError),
    /// The server refused the command, and did nothing.
    Refused(StoreError),
    /// Neither: found by us.
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    pub(crate) fn of(error: &RedisError) -> Self {
        let told = |kind, message: &str| {
            StoreError::new(kind, message.to_owned()).with_cause(Cause::of(error))
        };
        let unavailable = StoreErrorKind::Unavailable;
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Refused(told(
                unavailable,
                "the Redis user lacks a permission (docs/redis.md, \"Permissions\")",
            )),
            // Over this connection nothing better will come: the next one may find the primary.
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::Connection(told(
                unavailable,
                "the Redis server takes no writes: it is a replica now?",
            )),
            ErrorKind::Server(_) | ErrorKind::Extension if error.code() == Some("WRONGTYPE") => {
                Self::Refused(told(StoreErrorKind::Corrupt, HIDDEN))
            }
            ErrorKind::Server(_) | ErrorKind::Extension => {
                // The driver's own words: the servers have several.
                let selects = error.to_string().contains("refused to switch database");
                // Redis 6.2 tells of it inside the error of the script.
                let full = error.detail().is_some_and(|detail| detail.contains("-OOM "));
                let message = match error.code() {
                    _ if full => "Redis is out of memory (maxmemory); nothing was changed",
                    _ if selects => {
                        "Redis has no database of the number in the URL (of a cluster: 0 alone)"
                    }
                    Some("OOM") => "Redis is out of memory (maxmemory); nothing was changed",
                    Some("CLUSTERDOWN" | "MASTERDOWN") => {
                        "the Redis Cluster is down, or nobody serves the user's slot; nothing was \
                         changed"
                    }
                    Some("READONLY") => "the Redis server takes no writes: it is a replica now?",
                    Some("MISCONF") => "Redis cannot write to its disk and takes no changes",
                    _ => "Redis could not carry the operation out",
                };
                Self::Refused(told(unavailable, message))
            }
            ErrorKind::AuthenticationFailed => {
                Self::Refused(told(unavailable, "Redis refused the user name or the password"))
            }
            _ => Self::Connection(told(unavailable, "Redis cannot be reached")),
        }
    }

    pub(crate) fn silent() -> Self {
        let message = "Redis did not answer in time";
        Self::Connection(StoreError::new(StoreErrorKind::TimedOut, message))
    }

    /// The failure as the port tells it.
    pub(crate) fn told(self) -> StoreError {
        match self {
            Self::Connection(error) | Self::Refused(error) | Self::Store(error) => error,
        }
    }

    /// The failure of a commit: nobody knows whether it took place.
    pub(crate) fn of_commit(self) -> Self {
        match self {
            Self::Connection(cause) => {
                let message = "the connection to Redis broke before the change was confirmed; it \
                               took place wholly or not at all, and may be repeated";
                Self::Connection(StoreError::new(cause.kind(), message).with_cause(cause))
            }
            other => other,
        }
    }
}

/// A driver's error without what the server quotes: an error of a script may repeat an argument.
#[derive(Debug)]
pub(crate) struct Cause(String);

impl Cause {
    pub(crate) fn of(error: &RedisError) -> Self {
        let text = match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => {
                format!("Redis answered {}", error.code().unwrap_or("an error"))
            }
            ErrorKind::Io => error.to_string(),
            kind => format!("{kind:?}"),
        };
        Self(text)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}
