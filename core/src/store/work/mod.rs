//! Who answers batches: how many at a time, how long each may take, and what becomes of one that
//! panics. It knows no database.

use std::{
    future::{Future, poll_fn},
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

use super::coalesce::{Batch, Batches};

/// How the batches of [`Lookups::answered`](super::Lookups::answered) follow one another.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many questions one batch has at most.
    pub together: usize,
    /// How many batches are waited for at a time: with two, the next is on its way while one is
    /// answered.
    pub abreast: usize,
    /// After so long without an answer, the next batch does not wait for it.
    pub patience: Duration,
    /// How many batches are under way at most, those that are not waited for with them. With so many
    /// silent, questions wait, and in the end the newest are refused. At least `abreast`.
    pub under_way: usize,
}

/// Starts the tasks. They end when the callers are gone.
pub(super) fn start<Q, A, Answering>(
    store: &'static str,
    limit: Duration,
    pace: Pace,
    runtime: &Handle,
    batches: &Batches<Q, A>,
    answer: &(impl Fn(Batch<Q, A>) -> Answering + Clone + Send + Sync + 'static),
) where
    Q: Eq + Hash + Clone + Send + 'static,
    A: Clone + Send + 'static,
    Answering: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(pace.under_way.max(pace.abreast)));
    for _ in 0..pace.abreast {
        let (room, batches, answer) = (Arc::clone(&room), batches.clone(), answer.clone());
        runtime.spawn(async move {
            // The semaphore is never closed.
            while let Ok(place) = Arc::clone(&room).acquire_owned().await {
                let Some(batch) = batches.next().await else { return };
                let answering = guarded(store, limit, answer.clone(), batch);
                let mut under_way = Box::pin(async move {
                    answering.await;
                    drop(place);
                });
                if timeout(pace.patience, &mut under_way).await.is_err() {
                    tokio::spawn(under_way);
                }
            }
        });
    }
}

/// Answers one batch: within the limit, after which all who asked have given up, and without a
/// panic, which is logged. Those whom nobody answered are told by the drop of their question.
async fn guarded<Q, A, Answering>(
    store: &'static str,
    limit: Duration,
    answer: impl Fn(Batch<Q, A>) -> Answering,
    batch: Batch<Q, A>,
) where
    Answering: Future<Output = ()>,
{
    let mut answering = pin!(timeout(limit, async move { answer(batch).await }));
    poll_fn(|context| {
        // What panicked is not looked at again.
        let look = AssertUnwindSafe(|| answering.as_mut().poll(context));
        catch_unwind(look).unwrap_or_else(|_| {
            tracing::error!(store, "answering lookups panicked; those who asked were refused");
            Poll::Ready(Ok(()))
        })
    })
    .await
    .unwrap_or_default();
}

#[cfg(test)]
mod tests;
