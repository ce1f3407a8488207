//! What is explored: the coalescer, and its twins that are broken in one thing each.

use std::{collections::HashMap, future::Future};

use shuttle::sync::Mutex;
use tokio::sync::oneshot;

use crate::coalesce::{Batch, Batches, Bounds, Callers, Refused};

/// The state of the store that a query saw.
pub(crate) type Seen = u64;

pub(crate) trait Subject: Send + Sync + Sized + 'static {
    fn new(bounds: Bounds) -> (Self, Batches<u8, Seen>);
    fn ask(&self, question: u8) -> impl Future<Output = Result<Seen, Refused>> + Send;
    /// How many callers wait for a batch.
    fn waiting(&self) -> usize;
    /// The batch's query is sent now.
    fn sent(&self, _: &Batch<u8, Seen>) {}
    /// It was answered.
    fn answer(&self, batch: Batch<u8, Seen>, seen: Seen) {
        for asked in batch {
            asked.answer(seen);
        }
    }
}

impl Subject for Callers<u8, Seen> {
    fn new(bounds: Bounds) -> (Self, Batches<u8, Seen>) {
        Callers::new(bounds)
    }

    fn ask(&self, question: u8) -> impl Future<Output = Result<Seen, Refused>> + Send {
        self.ask(question)
    }

    fn waiting(&self) -> usize {
        self.waiting()
    }
}

/// The obvious mistake: whoever asks what a query under way asks already joins it.
pub(crate) struct JoinsWhatWasSent {
    callers: Callers<u8, Seen>,
    under_way: Mutex<HashMap<u8, Vec<oneshot::Sender<Seen>>>>,
}

impl Subject for JoinsWhatWasSent {
    fn new(bounds: Bounds) -> (Self, Batches<u8, Seen>) {
        let (callers, batches) = Callers::new(bounds);
        (Self { callers, under_way: Mutex::default() }, batches)
    }

    async fn ask(&self, question: u8) -> Result<Seen, Refused> {
        let joined = self.under_way.lock().unwrap().get_mut(&question).map(|waiting| {
            let (caller, answer) = oneshot::channel();
            waiting.push(caller);
            answer
        });
        match joined {
            Some(answer) => answer.await.map_err(|_| Refused::Stopped),
            None => self.callers.ask(question).await,
        }
    }

    fn waiting(&self) -> usize {
        self.callers.waiting()
    }

    fn sent(&self, batch: &Batch<u8, Seen>) {
        let mut under_way = self.under_way.lock().unwrap();
        under_way.extend(batch.questions().map(|question| (*question, Vec::new())));
    }

    fn answer(&self, batch: Batch<u8, Seen>, seen: Seen) {
        for asked in batch {
            let joined = self.under_way.lock().unwrap().remove(asked.question());
            for caller in joined.into_iter().flatten() {
                let _ = caller.send(seen);
            }
            asked.answer(seen);
        }
    }
}

/// The other one: who gives up takes along who asked the same.
pub(crate) struct TakesOthersAlong {
    callers: Callers<u8, Seen>,
    /// Dropped, they take their caller along.
    ties: Ties,
}

type Ties = Mutex<HashMap<u8, Vec<oneshot::Sender<()>>>>;

impl Subject for TakesOthersAlong {
    fn new(bounds: Bounds) -> (Self, Batches<u8, Seen>) {
        let (callers, batches) = Callers::new(bounds);
        (Self { callers, ties: Mutex::default() }, batches)
    }

    async fn ask(&self, question: u8) -> Result<Seen, Refused> {
        let (tie, taken_along) = oneshot::channel();
        self.ties.lock().unwrap().entry(question).or_default().push(tie);
        let mut leaving = Leaving { ties: &self.ties, question, gives_up: true };
        let answer = tokio::select! {
            biased;
            answer = self.callers.ask(question) => answer,
            _ = taken_along => Err(Refused::Stopped),
        };
        leaving.gives_up = false;
        answer
    }

    fn waiting(&self) -> usize {
        self.callers.waiting()
    }
}

struct Leaving<'a> {
    ties: &'a Ties,
    question: u8,
    gives_up: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if self.gives_up {
            let taken_along = self.ties.lock().unwrap().remove(&self.question);
            drop(taken_along);
        }
    }
}
