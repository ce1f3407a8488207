//! What callers and workers of the coalescer may rely on. That it holds on every schedule is
//! explored in `coalescer`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::{sync::Arc, time::Duration};

use logout_all::{
    Guid, StoreError, StoreErrorKind, UserId,
    store::{
        Lookups,
        coalesce::{Batch, Batches, Bounds, Callers, Refused},
    },
};
use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, sleep, timeout},
};

type Question = &'static str;

struct Place {
    callers: Arc<Callers<Question, u32>>,
    batches: Batches<Question, u32>,
}

impl Place {
    fn new(waiting: usize, together: usize) -> Self {
        let (callers, batches) = Callers::new(Bounds { waiting, together });
        Self { callers: Arc::new(callers), batches }
    }

    /// Asks in a task of its own, and returns once it waits.
    async fn ask(&self, question: Question) -> JoinHandle<Result<u32, Refused>> {
        let callers = Arc::clone(&self.callers);
        let asked = tokio::spawn(async move { callers.ask(question).await });
        yield_now().await;
        asked
    }

    async fn batch(&self) -> Batch<Question, u32> {
        timeout(Duration::from_secs(5), self.batches.next()).await.unwrap().unwrap()
    }
}

fn questions(batch: &Batch<Question, u32>) -> Vec<Question> {
    batch.questions().copied().collect()
}

/// What became of a caller; one who is told nothing fails the test instead of hanging it.
async fn told(asked: JoinHandle<Result<u32, Refused>>) -> Result<u32, Refused> {
    timeout(Duration::from_secs(5), asked).await.unwrap().unwrap()
}

fn answer(batch: Batch<Question, u32>, answer: u32) {
    for asked in batch {
        asked.answer(answer);
    }
}

/// "A lookup is only ever answered by a query that *started* after the lookup arrived."
#[tokio::test]
async fn whoever_asks_what_is_under_way_waits_for_the_next() {
    let place = Place::new(10, 10);
    let first = place.ask("ada").await;
    let sent = place.batch().await;
    let second = place.ask("ada").await;
    answer(sent, 1);
    assert_eq!(told(first).await, Ok(1));
    assert!(!second.is_finished());
    answer(place.batch().await, 2);
    assert_eq!(told(second).await, Ok(2));
}

/// "Within what waits, equal questions are asked once"; "first come, first served", at most so many
/// together.
#[tokio::test]
async fn what_waits_is_asked_once_and_in_its_order() {
    let place = Place::new(10, 2);
    let mut asked = Vec::new();
    for question in ["ada", "bob", "ada", "eve", "bob"] {
        asked.push(place.ask(question).await);
    }
    let first = place.batch().await;
    assert_eq!(questions(&first), ["ada", "bob"]);
    let late = place.ask("ada").await;
    let second = place.batch().await;
    assert_eq!(questions(&second), ["eve", "ada"]);
    answer(second, 2);
    answer(first, 1);
    assert_eq!(told(late).await, Ok(2));
    for (asked, expected) in asked.into_iter().zip([1, 1, 1, 2, 1]) {
        assert_eq!(told(asked).await, Ok(expected));
    }
}

/// "A caller that gives up … leaves the queue and disturbs nobody."
#[tokio::test]
async fn whoever_gives_up_is_not_asked_for_and_takes_nobody_along() {
    let place = Place::new(3, 10);
    let alone = place.ask("ada").await;
    let (leaves, stays) = (place.ask("bob").await, place.ask("bob").await);
    assert_eq!(told(place.ask("eve").await).await, Err(Refused::Full));
    for gone in [alone, leaves] {
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
    }
    // Their room is free again.
    let next = place.ask("eve").await;
    let batch = place.batch().await;
    assert_eq!(questions(&batch), ["bob", "eve"]);
    // Too late to be taken out: answered into the void.
    next.abort();
    answer(batch, 1);
    assert_eq!(told(stays).await, Ok(1));
    assert_eq!(place.callers.waiting(), 0);
}

