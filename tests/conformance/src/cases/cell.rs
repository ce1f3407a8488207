//! What an author gives to the suite: one server, started on demand.

use std::{any::Any, fmt, future::Future, net::SocketAddr, pin::Pin, sync::Arc};

use logout_all::{
    Clock, KeyError, Keys, Mode, SessionStore, Sessions, SessionsBuilder, Transports,
};
use uuid::Uuid;

use super::token::{self, Secret};
use crate::counted::{Accesses, Counted};

/// The name of the session cookie in the suite: without a prefix, since there is no TLS here.
pub const COOKIE: &str = "session-conformance";

/// `iss` of every token.
pub const ISSUER: &str = "https://app.example";

/// One framework over one store. The suite starts as many servers of it as it needs: one for each
/// choice of transports, which most cases share, and one for each case that moves the clock, takes
/// the store away or needs other settings.
pub trait Cell: Send + Sync + 'static {
    /// `axum::memory`: the first part of the names of its trials.
    fn name(&self) -> String;

    /// Starts a server on a free port of the loopback interface, over an empty store. It answers
    /// when this returns.
    ///
    /// # Errors
    /// Why it could not be started, in words: the case fails with them.
    fn start(&self, settings: Settings) -> impl Future<Output = Result<Running, String>> + Send;

    /// What the server software does to requests before any code of the adapter. None, unless it
    /// says so.
    fn quirks(&self) -> &'static [Quirk] {
        &[]
    }

    /// In which mode its servers answer: strict, unless it says so. A cell for cached mode has another
    /// name, and a lease that is short, since every logout waits for it.
    fn mode(&self) -> Mode {
        Mode::Strict
    }
}

/// What some server does to a request before any code of the library sees it, so that no adapter can
/// help it. The cases then expect just what follows from it, and fail where it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quirk {
    /// It drops header lines whose values are not UTF-8: what stands in them was not sent.
    DropsLinesNotInUtf8,
    /// It waits for the first 14 bytes of an announced body before it looks at anything.
    WaitsForBodies,
    /// While an answer is under way, it notices only when it writes that the client is gone.
    NoticesLeaversLate,
}

impl fmt::Display for Quirk {
    /// As it stands in a badge, behind "the server".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DropsLinesNotInUtf8 => "drops header lines that are not UTF-8",
            Self::WaitsForBodies => "waits for the first bytes of a body",
            Self::NoticesLeaversLate => "notices late that a client is gone",
        })
    }
}

/// How a server is to be set up.
#[derive(Clone)]
pub struct Settings {
    transports: Transports,
    keys: Keys,
    secret: Secret,
    clock: Clock,
    accesses: Accesses,
    mode: Mode,
    configure: Configure,
}

/// What a case changes at the builder.
pub(crate) type Configure = fn(SessionsBuilder) -> SessionsBuilder;

impl Settings {
    pub(crate) fn new(transports: Transports, mode: Mode) -> Result<Self, KeyError> {
        let secret = Secret::random();
        Ok(Self {
            transports,
            keys: Keys::hs256(secret.bytes())?,
            secret,
            clock: Clock::system(),
            accesses: Accesses::default(),
            mode,
            configure: |builder| builder,
        })
    }

    pub(crate) fn configured(self, configure: Configure) -> Self {
        Self { configure, ..self }
    }

    pub(crate) fn with_public_key(self) -> Result<Self, KeyError> {
        Ok(Self { keys: token::ed25519_keys()?, ..self })
    }

    /// The clock of this server, for the store to be opened with where the process is its clock.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// `Sessions` over that store, set up as the case needs it. The cell may add what belongs to
    /// its application, such as `.users(…)`, and then builds.
    pub fn sessions(&self, store: impl SessionStore) -> SessionsBuilder {
        let counted = Counted::new(store, self.accesses.clone());
        let builder = Sessions::builder(counted, self.keys.clone(), ISSUER)
            .danger_clock(self.clock.clone())
            .danger_plain_http_cookie(COOKIE)
            .transports(self.transports)
            .mode(self.mode.clone());
        (self.configure)(builder)
    }

    pub(crate) fn transports(&self) -> Transports {
        self.transports
    }

    pub(crate) fn mode(&self) -> &Mode {
        &self.mode
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(crate) fn accesses(&self) -> &Accesses {
        &self.accesses
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("transports", &self.transports).finish_non_exhaustive()
    }
}

type Adding = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;
type AddUser = Box<dyn Fn(String, String) -> Adding + Send + Sync>;

/// A server that answers.
pub struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) sessions: Sessions,
    pub(crate) admin_token: String,
    add_user: AddUser,
    /// Dropped when no case needs the server any more.
    _kept: Box<dyn Any + Send + Sync>,
}

impl Running {
    /// A server at that address: its `Sessions`, and its application's token for operators.
    ///
    /// `add_user(name, password)` creates a user who may sign in, and gives the text of the user's
    /// id. The suite makes thousands: let the password hash be as cheap as it can be made.
    pub fn new<F>(
        address: SocketAddr,
        sessions: Sessions,
        admin_token: impl Into<String>,
        add_user: impl Fn(String, String) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        Self {
            address,
            sessions,
            admin_token: admin_token.into(),
            add_user: Box::new(move |name, password| Box::pin(add_user(name, password))),
            _kept: Box::new(()),
        }
    }

    /// Keeps that until the server is not needed any more: dropping it stops the server and
    /// removes its files.
    #[must_use]
    pub fn keeping(self, kept: impl Any + Send + Sync) -> Self {
        Self { _kept: Box::new(kept), ..self }
    }

    pub(crate) async fn add_user(&self, password: &str) -> Result<(String, String), String> {
        let name = format!("user-{}", Uuid::new_v4().simple());
        let id = (self.add_user)(name.clone(), password.to_owned()).await?;
        Ok((id, name))
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

type Starting<'a> = Pin<Box<dyn Future<Output = Result<Running, String>> + Send + 'a>>;

/// The dyn twin of [`Cell`].
pub(crate) trait DynCell: Send + Sync {
    fn start(&self, settings: Settings) -> Starting<'_>;
    fn quirks(&self) -> &'static [Quirk];
    fn mode(&self) -> Mode;
}

impl<C: Cell> DynCell for C {
    fn start(&self, settings: Settings) -> Starting<'_> {
        Box::pin(Cell::start(self, settings))
    }

    fn quirks(&self) -> &'static [Quirk] {
        Cell::quirks(self)
    }

    fn mode(&self) -> Mode {
        Cell::mode(self)
    }
}

/// A server and how it was set up.
pub(crate) struct Live {
    pub(crate) settings: Settings,
    pub(crate) running: Running,
}

impl Live {
    pub(crate) async fn start(cell: &dyn DynCell, settings: Settings) -> Result<Arc<Self>, String> {
        let running = cell.start(settings.clone()).await;
        let running = running.map_err(|why| format!("the server does not start: {why}"))?;
        Ok(Arc::new(Self { settings, running }))
    }
}
