//! What was announced since: one count for all announcements, and for each user the count at the
//! last one. A read of the store begins with a look at the count, and what it brought is good for as
//! long as nothing was announced about its user after that look.
//!
//! So a fill that is under way, an entry that is kept and an entry that another task is about to
//! keep need not be found by an announcement: each of them carries its count, and whoever would
//! answer from it compares. Users share places, by a keyed hash: now and then one loses an entry for
//! another's sake, and reads the store once more. No place is ever freed, and none is looked for.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};

use super::sync::{AtomicU64, Ordering};
use crate::scheme::UserId;

pub(crate) struct Marks {
    /// How many announcements there were.
    count: AtomicU64,
    /// The last one about everybody.
    everybody: AtomicU64,
    /// The last one about any of the users of each place.
    places: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// The count when a read began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Born(u64);

/// A user's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Born {
    /// Before every announcement.
    pub(crate) const START: Self = Self(0);
}

impl Place {
    /// Nobody's in particular.
    pub(crate) const FIRST: Self = Self(0);
}

impl Marks {
    /// As many places as a node in cached mode has: 256 KiB of them. A hundred logouts a second
    /// cost 3 % of the others a read within ten seconds.
    pub(crate) const PLACES: usize = 1 << 15;

    pub(crate) fn new(places: usize) -> Self {
        Self {
            count: AtomicU64::new(0),
            everybody: AtomicU64::new(0),
            places: (0..places.max(1)).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// To be called before the read is sent.
    pub(crate) fn born(&self) -> Born {
        Born(self.count.load(Ordering::SeqCst))
    }

    pub(crate) fn place(&self, user: &UserId) -> Place {
        let places = self.places.len() as u64;
        let place = self.hasher.hash_one(user) % places;
        Place(u32::try_from(place).unwrap_or(0))
    }

    /// Whether nothing was announced about that user since.
    pub(crate) fn stands(&self, born: Born, place: Place) -> bool {
        let about = self.places.get(place.0 as usize).map_or(u64::MAX, load);
        born.0 >= about && born.0 >= load(&self.everybody)
    }

    /// Something ended, or changed, for that user.
    pub(crate) fn announce(&self, user: &UserId) {
        self.announce_at(self.place(user));
    }

    pub(super) fn announce_at(&self, place: Place) {
        if let Some(about) = self.places.get(place.0 as usize) {
            about.fetch_max(self.next(), Ordering::SeqCst);
        }
    }

    /// Nothing that was read before is good any more: the cache is empty.
    pub(crate) fn announce_everybody(&self) {
        self.everybody.fetch_max(self.next(), Ordering::SeqCst);
    }

    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::SeqCst)
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marks").field("places", &self.places.len()).finish_non_exhaustive()
    }
}
