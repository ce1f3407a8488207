//! The writer thread: takes the write lock, then drains a queue, and commits what it drained
//! together.
//!
//! The lock first, the jobs later: whoever comes while the thread waits for another process's
//! lock still gets into this commit, and an ending goes before everything else that waits.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Instant, SystemTime},
};

use deadpool_sqlite::rusqlite::{self, Connection};
use logout_all::{Clock, StoreError, StoreErrorKind};
use tokio::sync::oneshot;

use super::{Answer, QUEUE, TURN_WAIT, answered, guarded, no_thread, no_turn, too_many};
use crate::fault::Fault;

/// How many jobs share a commit: an ending waits for no more than these.
const BATCH: usize = 64;

/// What a write waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Endings: they go before all that waits, and share a commit with endings alone.
    Ending,
    /// Logins, renewals, touches, sweeps.
    Ordinary,
}

/// The queues of writes. Dropping it ends its thread, once it has answered what waits.
pub(crate) struct WriteLane {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queues: Mutex<Queues>,
    wake: Condvar,
}

#[derive(Default)]
struct Queues {
    endings: VecDeque<Box<dyn Job>>,
    ordinary: VecDeque<Box<dyn Job>>,
    closed: bool,
}

/// One write: run inside the batch's transaction, answered after its commit.
trait Job: Send {
    /// Whether nobody waits for it any more: it is then never begun.
    fn abandoned(&self) -> bool;
    fn queued(&self) -> Instant;
    /// Keeps its own answer; what it wrote is rolled back if that is a failure.
    fn run(&mut self, connection: &Connection, now: SystemTime) -> Outcome;
    fn answer(self: Box<Self>, batch: &Result<(), StoreError>);
}

enum Outcome {
    Keep,
    Undo,
}

struct Write<T, F> {
    queued: Instant,
    work: Option<F>,
    answer: Option<Answer<T>>,
    to: oneshot::Sender<Answer<T>>,
}

impl WriteLane {
    /// After each commit, once its jobs were answered, `after_commit` is called.
    pub(crate) fn start(
        connection: Connection,
        clock: &Clock,
        mut after_commit: impl FnMut(&Connection) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let shared = Arc::<Shared>::default();
        let lane = Self { shared: Arc::clone(&shared) };
        let clock = clock.clone();
        thread::Builder::new()
            .name("logout-all-write".to_owned())
            .spawn(move || shared.work(&connection, &clock, &mut after_commit))
            .map_err(no_thread)?;
        Ok(lane)
    }

    /// Runs a write inside an IMMEDIATE transaction, with the clock read under its lock, and
    /// answers once that is committed. A failed write leaves nothing behind.
    pub(crate) async fn run<T, F>(&self, urgency: Urgency, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, SystemTime) -> Answer<T> + Send + 'static,
    {
        let (to, answer) = oneshot::channel();
        let job = Write { queued: Instant::now(), work: Some(write), answer: None, to };
        self.shared.push(urgency, Box::new(job))?;
        answered(answer).await
    }
}

impl Drop for WriteLane {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn push(&self, urgency: Urgency, job: Box<dyn Job>) -> Result<(), StoreError> {
        let mut queues = self.lock();
        let queue = match urgency {
            Urgency::Ending => &mut queues.endings,
            Urgency::Ordinary => &mut queues.ordinary,
        };
        if queue.len() >= QUEUE {
            return Err(too_many());
        }
        queue.push_back(job);
        drop(queues);
        self.wake.notify_one();
        Ok(())
    }

    fn work(
        &self,
        connection: &Connection,
        clock: &Clock,
        after_commit: &mut impl FnMut(&Connection),
    ) {
        while self.wait() {
            guarded(connection, "a write", || self.batch(connection, clock, after_commit));
        }
    }

