//! What an answer to a poll does: to what is known, to the marks, to the lease and to what follows.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::known::polled;
use crate::{
    live::{
        follow::Follows,
        follower::{Applied, Follower, Poll},
        lease::Held,
        marks::Marks,
        moment::Moment,
    },
    scheme::UserId,
    store::{JournalEntry, Lease, Polled},
};

const OWN: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Told {
    news: Mutex<Vec<String>>,
    read_on: AtomicUsize,
}

impl Follows for Told {
    fn entry(&self, entry: &JournalEntry) {
        self.news.lock().unwrap().push(entry.seq.to_string());
    }

    fn read_on(&self) {
        self.read_on.fetch_add(1, Ordering::SeqCst);
    }

    fn gap(&self, _: Duration) {
        self.news.lock().unwrap().push("gap".to_owned());
    }
}

struct Scene {
    follower: Follower,
    told: Arc<Told>,
}

impl Scene {
    fn new() -> Self {
        let (held, marks) = (Arc::new(Held::new()), Arc::new(Marks::new(4)));
        let follower = Follower::new(OWN, 2, held, marks);
        let told = Arc::new(Told::default());
        follower.tell(told.clone());
        Self { follower, told }
    }

    /// A node that knows entry 5.
    fn knowing() -> Self {
        let scene = Self::new();
        assert_eq!(scene.answer(scene.follower.poll(), 100, &[5], 5), Applied::All);
        scene.told.news.lock().unwrap().clear();
        scene
    }

    fn answer(&self, poll: Poll, sent_at: u64, seqs: &[u64], last_seq: u64) -> Applied {
        self.follower.apply(poll, at(sent_at), &given(seqs, last_seq))
    }

    fn runs_until(&self, millis: u64) -> bool {
        let held = self.follower.held();
        held.runs_at(at(millis - 1)) && !held.runs_at(at(millis))
    }

    fn has_no_lease(&self) -> bool {
        !self.follower.held().runs_at(Moment::START)
    }

    fn told(&self) -> Vec<String> {
        self.told.news.lock().unwrap().clone()
    }

    fn read_on(&self) -> usize {
        self.told.read_on.load(Ordering::SeqCst)
    }
}

fn at(millis: u64) -> Moment {
    Moment::START.after(Duration::from_millis(millis))
}

fn given(seqs: &[u64], last_seq: u64) -> Polled {
    let second = Duration::from_secs(1);
    Polled { lease: Lease { given: second, waited: second }, ..polled(seqs, last_seq) }
}

#[test]
fn a_newcomer_knows_the_newest_entry_and_has_a_lease() {
    let scene = Scene::new();
    let born = scene.follower.marks().born();
    assert_eq!(scene.answer(scene.follower.poll(), 100, &[5], 5), Applied::All);
    assert!(scene.runs_until(600), "its own setting is shorter than what is given");
    assert_eq!(scene.told(), ["gap"]);
    let place = scene.follower.marks().place(&UserId::new(1).unwrap());
    assert!(!scene.follower.marks().stands(born, place), "whatever was read before is forgotten");
    assert_eq!(scene.follower.poll().after(), Some(5));
}

#[test]
fn an_empty_journal_gives_nothing() {
    let scene = Scene::new();
    assert_eq!(scene.answer(scene.follower.poll(), 100, &[], 0), Applied::Empty);
    assert!(scene.has_no_lease() && scene.follower.knows_nothing());
    assert!(scene.told().is_empty(), "nothing ended that was ever written down");
}

/// "belongs to a poll sent while the node knew none (also the second of two)"
#[test]
fn the_second_of_two_newcomers_answers_counts_for_nothing() {
    let scene = Scene::new();
    let (first, second) = (scene.follower.poll(), scene.follower.poll());
    assert_eq!(scene.answer(first, 100, &[5], 5), Applied::All);
    assert_eq!(scene.answer(second, 200, &[7], 7), Applied::Late);
    assert!(scene.runs_until(600), "6 and 7 are not applied");
    assert_eq!(scene.follower.poll().after(), Some(5));
}

#[test]
fn entries_are_applied_once_and_in_order_whatever_the_order_of_answers() {
    let scene = Scene::knowing();
    let (first, second) = (scene.follower.poll(), scene.follower.poll());
    assert_eq!(scene.answer(second, 300, &[5, 6, 7], 7), Applied::All);
    assert!(scene.runs_until(800));
    assert_eq!(scene.answer(first, 200, &[5, 6], 6), Applied::Late, "it knew less");
    assert!(scene.runs_until(800));
    assert_eq!(scene.follower.poll().after(), Some(7), "what is known never goes back");
    assert_eq!(scene.told(), ["6", "7"]);
    assert_eq!(scene.answer(scene.follower.poll(), 250, &[7], 7), Applied::All);
    assert!(scene.runs_until(800), "nor does the lease become shorter");
}

#[test]
fn a_part_is_applied_and_gives_no_lease() {
    let scene = Scene::knowing();
    assert_eq!(scene.answer(scene.follower.poll(), 300, &[5, 6, 7], 8), Applied::More);
    assert!(scene.runs_until(600));
    assert_eq!((scene.told(), scene.read_on()), (vec!["6".to_owned(), "7".to_owned()], 0));
    assert_eq!(scene.answer(scene.follower.poll(), 310, &[7, 8], 8), Applied::All);
    assert!(scene.runs_until(810));
    assert_eq!(scene.read_on(), 1, "to its end");
}

#[test]
fn a_torn_answer_ends_the_lease_and_all_that_was_asked_before() {
    for (seqs, last) in [(&[][..], 0), (&[5][..], 6), (&[5, 7][..], 7), (&[6][..], 6)] {
        let scene = Scene::knowing();
        let before = scene.follower.poll();
        let born = scene.follower.marks().born();
        assert_eq!(scene.answer(scene.follower.poll(), 300, seqs, last), Applied::Anew);
        assert!(scene.has_no_lease() && scene.follower.knows_nothing());
        assert_eq!((scene.told(), scene.read_on()), (vec!["gap".to_owned()], 0));
        let place = scene.follower.marks().place(&UserId::new(1).unwrap());
        assert!(!scene.follower.marks().stands(born, place));
        assert_eq!(scene.answer(before, 310, &[5, 6], 6), Applied::Late);
        assert!(scene.has_no_lease());
    }
}

/// "a failover that gives a `seq` out twice" is noticed by an answer that overtakes another, too.
#[test]
fn another_entry_of_the_known_number_is_torn() {
    let scene = Scene::knowing();
    let before = scene.follower.poll();
    assert_eq!(scene.answer(scene.follower.poll(), 300, &[5, 6], 6), Applied::All);
    let mut other = given(&[5, 6, 7], 7);
    other.entries[1].id = uuid::Uuid::from_u128(99);
    assert_eq!(scene.follower.apply(before, at(310), &other), Applied::Anew);
}

/// A store that knows of no lease at all has lost it, at a beginning; later an operator took it away.
#[test]
fn nothing_given_is_no_lease() {
    let scene = Scene::new();
    let nothing = polled(&[5], 5);
    assert_eq!(scene.follower.apply(scene.follower.poll(), at(100), &nothing), Applied::Unleased);
    assert!(scene.has_no_lease());
    assert_eq!(scene.follower.apply(scene.follower.poll(), at(110), &nothing), Applied::All);
    assert!(scene.has_no_lease());
}
