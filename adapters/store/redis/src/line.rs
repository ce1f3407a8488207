//! A line: one multiplexed connection for one purpose, made when it is needed and made again after
//! it failed.
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
pub(crate) struct Line {
    reach: Arc<Reach>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    made: u64,
    /// When the last attempt ended, and how.
    failed: Option<(Instant, StoreError)>,
}

/// A connection as it was found: what is asked over it goes to the server that answered before.
#[derive(Clone)]
pub(crate) struct Held {
    number: u64,
    connection: MultiplexedConnection,
}

impl Line {
    pub(crate) fn new(reach: &Arc<Reach>) -> Self {
        Self { reach: Arc::clone(reach), state: Arc::default() }
    }

    /// Calls a script by its hash, or whole where the server has lost it.
    pub(crate) async fn call(&self, call: &Call, wait: Duration) -> Result<Value, Fault> {
        self.call_over(&self.hold().await?, call, wait).await
    }

    pub(crate) async fn call_over(
        &self,
        held: &Held,
        call: &Call,
        wait: Duration,
    ) -> Result<Value, Fault> {
        let unknown =
            |error: &RedisError| error.kind() == ErrorKind::Server(ServerErrorKind::NoScript);
        let answer = match self.send(held, &call.by_hash(), wait).await? {
            Err(error) if unknown(&error) => self.send(held, &call.whole(), wait).await?,
            answer => answer,
        };
        self.sorted(held, answer).await
    }

    pub(crate) async fn ask(&self, command: &Cmd, wait: Duration) -> Result<Value, Fault> {
        self.ask_over(&self.hold().await?, command, wait).await
    }

    pub(crate) async fn ask_over(
        &self,
        held: &Held,
        command: &Cmd,
        wait: Duration,
    ) -> Result<Value, Fault> {
        let answer = self.send(held, command, wait).await?;
        self.sorted(held, answer).await
    }

    /// One round trip. A connection that is silent is left to those who still wait on it.
    async fn send(
        &self,
        held: &Held,
        command: &Cmd,
        wait: Duration,
    ) -> Result<Result<Value, RedisError>, Fault> {
        let mut connection = held.connection.clone();
        if let Ok(answer) = timeout(wait, connection.req_packed_command(command)).await {
            return Ok(answer.and_then(Value::extract_error));
        }
        self.leave(held).await;
        Err(Fault::silent())
    }

    async fn sorted(&self, held: &Held, answer: Result<Value, RedisError>) -> Result<Value, Fault> {
        match answer {
            Ok(value) => Ok(value),
            Err(error) => {
                let fault = Fault::of(&error);
                if matches!(fault, Fault::Connection(_)) {
                    self.leave(held).await;
                }
                Err(fault)
            }
        }
    }

    async fn leave(&self, held: &Held) {
        let mut state = self.state.lock().await;
        if state.held.as_ref().is_some_and(|current| current.number == held.number) {
            state.held = None;
        }
    }

    /// The connection, made by whoever comes first. All who waited for an attempt that failed fail
    /// with it: one after the other they would wait for hours.
    pub(crate) async fn hold(&self) -> Result<Held, Fault> {
        let came = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(held) = &state.held {
            return Ok(held.clone());
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
                let held = Held { number: state.made, connection };
                state.held = Some(held.clone());
                Ok(held)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(Fault::Connection(error))
            }
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
