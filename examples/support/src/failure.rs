//! What goes wrong: in a request, and at the start.

use std::{fmt, io, net::SocketAddr, path::PathBuf};

use logout_all::{
    AuthError, BuildError, Denied, KeyError, Problem, Reply, StoreError, http::Refusal,
};

/// Why a request of the example's own routes is refused. Each framework turns the reply into its
/// response.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The library's reason.
    Auth(AuthError),
    /// The example's own.
    Problem(Problem),
}

impl Failure {
    /// The answer: a problem document, as `docs/http.md` lists them.
    pub fn into_reply(self) -> Reply {
        match self {
            Self::Auth(error) => Refusal::without_sessions(error).into_reply(),
            // The examples keep the default realm.
            Self::Problem(problem) => problem.reply("logout-all"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => error.fmt(f),
            Self::Problem(problem) => f.write_str(problem.code()),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Auth(error) => error.source(),
            Self::Problem(_) => None,
        }
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::Auth(denied.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Auth(error.into())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Why the server does not start. The text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port is taken, or the address is not this machine's.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        why: io::Error,
    },
    /// A file cannot be made or read.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
    /// The kept signing key can be read by others, or is none.
    #[error("the signing key in {} {why}", path.display())]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// The signing key cannot be one.
    #[error("the signing key: {0}")]
    Key(#[from] KeyError),
    /// The admin token cannot be one.
    #[error("an admin token has 1 to 255 visible ASCII characters, and no spaces")]
    AdminToken,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The system gives no thread for password hashes.
    #[error("cannot start a thread for password hashes: {0}")]
    Thread(#[source] std::io::Error),
    /// Argon2 does not work.
    #[error("Argon2 does not work here: {0}")]
    Argon2(argon2::password_hash::Error),
    /// The URL of the database cannot be read, or asks for what the demo has not.
    #[error("{0}")]
    Database(&'static str),
    /// The database cannot be opened, or lacks something.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Settings that contradict each other.
    #[error("{0}")]
    Build(#[from] BuildError),
    /// The demo's users cannot be added.
    #[error("the demo's users cannot be added: {0}")]
    Seed(#[from] Failure),
    /// The server ended by itself.
    #[error("the server: {0}")]
    Serve(io::Error),
}
