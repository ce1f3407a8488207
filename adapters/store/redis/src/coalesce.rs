//! The tasks that answer verifications from one server: all that wait go together, in one call of
//! one script. On a cluster a script cannot touch two users' slots, and each lookup goes by itself.
//!
//! What waits, who joins it and who is told what is the core's
//! ([`logout_all::store::coalesce`]). Here a batch becomes a call.

use std::{sync::Arc, time::Duration};

use logout_all::store::{
    LookupAnswer, LookupAsked, Lookups,
    coalesce::{Batch, Batches},
};
use tokio::{runtime::Handle, time::timeout};

use crate::{line::Line, shared::Shared, store::VERB_WAIT};

/// How many calls are under way at once.
const UNDER_WAY: usize = 2;
/// How many sessions one call looks up at most: it holds the server up for so long.
const TOGETHER: usize = 64;
/// After so long without an answer the next batch does not wait for it.
const PATIENCE: Duration = Duration::from_millis(10);

/// Starts the tasks on the store's runtime. They end when the lookups are dropped.
pub(crate) fn start(line: &Line, shared: &Arc<Shared>, runtime: &Handle) -> Lookups {
    let (lookups, batches) = Lookups::new("Redis", VERB_WAIT, TOGETHER);
    for _ in 0..UNDER_WAY {
        let worker = Worker { line: line.clone(), shared: Arc::clone(shared) };
        let batches = batches.clone();
        runtime.spawn(async move {
            loop {
                let working = tokio::spawn(worker.clone().work(batches.clone()));
                match working.await {
                    Err(error) if error.is_panic() => {
                        // Its callers were told by the drop of their batch.
                        tracing::error!("a lookup of the Redis session store panicked");
                    }
                    _ => return,
                }
            }
        });
    }
    lookups
}

#[derive(Clone)]
struct Worker {
    line: Line,
    shared: Arc<Shared>,
}

impl Worker {
    async fn work(self, batches: Batches<LookupAsked, LookupAnswer>) {
        while let Some(batch) = batches.next().await {
            // Once that is over, all who asked have given up.
            let mut under_way = Box::pin(timeout(VERB_WAIT, self.clone().answer(batch)));
            if timeout(PATIENCE, &mut under_way).await.is_err() {
                tokio::spawn(under_way);
            }
        }
    }

    async fn answer(self, batch: Batch<LookupAsked, LookupAnswer>) {
        let asked: Vec<&LookupAsked> = batch.questions().collect();
        match self.shared.lookups(&self.line, &asked).await {
            Ok(answers) => {
                for (asked, answer) in batch.into_iter().zip(answers) {
                    asked.answer(answer);
                }
            }
            Err(fault) => {
                let told = fault.told();
                batch.into_iter().for_each(|asked| asked.answer(Err(told.clone())));
            }
        }
    }
}
