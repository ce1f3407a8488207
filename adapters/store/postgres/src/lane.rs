//! A lane: the connections of one role, and how a verb gets one, tries again, and ends in time.
//!
//! Everything happens on the runtime that built the store: its connections are driven there, and
//! each verb runs there in a task of its own. So a handler that is dropped half way cuts nothing
//! in half and leaves no connection in the middle of an answer, and a caller's runtime that stalls
//! or stops, as a worker of a web server may, takes no connection with it.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use deadpool_postgres::{
    ClientWrapper, Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError,
    QueueMode, RecyclingMethod, Runtime, TimeoutType,
};
use logout_all::{Clock, StoreError, StoreErrorKind};
use tokio::{runtime::Handle, task::JoinHandle, time::timeout};
use tokio_postgres::{Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    db::{Db, Statements},
    fault::{Cause, Fault, REPLICA},
    server::{CONNECT_WAIT, Reach},
    silence::{Silence, Trust},
};

/// How long a verb waits for one of its lane's connections to become free.
const POOL_WAIT: Duration = Duration::from_secs(1);
/// How long a whole verb takes at most, whatever the network does; a poll's is shorter.
pub(crate) const VERB_WAIT: Duration = Duration::from_secs(4);
/// How long one connection may be silent about what may be asked again over another: a little longer
/// than its `statement_timeout`.
const SILENT: Duration = Duration::from_millis(2250);
/// The same for polls: what they answer is worth less with each millisecond, and the next one comes.
const POLL_WAIT: Duration = Duration::from_millis(1500);
const POLL_SILENT: Duration = Duration::from_millis(600);
/// What a connection that was idle is asked before it is lent, and how long that may take.
const PROBE_WAIT: Duration = Duration::from_millis(500);
/// An idle connection may have died unnoticed, as behind a firewall; a busy one would have told.
const IDLE: Duration = Duration::from_secs(5);
/// How often a transaction that lost against another one is tried again.
const RETRIES: u32 = 3;

/// What the connections of a lane are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Verifications, all together in one statement.
    Lookup,
    /// Other reads.
    Read,
    /// Polls of the journal. They wait for no request, and none waits for them.
    Poll,
    Write,
    End,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Read => "read",
            Self::Poll => "poll",
            Self::Write => "write",
            Self::End => "end",
        }
    }

    /// How long a whole verb takes at most, and how long one connection may be silent.
    fn waits(self) -> (Duration, Duration) {
        match self {
            Self::Poll => (POLL_WAIT, POLL_SILENT),
            _ => (VERB_WAIT, SILENT),
        }
    }

    /// Said once on each new connection, in one round trip that also asks what the server is.
    fn set_up(self) -> &'static str {
        match self {
            // One plan for every user and every number of them, made once and never by guesses
            // about small or unanalysed tables: all that such a connection reads, it reads by a
            // key. (A statement over arrays would else be planned anew each time, and a plan from
            // when the epochs were few would read all of them for each session.)
            Self::Lookup | Self::Read => {
                "SET statement_timeout = 2000; SET idle_in_transaction_session_timeout = 5000; \
                 SET default_transaction_isolation = 'read committed'; SET timezone = 'UTC'; \
                 SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
                 SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; \
                 SET jit = off; SELECT pg_is_in_recovery()"
            }
            // Each poll says all that it needs, and is planned anew: behind a proxy that moves
            // connections between transactions none of this is there. Where it is, a journal that
            // has grown since the server looked at it last is not read from end to end.
            Self::Poll => {
                "SET statement_timeout = 500; SET enable_seqscan = off; \
                 SET enable_bitmapscan = off; SET jit = off; SELECT pg_is_in_recovery()"
            }
            Self::Write | Self::End => {
                "SET statement_timeout = 2000; SET idle_in_transaction_session_timeout = 5000; \
                 SET default_transaction_isolation = 'read committed'; SET timezone = 'UTC'; \
                 SET jit = off; SELECT pg_is_in_recovery()"
            }
        }
    }
}

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
        let heard = silence.clone();
        let connect = OnRuntime { tls: reach.tls.clone(), runtime: runtime.clone() };
        let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(reach.config_for(role.name()), connect, fast);
        let pool = Pool::builder(manager)
            .max_size(size)
            // The one in use stays the one in use.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(POOL_WAIT))
            .create_timeout(Some(CONNECT_WAIT))
            .recycle_timeout(Some(PROBE_WAIT))
            .post_create(Hook::async_fn(move |client, _| Box::pin(set_up(client, role))))
            .pre_recycle(Hook::async_fn(move |client, metrics| {
                let trust = match heard.trust(metrics.recycled.unwrap_or(metrics.created)) {
                    Trust::Whole if role == Role::End || metrics.last_used() > IDLE => Trust::Asked,
                    trust => trust,
                };
                Box::pin(probe(client, trust, heard.clone()))
            }))
            .build();
        let pool = pool.map_err(|error| {
            let message = "the pool of PostgreSQL connections cannot be made";
            StoreError::new(StoreErrorKind::Unavailable, message).with_cause(error)
        })?;
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

/// Opens and drives connections on the store's runtime, whoever asks for one.
struct OnRuntime {
    tls: MakeRustlsConnect,
    runtime: Handle,
}

type Connecting<'a> = Pin<
    Box<
        dyn Future<Output = Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>>
            + Send
            + 'a,
    >,
>;

impl Connect for OnRuntime {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let (config, tls) = (config.clone(), self.tls.clone());
        let opening = self.runtime.spawn(async move {
            let (client, connection) = config.connect(tls).await?;
            let driver = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    let cause = Cause::of(&error);
                    tracing::debug!(%cause, "a PostgreSQL connection ended");
                }
            });
            Ok((client, driver))
        });
        Box::pin(async move {
            match opening.await {
                Ok(opened) => opened,
                // The runtime is gone: nothing will come, and the pool's own wait ends.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

async fn set_up(client: &mut ClientWrapper, role: Role) -> Result<(), HookError> {
    let answer = timeout(CONNECT_WAIT, client.simple_query(role.set_up())).await;
    let answer = answer.map_err(|_| HookError::message("a new connection did not answer"))?;
    let answer = answer.map_err(|error| HookError::message(Cause::of(&error).to_string()))?;
    let replica = answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten() == Some("t"),
        _ => false,
    });
    if replica {
        return Err(HookError::message(REPLICA));
    }
    Ok(())
}

/// Finds out whether a connection from the pool still is one.
async fn probe(
    client: &mut ClientWrapper,
    trust: Trust,
    silence: Silence,
) -> Result<(), HookError> {
    let dead = HookError::message("the connection is dead");
    if client.is_closed() || trust == Trust::None {
        return Err(dead);
    }
    if trust == Trust::Whole {
        return Ok(());
    }
    match timeout(PROBE_WAIT, client.simple_query("")).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(dead),
        Err(_) => {
            silence.find();
            Err(dead)
        }
    }
}
