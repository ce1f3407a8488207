//! A part of the cache: tokens by a keyed hash, in one array, so that a hit costs two looks into
//! memory that is not at hand, one at the slot and one at the entry. Bounded in number and in bytes.
//!
//! It takes no hash for a token: found is what is equal in all its bytes, and nothing else.

use triomphe::ThinArc;

use super::{
    marks::{Born, Place},
    moment::Moment,
};

/// What is kept of one token: in one allocation with the bytes of the token, which come last.
pub(crate) type Entry<V> = ThinArc<Kept<V>, u8>;

/// What is kept beside a token. In this order, so that what decides stands beside the count of
/// holders: that is written to at a hit, and memory that is not at hand is then on its way already.
#[repr(C)]
pub(crate) struct Kept<V> {
    /// It is good for no answer from here on.
    pub(super) deadline: Moment,
    /// When its read began, among announcements.
    pub(super) born: Born,
    /// Where those about its user are told.
    pub(super) place: Place,
    /// What the verification proved.
    pub(crate) value: V,
}

/// What a value takes outside of its entry.
pub(crate) trait Weighs {
    /// In bytes, about.
    fn weight(&self) -> usize;
}

/// How much a table takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

pub(super) struct Table<V> {
    /// Linear probing; at most four of five are taken.
    slots: Vec<Option<Slot<V>>>,
    taken: usize,
    bytes: usize,
}

struct Slot<V> {
    hash: u64,
    entry: Entry<V>,
}

/// Of so many that are found at a random place, the one whose time is up first is given up.
const CANDIDATES: usize = 8;

impl<V: Weighs> Table<V> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), taken: 0, bytes: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.taken
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + Self::of_slots(self.slots.capacity())
    }

    /// The entry of exactly this token, while it is good for an answer.
    pub(super) fn get(&self, hash: u64, token: &[u8], now: Moment) -> Option<&Entry<V>> {
        let slot = self.slots.get(self.find(hash, token, now)?)?;
        slot.as_ref().map(|slot| &slot.entry)
    }

    /// Keeps it in the place of an older one of the same token, and gives up others until there is
    /// room.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry<V>, room: Room) {
        if let Some(at) = self.find(hash, &entry.slice, Moment::START) {
            self.remove(at);
        }
        let own = weight(&entry);
        let mut random = hash;
        loop {
            let slots = self.slots_for(self.taken + 1, room.entries);
            let bytes = self.bytes + own + Self::of_slots(slots);
            if self.taken < room.entries && bytes <= room.bytes {
                self.grow(slots);
                break;
            }
            // Too large for an empty table even: it is not kept.
            let Some(victim) = self.victim(random) else { return };
            self.remove(victim);
            random = random.rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        self.bytes += own;
        self.taken += 1;
        self.put(Slot { hash, entry });
    }

    /// Looks at so many slots from there on and gives up what is stale; says where to go on.
    pub(super) fn purge(
        &mut self,
        from: usize,
        slots: usize,
        stale: impl Fn(&Entry<V>) -> bool,
    ) -> Option<usize> {
        let mut at = from;
        for _ in 0..slots {
            let slot = self.slots.get(at)?;
            if slot.as_ref().is_some_and(|slot| stale(&slot.entry)) {
                // Another may move into this slot: it is looked at again.
                self.remove(at);
            } else {
                at += 1;
            }
        }
        Some(at)
    }

    fn find(&self, hash: u64, token: &[u8], now: Moment) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = self.home(hash);
        // One slot is free, so this ends.
        while let Some(slot) = &self.slots[at] {
            // The deadline before the bytes: see the order of `Kept`.
            if slot.hash == hash
                && now < slot.entry.header.header.deadline
                && slot.entry.slice == *token
            {
                return Some(at);
            }
            at = self.next(at);
        }
        None
    }

    fn put(&mut self, slot: Slot<V>) {
        let mut at = self.home(slot.hash);
        while self.slots[at].is_some() {
            at = self.next(at);
        }
        self.slots[at] = Some(slot);
    }

    /// Empties a slot, and moves those behind it that were pushed away from their home by it.
    fn remove(&mut self, at: usize) {
        let Some(gone) = self.slots[at].take() else { return };
        self.taken -= 1;
        self.bytes = self.bytes.saturating_sub(weight(&gone.entry));
        let mut free = at;
        let mut next = self.next(at);
        while let Some(slot) = &self.slots[next] {
            let home = self.home(slot.hash);
            // How far it is from its home to each of them, round the end of the array.
            let distance = |to: usize| (to + self.slots.len() - home) % self.slots.len();
            if distance(free) < distance(next) {
                self.slots[free] = self.slots[next].take();
                free = next;
            }
            next = self.next(next);
        }
    }

    fn victim(&self, random: u64) -> Option<usize> {
        let mut at = self.home(random);
        let mut first: Option<(Moment, usize)> = None;
        let mut found = 0;
        for _ in 0..self.slots.len() {
            if let Some(slot) = &self.slots[at] {
                let deadline = slot.entry.header.header.deadline;
                if first.is_none_or(|(earliest, _)| deadline < earliest) {
                    first = Some((deadline, at));
                }
                found += 1;
                if found == CANDIDATES {
                    break;
                }
            }
            at = self.next(at);
        }
        first.map(|(_, at)| at)
    }

    /// How many slots there are when so many are taken: half again as many as before, where four of
    /// five would be taken, and no more than the most entries need.
    fn slots_for(&self, taken: usize, most: usize) -> usize {
        let there = self.slots.len();
        let enough = taken.saturating_mul(5) <= there.saturating_mul(4);
        if enough { there } else { (there / 2 * 3).max(16).min(most / 4 * 5 + 8) }
    }

    fn grow(&mut self, wanted: usize) {
        if wanted <= self.slots.len() {
            return;
        }
        let mut slots = Vec::with_capacity(wanted);
        slots.resize_with(wanted, || None);
        for slot in std::mem::replace(&mut self.slots, slots).into_iter().flatten() {
            self.put(slot);
        }
    }

    fn of_slots(slots: usize) -> usize {
        slots * size_of::<Option<Slot<V>>>()
    }

    /// Where a hash belongs: by its upper bits, in an array of any length.
    fn home(&self, hash: u64) -> usize {
        let place = (u128::from(hash) * self.slots.len() as u128) >> 64;
        usize::try_from(place).unwrap_or(0)
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }
}

/// About how many bytes an entry takes beside its slot: its own, the count of its holders, the length
/// of the token and the token, and what hangs on it.
pub(super) fn weight<V: Weighs>(entry: &Entry<V>) -> usize {
    let own = size_of::<Kept<V>>() + 2 * size_of::<usize>();
    own + entry.slice.len() + entry.header.header.value.weight()
}
