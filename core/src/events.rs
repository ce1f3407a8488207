//! What happened, told to the application's sink (mails, audit, metrics) and to `tracing`.
//!
//! No event holds a token, a refTokID, a key or a cookie. Levels: a denial is debug, a sign-in or
//! an ending is info, reuse is a warning, an outage is an error and is told once until it is over.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use crate::{
    metrics,
    scheme::{By, EndReason, Guid, RenewalKind, Reuse, UserId},
    store::{Scope, StoreError, StoreErrorKind},
};

/// Something that happened. Told after it took effect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A login stored a device session.
    SignedIn {
        /// Who.
        user: UserId,
        /// The new session.
        guid: Guid,
        /// What the client says it is.
        user_agent: Option<String>,
        /// The client's address, where it is kept.
        ip: Option<String>,
    },
    /// A token was renewed.
    Renewed {
        /// Whose.
        user: UserId,
        /// Which session.
        guid: Guid,
        /// By which rule.
        kind: RenewalKind,
    },
    /// A token that had been replaced was renewed while its successor was in use: somebody has a
    /// copy. A mail to the user is in order.
    Reuse {
        /// Whose.
        user: UserId,
        /// Which session.
        guid: Guid,
        /// What was done about it.
        policy: Reuse,
        /// What the client that presented the old token says it is.
        user_agent: Option<String>,
    },
    /// Sessions ended.
    Ended {
        /// Whose; none: everybody's.
        user: Option<UserId>,
        /// Which, as far as they are known by name: all that were alive.
        guids: Vec<Guid>,
        /// What was asked for; none for `logout_everyone`.
        scope: Option<Scope>,
        /// Why.
        reason: EndReason,
        /// By whom.
        by: By,
    },
    /// The store stopped answering.
    StoreLost {
        /// The failure that showed it.
        error: StoreError,
    },
    /// The store answers again.
    StoreBack,
    /// In cached mode: this node does not answer from memory any more, because it cannot read the
    /// journal in time. It asks the store each time, as in strict mode.
    LeaseLost {
        /// What its last look at the journal failed with, if that is what happened.
        error: Option<StoreError>,
    },
    /// In cached mode: it answers from memory again.
    LeaseBack,
}

/// The application's listener. It is called on the task that did the work: keep it short, and hand
/// long work to a task of your own. A sink that panics is logged and changes nothing.
///
/// ```
/// use logout_all::{Event, EventSink};
/// let sink = |event: &Event| {
///     if let Event::Reuse { user, .. } = event {
///         println!("warn {user} by mail");
///     }
/// };
/// fn takes(_: impl EventSink) {}
/// takes(sink);
/// ```
pub trait EventSink: Send + Sync + 'static {
    /// Called once for each event.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> EventSink for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

/// Where events go. Cheap to clone; clones share the memory of what is lost.
#[derive(Clone, Default)]
pub(crate) struct Events {
    sink: Option<Arc<dyn EventSink>>,
    /// One bit for each [`Side`] that does not answer.
    lost: Arc<AtomicU8>,
}

/// Which part of the stores an answer is of. A full disk fails the writes and no read: one side's
/// success says nothing about another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Reads = 1,
    Writes = 2,
    Directory = 4,
}

impl Events {
    pub(crate) fn new(sink: Option<Arc<dyn EventSink>>) -> Self {
        Self { sink, lost: Arc::default() }
    }

    pub(crate) fn tell(&self, event: &Event) {
        count(event);
        // A subscriber that panics, as one may whose output is closed, must not turn an operation
        // that took effect into a failure.
        let _ = catch_unwind(AssertUnwindSafe(|| log(event)));
        let Some(sink) = &self.sink else { return };
        if catch_unwind(AssertUnwindSafe(|| sink.event(event))).is_err() {
            tracing::error!("the application's event sink panicked; the operation stands");
        }
    }

