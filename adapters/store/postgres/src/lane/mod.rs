//! A lane: the connections of one role, and how a verb gets one, tries again, and ends in time.
//!
//! Everything happens on the runtime that built the store: its connections are driven there, and
//! each verb runs there in a task of its own. So a handler that is dropped half way cuts nothing
//! in half and leaves no connection in the middle of an answer, and a caller's runtime that stalls
//! or stops, as a worker of a web server may, takes no connection with it.

mod connections;
mod role;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use deadpool_postgres::{Object, Pool, PoolError, TimeoutType};
use logout_all::{Clock, StoreError, StoreErrorKind};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    db::{Db, Statements},
    fault::Fault,
    server::{CONNECT_WAIT, Reach},
    silence::Silence,
};
pub(crate) use role::{Role, VERB_WAIT};

/// How long a verb waits for one of its lane's connections to become free.
const POOL_WAIT: Duration = Duration::from_secs(1);
/// How often a transaction that lost against another one is tried again.
const RETRIES: u32 = 3;

/// Which verbs may run again after their connection failed at an unknown point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Reads, and writes that change nothing the second time.
    Always,
    /// Only where it is certain that nothing was committed.
    IfNothingHappened,
}

/// What a verb does on its connection.
pub(crate) type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

#[derive(Clone)]
pub(crate) struct Lane {
    pool: Pool,
    role: Role,
    runtime: Handle,
    silence: Silence,
}

impl Lane {
    pub(crate) fn new(
        reach: &Reach,
        role: Role,
        size: usize,
        runtime: &Handle,
        silence: &Silence,
    ) -> Result<Self, StoreError> {
        let pool = connections::pool(reach, role, size, runtime, silence)?;
        Ok(Self { pool, role, runtime: runtime.clone(), silence: silence.clone() })
    }

    /// How many connections it opens at most.
    pub(crate) fn connections(&self) -> usize {
        self.pool.status().max_size
    }

    /// Runs a verb in a task of its own.
    pub(crate) async fn run<X, T>(
        &self,
        shared: &Arc<Shared>,
        repeat: Repeat,
        input: X,
        work: for<'a> fn(Db<'a>, &'a X) -> Work<'a, T>,
    ) -> Result<T, StoreError>
    where
        X: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (lane, shared) = (self.clone(), Arc::clone(shared));
        let verb =
            async move { lane.here(&shared, repeat, &input, work).await.map_err(Fault::told) };
        self.runtime.spawn(verb).await.unwrap_or_else(|error| {
            let message = "the task of a PostgreSQL operation was stopped";
            Err(StoreError::new(StoreErrorKind::Stopped, message).with_cause(error))
        })
    }

    /// Runs a verb in the task that calls this: one of the store's own.
    pub(crate) async fn here<X: ?Sized, T>(
        &self,
        shared: &Shared,
        repeat: Repeat,
        input: &X,
        work: for<'a> fn(Db<'a>, &'a X) -> Work<'a, T>,
    ) -> Result<T, Fault> {
        let attempts = self.attempts(shared, repeat, input, work);
        let (wait, _) = self.role.waits();
        match timeout(wait, attempts).await {
            Ok(answer) => answer,
            // The connection was dropped with the attempt.
            Err(_) => Err(self.silent(wait)),
        }
    }

    async fn attempts<X: ?Sized, T>(
        &self,
        shared: &Shared,
        repeat: Repeat,
        input: &X,
        work: for<'a> fn(Db<'a>, &'a X) -> Work<'a, T>,
    ) -> Result<T, Fault> {
        let (mut tried, (_, wait)) = (0, self.role.waits());
        loop {
            let mut lent = self.lend().await?;
            let attempt = work(lent.db(shared)?, input);
            let answer = match repeat {
                Repeat::Always => match timeout(wait, attempt).await {
                    Ok(answer) => answer,
                    Err(_) => Err(self.silent(wait)),
                },
                Repeat::IfNothingHappened => attempt.await,
            };
            lent.give_back_after(&answer);
            let Err(fault) = answer else { return answer };
            let again = fault.is_conflict()
                || fault.is_of_connection()
                || fault.spoils_connection() && repeat == Repeat::Always;
            if !again || tried == RETRIES {
                return Err(fault);
            }
            tried += 1;
            // Not in step with the transaction that it lost against.
            tokio::time::sleep(Duration::from_millis(u64::from(tried * tried * 5))).await;
        }
    }

    /// No answer came. Where one connection is silent, others may be.
    fn silent(&self, within: Duration) -> Fault {
        self.silence.suspect();
        let message = format!(
            "PostgreSQL did not answer within {within:?}; what was under way takes place wholly or \
             not at all, and may be repeated"
        );
        StoreError::new(StoreErrorKind::TimedOut, message).into()
    }

    async fn lend(&self) -> Result<Lent, Fault> {
        let object = self.pool.get().await.map_err(|error| self.not_lent(error))?;
        Ok(Lent { object: Some(object), state: State::Unknown })
    }

    fn not_lent(&self, error: PoolError) -> Fault {
        let role = self.role.name();
        let told = |kind, message: String| StoreError::new(kind, message).into();
        match error {
            PoolError::Backend(error) => Fault::Sql(error),
            PoolError::Timeout(TimeoutType::Wait) => {
                let message = format!("all {role} connections were busy for {POOL_WAIT:?}");
                told(StoreErrorKind::TimedOut, message)
            }
            PoolError::Timeout(_) => {
                let message = format!("PostgreSQL accepted no connection within {CONNECT_WAIT:?}");
                told(StoreErrorKind::TimedOut, message)
            }
            PoolError::PostCreateHook(error) => {
                told(StoreErrorKind::Unavailable, error.to_string())
            }
            other => told(StoreErrorKind::Stopped, other.to_string()),
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("role", &self.role).finish_non_exhaustive()
    }
}

/// What all verbs of a store share.
pub(crate) struct Shared {
    pub(crate) sql: Statements,
    pub(crate) clock: Clock,
}

/// A connection on loan. Unless it is known to be well, it is closed instead of given back: in the
/// pool a silent one would hang the next verb, and the one after that.
struct Lent {
    object: Option<Object>,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Unknown,
    Well,
}

impl Lent {
    fn db<'a>(&'a mut self, shared: &'a Shared) -> Result<Db<'a>, StoreError> {
        match &mut self.object {
            Some(object) => {
                Ok(Db { client: object, sql: &shared.sql, offset_us: shared.clock.offset_micros() })
            }
            None => Err(StoreError::new(StoreErrorKind::Stopped, "the connection was given back")),
        }
    }

    fn give_back_after<T>(&mut self, answer: &Result<T, Fault>) {
        if answer.as_ref().err().is_none_or(|fault| !fault.spoils_connection()) {
            self.state = State::Well;
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (State::Unknown, Some(object)) = (&self.state, self.object.take()) {
            drop(Object::take(object));
        }
    }
}
