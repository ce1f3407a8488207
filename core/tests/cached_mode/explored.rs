//! The promises, on every schedule that the explorer draws.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use shuttle::{
    Config, FailurePersistence, Runner,
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{spawn, yield_now},
};

use logout_all::JournalEntry;

use crate::{
    checker,
    follow::Follows,
    history::{Outcome, Recorder, What},
    journal::{LEASE, Store},
    subject::{AGE, Broken, Node},
};

/// What a run is made of.
#[derive(Clone, Copy)]
struct Scene {
    broken: Broken,
    verifiers: usize,
    pollers: usize,
    /// Which users are logged out, one after the other, before one wait for all of them.
    logouts: &'static [usize],
    changes: u64,
    beginning: Beginning,
    failover: Failover,
    settling: Settling,
}

/// What the node knows when the others begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// The journal and the session.
    Warm,
    /// The journal alone.
    Cold,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Failover {
    Never,
    /// Before the first logout, after which there is an entry of every number again.
    Once,
}

/// Whether a logout waits before it reports success.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settling {
    Waits,
    DoesNot,
}

const USUAL: Scene = Scene {
    broken: Broken::Nothing,
    verifiers: 2,
    pollers: 2,
    logouts: &[0],
    changes: 0,
    beginning: Beginning::Warm,
    failover: Failover::Never,
    settling: Settling::Waits,
};

/// "every verify or renew that *starts* after *t*, on any node, […] is denied."
#[test]
fn no_verification_after_a_logout_is_let_in() {
    explore(USUAL, 1);
}

#[test]
fn nor_where_the_cache_is_being_filled() {
    explore(Scene { beginning: Beginning::Cold, ..USUAL }, 1);
}

#[test]
fn nor_where_several_are_logged_out_at_once() {
    explore(Scene { logouts: &[0, 1, 0], pollers: 3, ..USUAL }, 1);
}

/// "a failover that gives a `seq` out twice" is noticed.
#[test]
fn nor_where_another_store_took_over() {
    explore(Scene { failover: Failover::Once, ..USUAL }, 1);
}

/// "An entry's deadline counts from *before* its read began."
#[test]
fn nothing_is_older_than_an_entry_may_be() {
    explore(Scene { changes: 2, logouts: &[], ..USUAL }, 1);
}

/// The explorer would have found each of them.
#[test]
fn broken_twins_are_convicted() {
    let stale = "was let in";
    for (scene, finding) in [
        (Scene { broken: Broken::IgnoresMarks, ..USUAL }, stale),
        (Scene { broken: Broken::MarksAfterTheRead, beginning: Beginning::Cold, ..USUAL }, stale),
        (Scene { broken: Broken::EntryBeforeLease, verifiers: 1, pollers: 1, ..USUAL }, stale),
        (Scene { broken: Broken::LeaseFromTheAnswer, ..USUAL }, stale),
        (Scene { broken: Broken::LeaseBeforeMarks, ..USUAL }, stale),
        (Scene { broken: Broken::TakesAPartForAll, logouts: &[1, 0], ..USUAL }, stale),
        (Scene { broken: Broken::KnowsByNumber, failover: Failover::Once, ..USUAL }, stale),
        (Scene { settling: Settling::DoesNot, ..USUAL }, stale),
        (
            Scene { broken: Broken::AgesFromTheAnswer, changes: 2, logouts: &[], ..USUAL },
            "too old an answer",
        ),
    ] {
        // It ends with the first conviction: the most schedules are for the one that is hard to find.
        let explored = catch_unwind(AssertUnwindSafe(|| explore(scene, 10)));
        let Err(payload) = explored else { panic!("{:?} passed", scene.broken) };
        let told = match payload.downcast_ref::<&str>() {
            Some(told) => (*told).to_owned(),
            None => payload.downcast_ref::<String>().cloned().unwrap_or_default(),
        };
        assert!(
            told.contains(finding),
            "{:?} is convicted of something else: {told}",
            scene.broken
        );
    }
}

/// Runs the scene under two ways of drawing schedules: evenly, and with few preemptions, which
/// finds rarer orders; each so many times as often as usual.
fn explore(scene: Scene, times: usize) {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    Runner::new(RandomScheduler::new(4000 * times), config.clone()).run(move || play(scene));
    Runner::new(PctScheduler::new(4, 8000 * times), config).run(move || play(scene));
}