    /// Passes a store's answer through and tells, once each, that the store is lost or back.
    pub(crate) fn watch<T>(
        &self,
        side: Side,
        answer: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let bit = side as u8;
        if let Err(error) = &answer {
            metrics::store_failed(side.as_str(), error.kind().as_str());
        }
        match &answer {
            // Read first: the usual case writes nothing that other cores would have to fetch.
            Ok(_) if self.lost.load(Ordering::Relaxed) & bit == 0 => {}
            Ok(_) => {
                if self.lost.fetch_and(!bit, Ordering::Relaxed) == bit {
                    self.tell(&Event::StoreBack);
                }
            }
            // One damaged row is no outage.
            Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                tracing::error!(%error, "the session store holds what nobody wrote");
            }
            Err(error) => {
                if self.lost.fetch_or(bit, Ordering::Relaxed) == 0 {
                    self.tell(&Event::StoreLost { error: error.clone() });
                }
            }
        }
        answer
    }
}

impl Side {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Directory => "directory",
        }
    }
}

/// What one node saw once: whatever every node sees is not counted here.
fn count(event: &Event) {
    match event {
        Event::SignedIn { .. } => metrics::signed_in(),
        Event::Reuse { .. } => metrics::reused(),
        Event::Ended { reason, .. } => metrics::ended(reason.as_str()),
        Event::LeaseLost { .. } => metrics::lease_lost(),
        // Renewals are counted with those that are refused.
        Event::Renewed { .. } | Event::StoreLost { .. } | Event::StoreBack | Event::LeaseBack => {}
    }
}

fn log(event: &Event) {
    match event {
        Event::SignedIn { user, guid, .. } => tracing::info!(%user, %guid, "signed in"),
        Event::Renewed { user, guid, kind } => {
            tracing::debug!(%user, %guid, kind = kind.as_str(), "token renewed");
        }
        Event::Reuse { user, guid, policy, .. } => {
            tracing::warn!(%user, %guid, ?policy, "a replaced token was renewed: it was copied");
        }
        Event::Ended { user: Some(user), guids, reason, by, .. } => {
            tracing::info!(%user, ended = guids.len(), %reason, %by, "sessions ended");
        }
        Event::Ended { user: None, reason, by, .. } => {
            tracing::info!(%reason, %by, "everybody's sessions ended");
        }
        Event::StoreLost { error } => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "the session store does not answer");
        }
        Event::StoreBack => tracing::info!("the session store answers again"),
        Event::LeaseLost { error } => {
            let error = error.as_ref().map(ToString::to_string);
            tracing::warn!(error, "the lease is over: every verification asks the session store");
        }
        Event::LeaseBack => tracing::info!("the lease is back: answers come from memory again"),
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("sink", &self.sink.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn failure(kind: StoreErrorKind) -> Result<(), StoreError> {
        Err(StoreError::new(kind, "gone"))
    }

    /// What is told of these answers.
    fn told(answers: Vec<(Side, Result<(), StoreError>)>) -> Vec<String> {
        let told = Arc::new(Mutex::new(Vec::new()));
        let into = told.clone();
        let sink = move |event: &Event| {
            let event = format!("{event:?}");
            into.lock().unwrap().push(event.split_whitespace().next().unwrap().to_owned());
        };
        let events = Events::new(Some(Arc::new(sink)));
        for (side, answer) in answers {
            let _ = events.watch(side, answer);
        }
        let told = told.lock().unwrap();
        told.clone()
    }

    #[test]
    fn an_outage_is_told_once() {
        use Side::{Reads, Writes};
        let gone = || failure(StoreErrorKind::Unavailable);
        let answers = vec![(Reads, Ok(())), (Reads, gone()), (Reads, gone()), (Reads, Ok(()))];
        assert_eq!(told(answers), ["StoreLost", "StoreBack"]);
        let full_disk = vec![(Writes, gone()), (Reads, Ok(())), (Writes, gone()), (Reads, Ok(()))];
        assert_eq!(told(full_disk), ["StoreLost"], "reads say nothing of writes");
        let both = vec![(Writes, gone()), (Reads, gone()), (Reads, Ok(())), (Writes, Ok(()))];
        assert_eq!(told(both), ["StoreLost", "StoreBack"]);
        assert!(told(vec![(Reads, failure(StoreErrorKind::Corrupt))]).is_empty());
    }

    #[test]
    fn a_sink_that_panics_changes_nothing() {
        let events = Events::new(Some(Arc::new(|_: &Event| panic!("sink"))));
        events.tell(&Event::StoreBack);
    }
}
