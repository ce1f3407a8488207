//! Threads for work that keeps a core busy. Always the same few: an allocator keeps for each thread
//! what it once took, and Argon2 takes 19 MiB, so that a pool of hundreds of threads would hold
//! gigabytes after a busy minute.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// They end once this is dropped and what they were doing is done.
pub(crate) struct Workers {
    jobs: mpsc::Sender<Job>,
}

impl Workers {
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..count {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name("argon2".to_owned()).spawn(move || work(&queue))?;
        }
        Ok(Self { jobs })
    }

    /// None if the work panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody waits any more: the work is done all the same.
            let _ = done.send(work());
        });
        self.jobs.send(job).ok()?;
        result.await.ok()
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("hashing a password panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread::ThreadId};

    use super::*;

    #[tokio::test]
    async fn few_threads_do_all_the_work_and_survive_a_panic() {
        let workers = Workers::start(2).unwrap();
        let mut threads = HashSet::<ThreadId>::new();
        for at in 0..50 {
            if at % 10 == 0 {
                assert_eq!(workers.run(|| panic!("on purpose")).await, None::<()>);
            }
            threads.extend(workers.run(|| thread::current().id()).await);
        }
        assert!((1..=2).contains(&threads.len()), "{threads:?}");
    }
}
