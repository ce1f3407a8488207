//! The task that answers verifications: all that wait together in one statement over one
//! connection. A second connection costs the server more than it gains; it is the spare.
//!
//! What waits, who joins it and who is told what is the core's
//! ([`logout_all::store::coalesce`]). Here a batch becomes a statement.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use logout_all::store::{
    LookupAnswer, LookupAsked, Lookups,
    coalesce::{Batch, Batches},
};
use tokio::{runtime::Handle, task::JoinHandle, time::timeout};

use crate::{
    lane::{Lane, Repeat, Shared, VERB_WAIT},
    lookup,
};

/// The one in use, and the spare.
pub(crate) const CONNECTIONS: usize = 2;
/// How many sessions one statement looks up at most. Beyond some hundred nothing gets cheaper.
const TOGETHER: usize = 256;
/// After so long without an answer the next batch does not wait for it, and goes over the spare.
const PATIENCE: Duration = Duration::from_millis(200);

/// Starts the task on the store's runtime. It ends when the lookups are dropped.
pub(crate) fn start(lane: Lane, shared: Arc<Shared>, runtime: &Handle) -> Lookups {
    let (lookups, batches) = Lookups::new("PostgreSQL", VERB_WAIT, TOGETHER);
    let worker = Worker { lane, shared };
    runtime.spawn(async move {
        loop {
            let working = tokio::spawn(worker.clone().work(batches.clone()));
            match working.await {
                Err(error) if error.is_panic() => {
                    // Its callers were told by the drop of their batch.
                    tracing::error!("a lookup of the PostgreSQL session store panicked");
                }
                _ => return,
            }
        }
    });
    lookups
}

#[derive(Clone)]
struct Worker {
    lane: Lane,
    shared: Arc<Shared>,
}

impl Worker {
    async fn work(self, batches: Batches<LookupAsked, LookupAnswer>) {
        // A batch whose answer does not come. With it and one more both connections are taken.
        let mut late: Option<JoinHandle<()>> = None;
        while let Some(batch) = batches.next().await {
            let mut under_way = Box::pin(self.clone().answer(batch));
            if timeout(PATIENCE, &mut under_way).await.is_ok() {
                continue;
            }
            if let Some(mut earlier) = late.take() {
                tokio::select! {
                    () = &mut under_way => {
                        late = Some(earlier);
                        continue;
                    }
                    _ = &mut earlier => {}
                }
            }
            late = Some(tokio::spawn(under_way));
        }
    }

    async fn answer(self, batch: Batch<LookupAsked, LookupAnswer>) {
        let asked: Vec<LookupAsked> = batch.questions().cloned().collect();
        let answers = self.ask(asked).await;
        for (asked, answer) in batch.into_iter().zip(answers) {
            asked.answer(answer);
        }
    }

    /// One statement, unless it fails by one of its rows: then each half by itself, until the row
    /// is alone with its failure.
    async fn ask(&self, asked: Vec<LookupAsked>) -> Vec<LookupAnswer> {
        let mut answers = Vec::with_capacity(asked.len());
        let (mut parts, since) = (vec![asked], Instant::now());
        while let Some(mut part) = parts.pop() {
            if since.elapsed() > VERB_WAIT {
                // Nobody waits any more.
                break;
            }
            let found =
                self.lane.here(&self.shared, Repeat::Always, &part[..], lookup::lookups).await;
            match found {
                Ok(found) => answers.extend(found),
                Err(fault) if part.len() > 1 && fault.is_of_a_row() => {
                    parts.push(part.split_off(part.len() / 2));
                    parts.push(part);
                }
                Err(fault) => {
                    let told = fault.told();
                    answers.extend(part.iter().map(|_| Err(told.clone())));
                }
            }
        }
        answers
    }
}
