//! What clients of several nodes did: each call with its start and its end on the machine's monotonic
//! clock, where it was sent, and what came.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// One session: a user's device. Renewed tokens are the same session.
pub(crate) type Session = (String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Login,
    Verify,
    Renew,
    /// This device.
    LogoutDevice,
    /// All devices of the user.
    LogoutAll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A success.
    Accepted,
    /// The session is over.
    Denied,
    /// No answer, or none that says either: nothing was accepted.
    Failed,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) node: usize,
    pub(crate) session: Session,
    pub(crate) what: What,
    pub(crate) start: Duration,
    /// When it had begun for certain: of a login in two calls the end of the first, else the end.
    pub(crate) began: Duration,
    pub(crate) end: Duration,
    pub(crate) outcome: Outcome,
}

/// Clones record into one history.
#[derive(Clone)]
pub(crate) struct Recorder {
    begun: Instant,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), calls: Arc::default() }
    }

    /// Read just before a call is sent, and just after its answer came.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn record(
        &self,
        node: usize,
        session: &Session,
        what: What,
        start: Duration,
        outcome: Outcome,
    ) {
        let (session, end) = (session.clone(), self.now());
        self.add(Call { node, session, what, start, began: end, end, outcome });
    }

    pub(crate) fn add(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }

    pub(crate) fn history(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}