/// Clients that come and go while nothing is answered take no memory.
#[tokio::test]
async fn those_who_gave_up_are_forgotten() {
    let place = Place::new(10, 10);
    let stays = place.ask("ada").await;
    for _ in 0..1000 {
        place.ask("ada").await.abort();
        yield_now().await;
    }
    let batch = place.batch().await;
    let shown = format!("{batch:?}");
    let (_, counted) = shown.rsplit_once("callers: ").unwrap();
    let callers: usize = counted.split(',').next().unwrap().parse().unwrap();
    assert!(callers <= 11, "{shown}");
    answer(batch, 1);
    assert_eq!(told(stays).await, Ok(1));
}

/// "An overload refuses the newest", and serves the others in the order in which they came.
#[tokio::test]
async fn an_overload_refuses_the_newest() {
    let place = Place::new(2, 1);
    let (first, second) = (place.ask("ada").await, place.ask("bob").await);
    assert_eq!(told(place.ask("eve").await).await, Err(Refused::Full));
    // One who waits already is one more caller all the same.
    assert_eq!(told(place.ask("ada").await).await, Err(Refused::Full));
    answer(place.batch().await, 1);
    assert_eq!(told(first).await, Ok(1));
    let third = place.ask("eve").await;
    answer(place.batch().await, 2);
    assert_eq!(told(second).await, Ok(2));
    answer(place.batch().await, 3);
    assert_eq!(told(third).await, Ok(3));
}

/// A worker that panics drops its batch: those callers are told, and nobody else.
#[tokio::test]
async fn a_dropped_batch_is_told_to_its_callers_alone() {
    let place = Place::new(10, 1);
    let (dropped, kept) = (place.ask("ada").await, place.ask("bob").await);
    drop(place.batch().await);
    assert_eq!(told(dropped).await, Err(Refused::Stopped));
    answer(place.batch().await, 1);
    assert_eq!(told(kept).await, Ok(1));
}

#[tokio::test]
async fn without_workers_all_are_told_and_without_callers_the_workers_end() {
    let Place { callers, batches } = Place::new(10, 10);
    let second = batches.clone();
    let waits = tokio::spawn({
        let callers = Arc::clone(&callers);
        async move { callers.ask("ada").await }
    });
    yield_now().await;
    drop(batches);
    yield_now().await;
    assert!(!waits.is_finished(), "one works still");
    drop(second);
    assert_eq!(told(waits).await, Err(Refused::Stopped));
    assert_eq!(callers.ask("ada").await, Err(Refused::Stopped));

    let Place { callers, batches } = Place::new(10, 10);
    let worker = tokio::spawn(async move { batches.next().await.is_none() });
    yield_now().await;
    drop(callers);
    assert!(worker.await.unwrap());
}

/// "Each caller its own deadline and its own 503."
#[tokio::test(start_paused = true)]
async fn each_lookup_has_a_deadline_and_an_answer_of_its_own() {
    let limit = Duration::from_secs(4);
    let (lookups, batches) = Lookups::new("the store", limit, 10);
    let lookups = Arc::new(lookups);
    let guid = Guid::random();
    let ask = |user: &str| {
        let (lookups, user) = (Arc::clone(&lookups), UserId::new(user).unwrap());
        tokio::spawn(async move {
            let since = Instant::now();
            let error = lookups.lookup(&user, guid).await.unwrap_err();
            (error.kind(), since.elapsed())
        })
    };
    let early = ask("ada");
    sleep(Duration::from_secs(3)).await;
    let late = ask("ada");
    assert_eq!(early.await.unwrap(), (StoreErrorKind::TimedOut, limit));
    assert!(!late.is_finished());
    assert_eq!(late.await.unwrap(), (StoreErrorKind::TimedOut, limit));

    // Damage of one user's row is told to nobody else.
    let (damaged, other) = (ask("ada"), ask("bob"));
    yield_now().await;
    for asked in batches.next().await.unwrap() {
        let kind = match asked.question().0.as_str() {
            "ada" => StoreErrorKind::Corrupt,
            _ => StoreErrorKind::Unavailable,
        };
        asked.answer(Err(StoreError::new(kind, "for the test")));
    }
    assert_eq!(damaged.await.unwrap().0, StoreErrorKind::Corrupt);
    assert_eq!(other.await.unwrap().0, StoreErrorKind::Unavailable);
    drop(batches);
    assert_eq!(ask("ada").await.unwrap().0, StoreErrorKind::Stopped);
}