/// What the calls and changes have reported.
struct Reported {
    calls: Recorder,
    /// When each version of the data was replaced; 0: it was not.
    replaced: [AtomicU64; 8],
    over: AtomicBool,
}

fn play(scene: Scene) {
    let store = Arc::new(Store::new());
    let node = Arc::new(Node::new(scene.broken));
    node.follower.tell(Arc::new(InOrder(Mutex::new(0))));
    let reported = Arc::new(Reported {
        calls: Recorder::new(),
        replaced: Default::default(),
        over: AtomicBool::new(false),
    });
    for number in 0..2 {
        reported.record(number, What::Login, reported.calls.now(), Outcome::Accepted);
    }
    node.poll(&store);
    if scene.beginning == Beginning::Warm {
        node.verify(&store, 0);
    }

    let mut tasks = Vec::new();
    for _ in 0..scene.verifiers {
        let (store, node, reported) = (store.clone(), node.clone(), reported.clone());
        tasks.push(spawn(move || verify(&store, &node, &reported)));
    }
    for _ in 0..scene.pollers {
        let (store, node) = (store.clone(), node.clone());
        tasks.push(spawn(move || {
            for _ in 0..4 {
                node.poll(&store);
                yield_now();
            }
        }));
    }
    {
        let (store, reported) = (store.clone(), reported.clone());
        tasks.push(spawn(move || log_out(&store, scene, &reported)));
    }
    {
        let (store, reported) = (store.clone(), reported.clone());
        tasks.push(spawn(move || {
            for version in 1..=scene.changes {
                let at = store.change(0, version);
                let before = usize::try_from(version - 1).unwrap();
                reported.replaced[before].store(at, Ordering::SeqCst);
                yield_now();
            }
        }));
    }
    {
        let (store, reported) = (store.clone(), reported.clone());
        tasks.push(spawn(move || {
            for _ in 0..20 {
                store.tick();
                yield_now();
            }
            reported.over.store(true, Ordering::SeqCst);
        }));
    }
    for task in tasks {
        task.join().unwrap();
    }
    let stale = checker::stale(&reported.calls.history());
    assert!(stale.is_empty(), "a token that was logged out before was let in: {stale:?}");
}

impl Reported {
    fn record(&self, number: usize, what: What, start: Duration, outcome: Outcome) {
        let session = (number.to_string(), "the only device".to_owned());
        self.calls.record(0, &session, what, start, outcome);
    }
}

fn verify(store: &Store, node: &Node, reported: &Reported) {
    for _ in 0..6 {
        let number = usize::from(thread_rng().gen_bool(0.2));
        let replaced = [0, 1, 2].map(|version| reported.replaced[version].load(Ordering::SeqCst));
        let (begun, start) = (store.now(), reported.calls.now());
        let verified = node.verify(store, number);
        let outcome = if verified.is_some() { Outcome::Accepted } else { Outcome::Denied };
        reported.record(number, What::Verify, start, outcome);
        if let (Some(version), 0) = (verified, number) {
            let at = replaced[usize::try_from(version).unwrap()];
            assert!(at == 0 || begun < at + AGE, "too old an answer: {at}, and it is {begun}");
        }
        yield_now();
    }
}

fn log_out(store: &Store, scene: Scene, reported: &Reported) {
    if scene.failover == Failover::Once {
        store.fail_over();
    }
    let start = reported.calls.now();
    for number in scene.logouts {
        store.end(*number);
    }
    let confirmed_at = store.now();
    // The clock of the scene is one for all: there is no margin to wait.
    while scene.settling == Settling::Waits && store.now() < confirmed_at + LEASE {
        if reported.over.load(Ordering::SeqCst) {
            return;
        }
        yield_now();
    }
    for number in scene.logouts {
        reported.record(*number, What::LogoutAll, start, Outcome::Accepted);
    }
}

/// "in the order of the journal": what follows it hears of each entry once, the later one later,
/// until it is told of a gap.
struct InOrder(Mutex<u64>);

impl Follows for InOrder {
    fn entry(&self, entry: &JournalEntry) {
        let mut last = self.0.lock().unwrap();
        assert!(entry.seq > *last, "{} is told after {}", entry.seq, *last);
        *last = entry.seq;
    }

    fn gap(&self, _: Duration) {
        *self.0.lock().unwrap() = 0;
    }
}
