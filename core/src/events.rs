//! What happened, told to the application's sink (mails, audit, metrics) and to `tracing`.
//!
//! No event holds a token, a refTokID, a key or a cookie. Levels: a denial is debug, a sign-in or
//! an ending is info, reuse is a warning, an outage is an error and is told once until it is over.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    scheme::{By, EndReason, Guid, RenewalKind, Reuse, UserId},
    store::{Scope, StoreError},
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

/// Where events go. Cheap to clone; clones share the memory of whether the store is lost.
#[derive(Clone, Default)]
pub(crate) struct Events {
    sink: Option<Arc<dyn EventSink>>,
    store_is_lost: Arc<AtomicBool>,
}

impl Events {
    pub(crate) fn new(sink: Option<Arc<dyn EventSink>>) -> Self {
        Self { sink, store_is_lost: Arc::default() }
    }

    pub(crate) fn tell(&self, event: &Event) {
        log(event);
        let Some(sink) = &self.sink else { return };
        if catch_unwind(AssertUnwindSafe(|| sink.event(event))).is_err() {
            tracing::error!("the application's event sink panicked; the operation stands");
        }
    }

    /// Passes a store's answer through and tells, once each, that the store is lost or back.
    pub(crate) fn watch<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        match &answer {
            Ok(_) => {
                // Read first: the usual case writes nothing that other cores would have to fetch.
                if self.store_is_lost.load(Ordering::Relaxed)
                    && self.store_is_lost.swap(false, Ordering::Relaxed)
                {
                    self.tell(&Event::StoreBack);
                }
            }
            Err(error) => {
                if !self.store_is_lost.swap(true, Ordering::Relaxed) {
                    self.tell(&Event::StoreLost { error: error.clone() });
                }
            }
        }
        answer
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
    use crate::store::StoreErrorKind;

    #[test]
    fn an_outage_is_told_once() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let into = told.clone();
        let sink = move |event: &Event| into.lock().unwrap().push(format!("{event:?}"));
        let events = Events::new(Some(Arc::new(sink)));
        let failure = || Err::<(), _>(StoreError::new(StoreErrorKind::Unavailable, "gone"));
        let _ = (events.watch(Ok(())), events.watch(failure()), events.watch(failure()));
        let _ = (events.watch(Ok(())), events.watch(Ok(())));
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("StoreLost") && told[1] == "StoreBack", "{told:?}");
    }

    #[test]
    fn a_sink_that_panics_changes_nothing() {
        let events = Events::new(Some(Arc::new(|_: &Event| panic!("sink"))));
        events.tell(&Event::StoreBack);
    }
}
