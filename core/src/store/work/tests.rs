//! Batches that hang, panic and pile up: so many and no more, and each hurts its own callers alone.

use std::{
    io::{self, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::*;
use crate::{
    scheme::{Epochs, Guid, Snapshot, UserId, UserState, from_micros},
    store::{LookupAnswer, LookupAsked, Lookups, StoreError, StoreErrorKind},
};

const LIMIT: Duration = Duration::from_secs(4);
const PACE: Pace =
    Pace { together: 1, abreast: 2, patience: Duration::from_millis(10), under_way: 4 };

type LookupBatch = Batch<LookupAsked, LookupAnswer>;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn nobody() -> Snapshot {
    let epochs = Epochs { user: 0, global: 0 };
    Snapshot { now: from_micros(0), epochs, row: None, user: UserState::NotAsked }
}

fn answer_all(batch: LookupBatch) {
    for asked in batch {
        asked.answer(Ok(nobody()));
    }
}

/// Asks in a task of its own.
fn ask(lookups: &Arc<Lookups>, name: &str) -> JoinHandle<Result<(), StoreError>> {
    let (lookups, user) = (Arc::clone(lookups), user(name));
    tokio::spawn(async move { lookups.lookup(&user, Guid::random()).await.map(drop) })
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Of this thread, while the guard lives.
    fn read() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn count(&self, words: &str) -> usize {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(told).unwrap().matches(words).count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// "How many batches are under way at most": at a store that is silent, and once it is not.
#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_than_there_is_room_for() {
    let (silent, sent) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let lookups = {
        let (silent, sent) = (Arc::clone(&silent), Arc::clone(&sent));
        Arc::new(Lookups::answered("it", LIMIT, PACE, &Handle::current(), move |batch| {
            sent.fetch_add(1, Ordering::SeqCst);
            let silent = silent.load(Ordering::SeqCst);
            async move {
                if silent {
                    std::future::pending::<()>().await;
                }
                answer_all(batch);
            }
        }))
    };
    let since = Instant::now();
    let asked: Vec<_> = (0..50).map(|number| ask(&lookups, &number.to_string())).collect();
    sleep(LIMIT / 2).await;
    assert_eq!(sent.load(Ordering::SeqCst), PACE.under_way);
    for asked in asked {
        assert_eq!(asked.await.unwrap().unwrap_err().kind(), StoreErrorKind::TimedOut);
    }
    assert_eq!(since.elapsed(), LIMIT);
    assert_eq!(sent.load(Ordering::SeqCst), PACE.under_way, "somebody who gave up is asked for");
    // All have their room back.
    silent.store(false, Ordering::SeqCst);
    let since = Instant::now();
    let asked: Vec<_> = (0..50).map(|number| ask(&lookups, &number.to_string())).collect();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert!(since.elapsed() < PACE.patience, "{:?}", since.elapsed());
}

/// "By a panic, which is logged and stops nothing else": at once, and in a batch that nobody waited
/// for any more.
#[tokio::test(start_paused = true)]
async fn a_panic_is_logged_and_told_to_its_callers_alone() {
    let (log, _while_here) = Log::read();
    let answer = |batch: LookupBatch| async move {
        let asked = batch.questions().next().unwrap().0.as_str().to_owned();
        if asked.starts_with("late") {
            sleep(PACE.patience * 3).await;
        }
        assert!(!asked.ends_with("bad"), "a panic for the test");
        answer_all(batch);
    };
    let lookups = Arc::new(Lookups::answered("it", LIMIT, PACE, &Handle::current(), answer));
    for round in 1..=PACE.under_way * 2 {
        let [bad, late_bad, good, late_good] =
            ["bad", "late bad", "good", "late good"].map(|name| ask(&lookups, name));
        for told in [bad, late_bad] {
            let error = told.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Stopped);
            assert!(error.to_string().contains("or the query was dropped"), "{error}");
        }
        good.await.unwrap().unwrap();
        late_good.await.unwrap().unwrap();
        assert_eq!(log.count("answering lookups panicked"), 2 * round);
    }
}

/// "Told once, and not to each who is refused", and again when it happens again.
#[tokio::test(start_paused = true)]
async fn an_overload_is_logged_once() {
    let (log, _while_here) = Log::read();
    let (lookups, batches) = Lookups::new("it", LIMIT, 10);
    let (lookups, guid) = (Arc::new(lookups), Guid::random());
    for times in 1..=2 {
        let asked: Vec<_> = (0..Lookups::WAITING + 3)
            .map(|_| {
                let lookups = Arc::clone(&lookups);
                tokio::spawn(async move { lookups.lookup(&user("ada"), guid).await.map(drop) })
            })
            .collect();
        // They have their turns in order, and the last is refused.
        while !asked[Lookups::WAITING + 2].is_finished() {
            tokio::task::yield_now().await;
        }
        answer_all(batches.next().await.unwrap());
        let mut refused = Vec::new();
        for asked in asked {
            refused.extend(asked.await.unwrap().err());
        }
        assert_eq!(refused.len(), 3);
        assert!(refused.iter().all(|error| error.kind() == StoreErrorKind::Unavailable));
        assert_eq!(log.count("lookups are refused"), times);
        assert_eq!(log.count("lookups are answered again"), times);
    }
}