    fn batch(
        &self,
        connection: &Connection,
        clock: &Clock,
        after_commit: &mut impl FnMut(&Connection),
    ) {
        if let Err(error) = step(connection, "BEGIN IMMEDIATE") {
            return self.refuse(&error);
        }
        let mut jobs = self.drain();
        let mut batch = Ok(());
        for job in &mut jobs {
            batch = run_one(job.as_mut(), connection, clock.now());
            if batch.is_err() {
                break;
            }
        }
        let batch = batch.and_then(|()| step(connection, "COMMIT"));
        for job in jobs {
            job.answer(&batch);
        }
        if batch.is_ok() {
            after_commit(connection);
        }
    }

    /// Waits for a job; false once the lane is closed and empty.
    fn wait(&self) -> bool {
        let mut queues = self.lock();
        while queues.endings.is_empty() && queues.ordinary.is_empty() {
            if queues.closed {
                return false;
            }
            queues = self.wake.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    fn drain(&self) -> Vec<Box<dyn Job>> {
        let mut queues = self.lock();
        let queue =
            if queues.endings.is_empty() { &mut queues.ordinary } else { &mut queues.endings };
        let count = queue.len().min(BATCH);
        queue.drain(..count).filter(|job| !job.abandoned()).collect()
    }

    /// The lock was not to be had. Whoever came late keeps the place for the next attempt, so
    /// that a job waits for one second and one attempt at most.
    fn refuse(&self, error: &StoreError) {
        let mut refused = Vec::new();
        let mut queues = self.lock();
        let Queues { endings, ordinary, .. } = &mut *queues;
        for queue in [endings, ordinary] {
            let late = queue.iter().take_while(|job| job.queued().elapsed() >= TURN_WAIT);
            let count = match error.kind() {
                StoreErrorKind::TimedOut => late.count(),
                _ => queue.len(),
            };
            refused.extend(queue.drain(..count));
        }
        drop(queues);
        for job in refused {
            job.answer(&Err(error.clone()));
        }
    }

    // Under this lock jobs are moved and never run.
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one job inside a savepoint of its own. A failure here is the whole batch's.
fn run_one(job: &mut dyn Job, connection: &Connection, now: SystemTime) -> Result<(), StoreError> {
    step(connection, "SAVEPOINT logout_all_job")?;
    if let Outcome::Undo = job.run(connection, now) {
        // Out of disk or memory, SQLite rolls the whole transaction back by itself; what the
        // others of the batch wrote is then gone as well.
        step(connection, "ROLLBACK TO logout_all_job")?;
    }
    step(connection, "RELEASE logout_all_job")
}

fn step(connection: &Connection, sql: &'static str) -> Result<(), StoreError> {
    let step = || -> rusqlite::Result<()> {
        connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    };
    step().map_err(|error| Fault::from(error).told())
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection, SystemTime) -> Answer<T> + Send,
{
    fn abandoned(&self) -> bool {
        self.to.is_closed()
    }

    fn queued(&self) -> Instant {
        self.queued
    }

    fn run(&mut self, connection: &Connection, now: SystemTime) -> Outcome {
        let Some(work) = self.work.take() else { return Outcome::Undo };
        let answer = work(connection, now);
        let outcome = if answer.is_ok() { Outcome::Keep } else { Outcome::Undo };
        self.answer = Some(answer);
        outcome
    }

    fn answer(self: Box<Self>, batch: &Result<(), StoreError>) {
        let answer = match (self.answer, batch) {
            // What it found stands, whatever became of the others.
            (Some(Err(fault)), _) => Err(fault),
            (_, Err(error)) => Err(error.clone().into()),
            (Some(Ok(answer)), Ok(())) => Ok(answer),
            (None, Ok(())) => Err(no_turn().into()),
        };
        let _ = self.to.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, sync::mpsc};

    use super::*;

    fn lane() -> (tempfile::TempDir, WriteLane, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let open = || Connection::open(folder.path().join("lane.db")).unwrap();
        let (ours, theirs) = (open(), open());
        theirs.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE done (what TEXT)").unwrap();
        (folder, WriteLane::start(ours, &Clock::system(), |_| ()).unwrap(), theirs)
    }

    fn done(connection: &Connection) -> Vec<String> {
        let mut statement = connection.prepare("SELECT what FROM done ORDER BY rowid").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn write<'a>(
        lane: &'a WriteLane,
        urgency: Urgency,
        what: &'static str,
        end: fn() -> Answer<()>,
    ) -> impl Future<Output = Result<(), StoreError>> + 'a {
        lane.run(urgency, move |db, _| {
            db.execute("INSERT INTO done VALUES (?1)", [what])?;
            end()
        })
    }

    /// Fills the queues while the thread is busy, so that their jobs meet in one batch.
    async fn together<T>(lane: &WriteLane, all: impl Future<Output = T>) -> T {
        let (go, wait) = mpsc::channel::<()>();
        let (tell, working) = oneshot::channel();
        let busy = lane.run(Urgency::Ordinary, move |_, _| {
            let _ = tell.send(());
            let _ = wait.recv();
            Ok(())
        });
        let filled = async {
            working.await.unwrap();
            let release = async {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                drop(go);
            };
            tokio::join!(all, release).0
        };
        let (busy, all) = tokio::join!(busy, filled);
        busy.unwrap();
        all
    }

    const FINE: fn() -> Answer<()> = || Ok(());
    const FAILS: fn() -> Answer<()> = || Err(no_turn().into());

    #[tokio::test]
    async fn a_failed_write_leaves_nothing_and_spares_the_others_of_its_batch() {
        let (_folder, lane, db) = lane();
        let (first, failed, last) = together(&lane, async {
            tokio::join!(
                write(&lane, Urgency::Ordinary, "first", FINE),
                write(&lane, Urgency::Ordinary, "failed", FAILS),
                write(&lane, Urgency::Ordinary, "last", FINE),
            )
        })
        .await;
        assert!(first.is_ok() && failed.is_err() && last.is_ok());
        assert_eq!(done(&db), ["first", "last"]);
    }

    #[tokio::test]
    async fn endings_go_first_and_share_no_commit_with_others() {
        let (_folder, lane, db) = lane();
        let (ordinary, ending) = together(&lane, async {
            tokio::join!(
                write(&lane, Urgency::Ordinary, "ordinary", FINE),
                write(&lane, Urgency::Ending, "ending", FINE),
            )
        })
        .await;
        assert!(ordinary.is_ok() && ending.is_ok());
        assert_eq!(done(&db), ["ending", "ordinary"]);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_for_its_batch_and_the_thread_goes_on() {
        let (_folder, lane, db) = lane();
        let (beside, panicked) = together(&lane, async {
            tokio::join!(
                write(&lane, Urgency::Ordinary, "beside", FINE),
                write(&lane, Urgency::Ordinary, "panicked", || panic!("for the test")),
            )
        })
        .await;
        for error in [beside.unwrap_err(), panicked.unwrap_err()] {
            assert_eq!(error.kind(), StoreErrorKind::Stopped);
        }
        write(&lane, Urgency::Ordinary, "after", FINE).await.unwrap();
        assert_eq!(done(&db), ["after"]);
    }

    /// Out of disk, SQLite rolls the whole transaction back by itself.
    #[tokio::test]
    async fn a_full_disk_is_an_error_for_the_whole_batch_and_passes() {
        let (_folder, lane, db) = lane();
        let limit = |pages: i64| {
            lane.run(Urgency::Ordinary, move |db, _| {
                Ok(db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?)
            })
        };
        let large = || {
            lane.run(Urgency::Ordinary, |db, _| {
                db.execute("INSERT INTO done VALUES (hex(zeroblob(1000000)))", [])?;
                Ok(())
            })
        };
        limit(10).await.unwrap();
        let (beside, full) = together(&lane, async {
            tokio::join!(write(&lane, Urgency::Ordinary, "beside", FINE), large())
        })
        .await;
        assert!(full.unwrap_err().to_string().contains("disk is full"));
        // Its answer never says more than what is in the file.
        assert_eq!(done(&db).len(), usize::from(beside.is_ok()));
        limit(1_000_000).await.unwrap();
        large().await.unwrap();
    }
}
