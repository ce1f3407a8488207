//! The laws, on every schedule that the explorer draws.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Weak},
    task::Poll,
};

use shuttle::{
    Config, FailurePersistence, Runner,
    future::{block_on, spawn, yield_now},
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    coalesce::{Batches, Bounds, Callers, Refused},
    subject::{JoinsWhatWasSent, Seen, Subject, TakesOthersAlong},
};

/// What a run is made of.
#[derive(Clone, Copy)]
struct Scene {
    callers: u32,
    workers: u32,
    endings: u32,
    bounds: Bounds,
    /// The workers stop after so many batches each.
    batches: u32,
}

const ROOMY: Bounds = Bounds { waiting: 100, together: 100 };
const USUAL: Scene = Scene { callers: 4, workers: 1, endings: 2, bounds: ROOMY, batches: 100 };

/// How many schedules a scene is played by, each way.
const SCHEDULES: usize = 3000;

/// What became of the callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    GaveUp,
    Refused(Refused),
}

/// "A lookup is only ever answered by a query that *started* after the lookup arrived", and every
/// caller who does not give up is answered.
#[test]
fn no_answer_is_older_than_its_question() {
    explore(USUAL, nobody_is_refused::<Callers<u8, Seen>>);
}

#[test]
fn no_answer_is_older_with_two_workers_and_small_batches() {
    let bounds = Bounds { together: 1, ..ROOMY };
    explore(Scene { workers: 2, bounds, ..USUAL }, nobody_is_refused::<Callers<u8, Seen>>);
}

/// A refusal of the newest hurts none of those who wait.
#[test]
fn no_answer_is_older_where_some_are_refused() {
    let bounds = Bounds { waiting: 2, together: 1 };
    explore(Scene { bounds, ..USUAL }, |scene| {
        let outcomes = play::<Callers<u8, Seen>>(scene);
        assert!(!outcomes.contains(&Outcome::Refused(Refused::Stopped)), "{outcomes:?}");
    });
}

/// A worker that ends leaves nobody waiting.
#[test]
fn whoever_waits_for_a_worker_that_is_gone_is_told() {
    explore(Scene { batches: 1, ..USUAL }, play::<Callers<u8, Seen>>);
}

/// The explorer would have found it.
#[test]
fn a_twin_that_joins_what_was_sent_is_convicted() {
    convicted(play::<JoinsWhatWasSent>, "older than its question");
}

#[test]
fn a_twin_whose_callers_take_others_along_is_convicted() {
    convicted(nobody_is_refused::<TakesOthersAlong>, "refused though there was room");
}

/// By each of the two ways of drawing schedules.
fn convicted<T: 'static>(play: fn(Scene) -> T, of: &str) {
    for way in [evenly, with_few_preemptions] {
        // It ends with the first conviction; one of them is rare.
        let play: Play = Arc::new(move || _ = play(USUAL));
        let explored = catch_unwind(AssertUnwindSafe(|| way(play, SCHEDULES * 30)));
        let Err(payload) = explored else { panic!("the broken twin passed") };
        let told = payload.downcast_ref::<String>().cloned().unwrap_or_default();
        assert!(told.contains(of), "convicted of something else: {told}");
    }
}

/// Where there is room and somebody works: every caller who does not give up is answered.
fn nobody_is_refused<S: Subject>(scene: Scene) {
    let outcomes = play::<S>(scene);
    let refused = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Refused(_)));
    assert!(!refused, "refused though there was room: {outcomes:?}");
}

/// Runs the scene under two ways of drawing schedules: the second finds rarer orders.
fn explore<T>(scene: Scene, play: impl Fn(Scene) -> T + Send + Sync + 'static) {
    let play: Play = Arc::new(move || _ = play(scene));
    evenly(Arc::clone(&play), SCHEDULES);
    with_few_preemptions(play, SCHEDULES);
}

type Play = Arc<dyn Fn() + Send + Sync>;

fn evenly(play: Play, schedules: usize) {
    Runner::new(RandomScheduler::new(schedules), config()).run(move || play());
}

fn with_few_preemptions(play: Play, schedules: usize) {
    Runner::new(PctScheduler::new(3, schedules), config()).run(move || play());
}

fn config() -> Config {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config
}

fn play<S: Subject>(scene: Scene) -> Vec<Outcome> {
    let (subject, batches) = S::new(scene.bounds);
    let (subject, ended) = (Arc::new(subject), Arc::new(AtomicU64::new(0)));
    let take = |batches| work(Arc::downgrade(&subject), batches, Arc::clone(&ended), scene.batches);
    let mut others: Vec<_> = (1..scene.workers).map(|_| spawn(take(batches.clone()))).collect();
    others.push(spawn(take(batches)));
    let endings = Arc::clone(&ended);
    others.push(spawn(async move {
        for _ in 0..scene.endings {
            endings.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
        }
    }));
    let call = |_| spawn(call(Arc::clone(&subject), Arc::clone(&ended)));
    let callers: Vec<_> = (0..scene.callers).map(call).collect();
    block_on(async {
        let mut outcomes = Vec::new();
        for caller in callers {
            outcomes.extend(caller.await.unwrap());
        }
        assert_eq!(subject.waiting(), 0, "somebody is counted who does not wait");
        // The workers hear of it and end.
        drop(subject);
        for other in others {
            other.await.unwrap();
        }
        outcomes
    })
}

/// Asks twice, for one of two sessions; some give up after a while.
async fn call<S: Subject>(subject: Arc<S>, ended: Arc<AtomicU64>) -> [Outcome; 2] {
    [once(&*subject, &ended).await, once(&*subject, &ended).await]
}

async fn once<S: Subject>(subject: &S, ended: &AtomicU64) -> Outcome {
    let question = thread_rng().gen_range(0..2);
    let patience = thread_rng().gen_bool(0.3).then(|| thread_rng().gen_range(0..6));
    let before = ended.load(Ordering::SeqCst);
    match giving_up(subject.ask(question), patience).await {
        None => Outcome::GaveUp,
        Some(Err(refused)) => Outcome::Refused(refused),
        Some(Ok(seen)) => {
            assert!(seen >= before, "the answer {seen} is older than its question {before}");
            Outcome::Answered
        }
    }
}

/// Takes batches, sends a query for each, and answers with what the query saw.
async fn work<S: Subject>(
    subject: Weak<S>,
    batches: Batches<u8, Seen>,
    ended: Arc<AtomicU64>,
    most: u32,
) {
    for _ in 0..most {
        let Some(batch) = batches.next().await else { return };
        let Some(subject) = subject.upgrade() else { return };
        subject.sent(&batch);
        yield_now().await;
        let seen = ended.load(Ordering::SeqCst);
        yield_now().await;
        subject.answer(batch, seen);
    }
}

/// The future's output, unless it is still pending after so many looks.
async fn giving_up<F: Future>(future: F, patience: Option<u32>) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut looks = 0;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        let Some(patience) = patience else { return Poll::Pending };
        looks += 1;
        if looks > patience {
            return Poll::Ready(None);
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
