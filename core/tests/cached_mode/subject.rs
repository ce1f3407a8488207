//! What is explored: a node as it is, and its twins, each of them broken in one thing.

use std::{sync::Arc, time::Duration};

use logout_all::store::Polled;
use shuttle::{sync::Mutex, thread::yield_now};

use crate::{
    cache::{Cache, Fill},
    follower::{Applied, Follower, Poll},
    journal::{LEASE, Store, user},
    lease::Held,
    marks::Marks,
    moment::Moment,
    table::Weighs,
};

/// How long an entry lasts, on the clock of the scene.
pub(crate) const AGE: u64 = 8;
/// How many entries one poll asks for.
const LIMIT: usize = 1;

/// What an entry holds: the version of the user's data that its read found.
pub(crate) struct Version(pub(crate) u64);

impl Weighs for Version {
    fn weight(&self) -> usize {
        0
    }
}

pub(crate) struct Node {
    pub(crate) cache: Cache<Version>,
    pub(crate) follower: Follower,
    /// How a twin is broken.
    broken: Broken,
    first_ids: Mutex<Vec<uuid::Uuid>>,
}

/// The one thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    /// It never looks at the marks of what it answers from.
    IgnoresMarks,
    /// It takes the count for its mark after its read.
    MarksAfterTheRead,
    /// It looks for the entry, and only then at its lease.
    EntryBeforeLease,
    /// It counts an entry's age from after its read.
    AgesFromTheAnswer,
    /// It counts its lease from the answer to its poll.
    LeaseFromTheAnswer,
    /// It takes any entry of that number for the one it knows.
    KnowsByNumber,
    /// It takes a part of the news for all.
    TakesAPartForAll,
    /// It takes its lease from an answer, and applies that afterwards.
    LeaseBeforeMarks,
}

impl Node {
    pub(crate) fn new(broken: Broken) -> Self {
        let (held, marks) = (Arc::new(Held::new()), Arc::new(Marks::new(8)));
        let cache = Cache::new(2, 1 << 20, held.clone(), marks.clone());
        let follower = Follower::new(Duration::from_nanos(LEASE), LIMIT, held, marks);
        Self { cache, follower, broken, first_ids: Mutex::default() }
    }

    /// A verification: the version of the user's data, or none where it is denied.
    pub(crate) fn verify(&self, store: &Store, number: usize) -> Option<u64> {
        let token = token(number);
        if let Some(version) = self.recall(store, &token) {
            return Some(version);
        }
        let now = store.moment();
        let fill = self.cache.fill(now);
        let found = store.read(number);
        yield_now();
        if !found.alive {
            return None;
        }
        if let Some(Fill { began, born }) = fill {
            let fill = match self.broken {
                Broken::MarksAfterTheRead => Fill { began, born: self.follower.marks().born() },
                Broken::AgesFromTheAnswer => Fill { began: store.moment(), born },
                _ => Fill { began, born },
            };
            let place = self.follower.marks().place(&user(number));
            let (age, version) = (Duration::from_nanos(AGE), Version(found.version));
            self.cache.keep(fill, place, age, &token, version);
        }
        Some(found.version)
    }

    fn recall(&self, store: &Store, token: &[u8]) -> Option<u64> {
        let now = store.moment();
        let entry = match self.broken {
            Broken::EntryBeforeLease => {
                let entry = self.cache.find(token, now)?;
                let stands = self.cache.stands(&entry, now);
                (stands && self.cache.may_answer(store.moment())).then_some(entry)
            }
            Broken::IgnoresMarks => {
                let may = self.cache.may_answer(now);
                self.cache.find(token, now).filter(|_| may)
            }
            _ => self.cache.get(token, now),
        };
        entry.map(|entry| entry.header.header.value.0)
    }

    /// One poll, as the poller's task sends and reads it.
    pub(crate) fn poll(&self, store: &Store) -> Applied {
        let poll = self.follower.poll();
        let sent_at = store.moment();
        let mut polled = store.poll(poll.after(), LIMIT);
        yield_now();
        match self.broken {
            Broken::LeaseFromTheAnswer => self.follower.apply(poll, store.moment(), &polled),
            Broken::KnowsByNumber => {
                self.forge(&mut polled);
                self.follower.apply(poll, sent_at, &polled)
            }
            Broken::TakesAPartForAll => {
                polled.last_seq = polled.entries.last().map_or(0, |entry| entry.seq);
                self.follower.apply(poll, sent_at, &polled)
            }
            Broken::LeaseBeforeMarks => self.apply_late(poll, sent_at, &polled),
            _ => self.follower.apply(poll, sent_at, &polled),
        }
    }

    /// Gives each entry the id that the first one of its number had.
    fn forge(&self, polled: &mut Polled) {
        let mut ids = self.first_ids.lock().unwrap();
        for entry in &mut polled.entries {
            let at = usize::try_from(entry.seq).unwrap();
            while ids.len() <= at {
                ids.push(entry.id);
            }
            entry.id = ids[at];
        }
    }

    fn apply_late(&self, poll: Poll, sent_at: Moment, polled: &Polled) -> Applied {
        if poll.after().is_some() {
            self.follower.held().extend(sent_at.after(Duration::from_nanos(LEASE)));
            yield_now();
        }
        self.follower.apply(poll, sent_at, polled)
    }
}

/// A token, of a user each.
fn token(number: usize) -> [u8; 40] {
    [u8::try_from(number).unwrap(); 40]
}
