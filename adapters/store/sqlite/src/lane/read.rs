//! Reads other than lookups: a thread drains their queue and answers what it drained from one
//! snapshot.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Instant, SystemTime},
};

use deadpool_sqlite::rusqlite::Connection;
use logout_all::{Clock, StoreError};
use tokio::sync::oneshot;

use super::{Answer, QUEUE, TURN_WAIT, answered, begin, guarded, no_thread, no_turn, too_many};
use crate::fault::Fault;

/// How many jobs are answered from one snapshot.
const BATCH: usize = 64;

/// The queue of reads. Dropping it ends its thread, once it has answered what waits.
pub(crate) struct ReadLane {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Job {
    queued: Instant,
    /// Answers by itself, from a snapshot or with the reason why there is none.
    run: Box<dyn FnOnce(Snapshot<'_>) + Send>,
}

/// A connection inside its read transaction, and the clock from just before it began.
type Snapshot<'a> = Result<(&'a Connection, SystemTime), Fault>;

impl ReadLane {
    pub(crate) fn start(connection: Connection, clock: &Clock) -> Result<Self, StoreError> {
        let shared = Arc::<Shared>::default();
        let lane = Self { shared: Arc::clone(&shared) };
        let clock = clock.clone();
        thread::Builder::new()
            .name("logout-all-read".to_owned())
            .spawn(move || shared.work(&connection, &clock))
            .map_err(no_thread)?;
        Ok(lane)
    }

    /// Runs a read on a snapshot that is taken after this call, with the clock at that instant.
    pub(crate) async fn run<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, SystemTime) -> Answer<T> + Send + 'static,
    {
        let (to, answer) = oneshot::channel();
        let run = move |snapshot: Snapshot<'_>| {
            // Nobody waits any more, as when a client hung up: nothing to do.
            if !to.is_closed() {
                let _ = to.send(snapshot.and_then(|(connection, now)| read(connection, now)));
            }
        };
        self.shared.push(Job { queued: Instant::now(), run: Box::new(run) })?;
        answered(answer).await
    }
}

impl Drop for ReadLane {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn push(&self, job: Job) -> Result<(), StoreError> {
        let mut queue = self.lock();
        if queue.jobs.len() >= QUEUE {
            return Err(too_many());
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    fn work(&self, connection: &Connection, clock: &Clock) {
        while let Some(jobs) = self.next() {
            guarded(connection, "a read", || answer(connection, clock, jobs));
        }
    }

    /// Waits for jobs; none once the lane is closed and empty.
    fn next(&self) -> Option<Vec<Job>> {
        let mut queue = self.lock();
        while queue.jobs.is_empty() {
            if queue.closed {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let count = queue.jobs.len().min(BATCH);
        Some(queue.jobs.drain(..count).collect())
    }

    // Under this lock jobs are moved and never run.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All jobs were queued before the snapshot is taken: each sees what had returned before it came.
fn answer(connection: &Connection, clock: &Clock, jobs: Vec<Job>) {
    let now = clock.now();
    let begun = begin(connection);
    for job in jobs {
        (job.run)(match &begun {
            _ if job.queued.elapsed() > TURN_WAIT => Err(no_turn().into()),
            Ok(()) => Ok((connection, now)),
            Err(error) => Err(Fault::Store(error.clone())),
        });
    }
}
