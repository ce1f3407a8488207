//! The store of the scene: two users, a journal, a clock, and nothing that fails but by order.

use std::time::{Duration, SystemTime};

use logout_all::{
    By, EndReason, JournalEntry, UserId,
    store::{Lease, Polled},
};
use shuttle::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};
use uuid::Uuid;

use crate::moment::Moment;

/// How long a lease is, on the clock of the scene, which counts steps.
pub(crate) const LEASE: u64 = 3;

pub(crate) struct Store {
    inside: Mutex<Inside>,
    clock: AtomicU64,
}

struct Inside {
    users: [State; 2],
    journal: Vec<JournalEntry>,
    failovers: u128,
}

/// What a read finds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) alive: bool,
    /// Which version of the user's data it is: no change of it is announced.
    pub(crate) version: u64,
}

pub(crate) fn user(number: usize) -> UserId {
    UserId::new(number).unwrap()
}

impl Store {
    pub(crate) fn new() -> Self {
        let users = [State { alive: true, version: 0 }; 2];
        let inside = Inside { users, journal: Vec::new(), failovers: 0 };
        let store = Self { inside: Mutex::new(inside), clock: AtomicU64::new(1000) };
        // As `raise_lease` does: there is one to know.
        store.inside.lock().unwrap().write(None);
        store
    }

    /// Now, on the clock that all nodes share here.
    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub(crate) fn tick(&self) {
        self.clock.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment::START.after(Duration::from_nanos(self.now()))
    }

    pub(crate) fn read(&self, number: usize) -> State {
        self.inside.lock().unwrap().users[number]
    }

    pub(crate) fn end(&self, number: usize) {
        let mut inside = self.inside.lock().unwrap();
        inside.users[number].alive = false;
        inside.write(Some(user(number)));
    }

    /// Changes the data, unannounced, and says when.
    pub(crate) fn change(&self, number: usize, version: u64) -> u64 {
        self.inside.lock().unwrap().users[number].version = version;
        // Later than the change: who read before it did so before this.
        self.now()
    }

    /// Another store takes over, which has lost the last entry, and gives its number out again.
    pub(crate) fn fail_over(&self) {
        let mut inside = self.inside.lock().unwrap();
        inside.failovers += 1;
        inside.journal.pop();
    }

    pub(crate) fn poll(&self, after: Option<u64>, limit: usize) -> Polled {
        let inside = self.inside.lock().unwrap();
        let lease = Duration::from_nanos(LEASE);
        let last_seq = inside.journal.last().map_or(0, |entry| entry.seq);
        let entries = match after {
            None => inside.journal.last().cloned().into_iter().collect(),
            Some(seq) => {
                let told = inside.journal.iter().filter(|entry| entry.seq >= seq);
                told.take(limit + 1).cloned().collect()
            }
        };
        Polled { lease: Lease { given: lease, waited: lease }, last_seq, entries }
    }
}

impl Inside {
    fn write(&mut self, user: Option<UserId>) {
        let seq = self.journal.last().map_or(1, |entry| entry.seq + 1);
        self.journal.push(JournalEntry {
            seq,
            // Of this store alone, and the same in every run of a schedule.
            id: Uuid::from_u128((self.failovers << 64) + u128::from(seq)),
            user,
            guid: None,
            reason: EndReason::Everywhere,
            by: By::Application,
            at: SystemTime::UNIX_EPOCH,
        });
    }
}
