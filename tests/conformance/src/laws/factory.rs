//! What an author of a store gives: a way to a fresh one.

use std::{any::Any, error::Error, fmt, future::Future, pin::Pin};

use logout_all::{Clock, SessionStore, UserId, store::JournalOrder};

/// Why a fresh store could not be had. `?` turns any error into it.
pub type FactoryError = Box<dyn Error + Send + Sync>;

/// Gives each trial a store of its own: fresh, empty, and on a clock that the trial moves.
pub trait StoreFactory: Send + Sync + 'static {
    /// The store under trial.
    type Store: SessionStore;

    /// The first part of the trials' names: `memory`, `sqlite`, …
    fn name(&self) -> String;

    /// A fresh, empty store: a database, schema, file or key prefix of its own. Trials run beside
    /// one another.
    fn fresh(&self) -> impl Future<Output = Result<Fresh<Self::Store>, FactoryError>> + Send;

    /// Whether the store's journal is one list of everything. Laws about the common journal are
    /// reported as ignored, with the reason, where there is none; the others read the histories of
    /// the users instead. That the store says the same of itself is a law.
    fn journal_order(&self) -> JournalOrder {
        JournalOrder::Common
    }

    /// How often a law about a race runs it. More finds more; a store that waits for a disk at
    /// each write is given fewer, so that the suite takes seconds; the badge then says so.
    fn rounds(&self) -> usize {
        ROUNDS
    }
}

/// How often a law about a race runs it, unless the factory says otherwise.
pub(super) const ROUNDS: usize = 40;

/// A store for one trial.
pub struct Fresh<S> {
    pub(super) store: S,
    pub(super) second: Option<S>,
    pub(super) clock: Clock,
    pub(super) users: Option<UsersTable>,
    pub(super) keep_alive: Vec<Box<dyn Any + Send>>,
}

/// How a user stands in the application's users table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In it, and to be served, with this in the column `name`.
    Active {
        /// What the store has to give back as user data, under `name`.
        name: String,
    },
    /// In it, and not to be served.
    Locked,
    /// Not in it (any more).
    Absent,
}

type Written = Pin<Box<dyn Future<Output = Result<(), FactoryError>> + Send>>;

/// Writes one user's standing into the users table that the store joins.
pub(super) type UsersTable = Box<dyn Fn(UserId, Standing) -> Written + Send + Sync>;

impl<S: SessionStore> Fresh<S> {
    /// A store and the clock that it follows: the laws move it by days, forward and back.
    pub fn new(store: S, clock: Clock) -> Self {
        Self { store, second: None, clock, users: None, keep_alive: Vec::new() }
    }

    /// A second handle on the same data and clock, as another node would open it. Without one, law
    /// L4 is reported as ignored, the races of the others run over one handle, and there is no badge.
    pub fn second(mut self, handle: S) -> Self {
        self.second = Some(handle);
        self
    }

    /// For a store that joins the users table: `write` gives a user that standing. The store names
    /// the column `name` as user data. Without it, the store must say `NotAsked`.
    pub fn users<W, F>(mut self, write: W) -> Self
    where
        W: Fn(UserId, Standing) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), FactoryError>> + Send + 'static,
    {
        self.users = Some(Box::new(move |user, standing| Box::pin(write(user, standing))));
        self
    }

    /// Keeps something until the trial is over and its store dropped: a temporary folder, a server.
    pub fn keep_alive(mut self, what: impl Any + Send) -> Self {
        self.keep_alive.push(Box::new(what));
        self
    }
}

impl<S> fmt::Debug for Fresh<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").field("second", &self.second.is_some()).finish_non_exhaustive()
    }
}
