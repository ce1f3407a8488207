//! A wire: one multiplexed connection to one server for one purpose, made when it is needed and
//! made again after it failed.
//!
//! A multiplexed connection is used by any number of verbs at once and needs no pool; a verb that
//! is dropped half way leaves its answer behind, and never to the next verb.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use logout_all::{StoreError, StoreErrorKind};
use redis::{
    Cmd, ErrorKind, RedisError, ServerErrorKind, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::{sync::Mutex, time::timeout};

use crate::{fault::Fault, script::Call, server::Reach};

/// How long a new connection may take.
pub(crate) const CONNECT_WAIT: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(crate) struct Wire {
    reach: Arc<Reach>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    held: Option<(u64, MultiplexedConnection)>,
    made: u64,
    /// When the last attempt ended, and how.
    failed: Option<(Instant, StoreError)>,
}

/// A connection as it was found: what is asked over it goes to the server that answered before.
#[derive(Clone)]
pub(crate) struct Held {
    wire: Wire,
    number: u64,
    connection: MultiplexedConnection,
}

impl Wire {
    pub(crate) fn new(reach: &Arc<Reach>) -> Self {
        Self { reach: Arc::clone(reach), state: Arc::default() }
    }

    /// The connection, made by whoever comes first. All who waited for an attempt that failed fail
    /// with it: one after the other they would wait for hours.
    pub(crate) async fn hold(&self) -> Result<Held, Fault> {
        let held = |number, connection| Ok(Held { wire: self.clone(), number, connection });
        let came = Instant::now();
        let mut state = self.state.lock().await;
        if let Some((number, connection)) = state.held.clone() {
            return held(number, connection);
        }
        if let Some((at, error)) = &state.failed
            && *at >= came
        {
            return Err(Fault::Connection(error.clone()));
        }
        let late = |_| {
            let message = format!("Redis accepted no connection within {CONNECT_WAIT:?}");
            Err(StoreError::new(StoreErrorKind::TimedOut, message))
        };
        let made = timeout(CONNECT_WAIT, self.reach.connect()).await.unwrap_or_else(late);
        match made {
            Ok(connection) => {
                state.made += 1;
                state.held = Some((state.made, connection.clone()));
                held(state.made, connection)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(Fault::Connection(error))
            }
        }
    }
}

/// What the server itself said, be it an error.
pub(crate) type Said = Result<Value, RedisError>;

impl Held {
    /// Where it leads.
    pub(crate) fn reach(&self) -> &Reach {
        &self.wire.reach
    }

    /// Calls a script by its hash, or whole where the server has lost it.
    pub(crate) async fn call(&self, call: &Call, wait: Duration) -> Result<Said, Fault> {
        let unknown =
            |error: &RedisError| error.kind() == ErrorKind::Server(ServerErrorKind::NoScript);
        match self.send(&call.by_hash(), wait).await? {
            Err(error) if unknown(&error) => self.send(&call.whole(), wait).await,
            said => Ok(said),
        }
    }

    /// Calls a script on the node that a slot is being moved to. `ASKING` is for the next command
    /// of the connection: both go out as one, so that nobody's command comes between.
    pub(crate) async fn call_asking(&self, call: &Call, wait: Duration) -> Result<Said, Fault> {
        let mut both = redis::pipe();
        both.add_command(redis::cmd("ASKING")).add_command(call.whole());
        let mut connection = self.connection.clone();
        let Ok(answers) = timeout(wait, connection.req_packed_commands(&both, 0, 2)).await else {
            self.leave().await;
            return Err(Fault::silent());
        };
        Ok(answers.and_then(|answers| {
            let said = answers.into_iter().map(Value::extract_error);
            said.collect::<Result<Vec<Value>, RedisError>>()
                .map(|mut both| both.pop().unwrap_or(Value::Nil))
        }))
    }

    pub(crate) async fn ask(&self, command: &Cmd, wait: Duration) -> Result<Value, Fault> {
        let said = self.send(command, wait).await?;
        self.sorted(said).await
    }

    /// One round trip. A connection that is silent is left to those who still wait on it.
    async fn send(&self, command: &Cmd, wait: Duration) -> Result<Said, Fault> {
        let mut connection = self.connection.clone();
        if let Ok(answer) = timeout(wait, connection.req_packed_command(command)).await {
            return Ok(answer.and_then(Value::extract_error));
        }
        self.leave().await;
        Err(Fault::silent())
    }

    /// What was said as it counts here; a connection that failed is left.
    pub(crate) async fn sorted(&self, said: Said) -> Result<Value, Fault> {
        match said {
            Ok(value) => Ok(value),
            Err(error) => {
                let fault = Fault::of(&error);
                if matches!(fault, Fault::Connection(_)) {
                    self.leave().await;
                }
                Err(fault)
            }
        }
    }

    async fn leave(&self) {
        let mut state = self.wire.state.lock().await;
        if state.held.as_ref().is_some_and(|(number, _)| *number == self.number) {
            state.held = None;
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}
