//! What the lanes of one store know together about connections that fell silent, as behind a
//! firewall that forgot them. Where one is, others are: without this, each lane would find out for
//! itself, connection by connection, when the network is long back.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Silence(Arc<Mutex<Noticed>>);

#[derive(Debug, Default)]
struct Noticed {
    /// A verb ended by its limit. It may have been slow.
    suspected: Option<Instant>,
    /// A connection did not answer an empty question.
    found: Option<Instant>,
}

/// How far a connection from the pool is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It was good a moment ago.
    Whole,
    /// It is asked before it is lent.
    Asked,
    /// It is closed.
    None,
}

impl Silence {
    pub(crate) fn suspect(&self) {
        self.noticed(|noticed| noticed.suspected = Some(Instant::now()));
    }

    pub(crate) fn find(&self) {
        self.noticed(|noticed| noticed.found = Some(Instant::now()));
    }

    /// What a connection deserves that was lent last at that instant.
    pub(crate) fn trust(&self, lent: Instant) -> Trust {
        self.noticed(|noticed| match noticed {
            Noticed { found: Some(at), .. } if lent <= *at => Trust::None,
            Noticed { suspected: Some(at), .. } if lent <= *at => Trust::Asked,
            _ => Trust::Whole,
        })
    }

    fn noticed<T>(&self, with: impl FnOnce(&mut Noticed) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
