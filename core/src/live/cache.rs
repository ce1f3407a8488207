//! The cache of a node: what verifications proved, found again by all the bytes of the token, for as
//! long as the lease runs, nothing was announced about the user, and the entry is young
//! (`docs/consistency.md`). It knows no token format, no store and no task.

use std::{fmt, sync::Arc, time::Duration};

use triomphe::ThinArc;

use super::{
    lease::Held,
    marks::{Born, Marks, Place},
    moment::Moment,
    sync::{AtomicU64, AtomicUsize, Ordering, RwLock},
    table::{Entry, Kept, Room, Table, Weighs},
};

pub(crate) struct Cache<V> {
    shards: Box<[Shard<V>]>,
    /// Of each shard.
    room: Room,
    keys: [u64; 2],
    held: Arc<Held>,
    marks: Arc<Marks>,
    /// What the entries stand on beside the store: see [`stand_on`](Cache::stand_on).
    ground: [AtomicU64; 2],
    next_to_purge: AtomicUsize,
}

/// What a node in cached mode holds: for metrics, and for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheState {
    /// How many tokens are kept, those that are good for no answer any more among them.
    pub entries: usize,
    /// How many bytes they take, about.
    pub bytes: usize,
    /// For how long this node may answer from memory if it hears nothing more of the journal; zero:
    /// it asks the store.
    pub lease_left: Duration,
}

/// Two lines of the processor's cache for each: who takes one lock disturbs no other.
#[repr(align(128))]
struct Shard<V>(RwLock<Table<V>>);

/// A read that may fill the cache: begun before anything of it was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill {
    pub(super) began: Moment,
    pub(super) born: Born,
}

impl Fill {
    pub(crate) fn began(self) -> Moment {
        self.began
    }
}

/// So many at most; fewer where there is room for few entries.
const SHARDS: usize = 64;
/// How many slots are looked at under one lock.
const PURGED_TOGETHER: usize = 256;

impl<V: Weighs> Cache<V> {
    /// With room for so many entries, and bytes, in all.
    pub(crate) fn new(entries: usize, bytes: usize, held: Arc<Held>, marks: Arc<Marks>) -> Self {
        let shards = (1..=SHARDS).rev().find(|shards| entries / shards > 0).unwrap_or(1);
        let room = Room { entries: entries / shards, bytes: bytes / shards };
        Self {
            shards: (0..shards).map(|_| Shard(RwLock::new(Table::new()))).collect(),
            room,
            keys: [random(), random()],
            held,
            marks,
            ground: [AtomicU64::new(0), AtomicU64::new(0)],
            next_to_purge: AtomicUsize::new(0),
        }
    }

    /// What is known of exactly this token, if this node may answer from memory.
    ///
    /// `now` was read during the call. The lease comes first, then the entry, then its deadline and
    /// the marks: what ended before the call began, and was reported, is marked if the lease runs.
    pub(crate) fn get(&self, token: &[u8], now: Moment) -> Option<Entry<V>> {
        if !self.may_answer(now) {
            return None;
        }
        self.find(token, now).filter(|entry| self.stands(entry, now))
    }

    /// Whether the lease runs.
    pub(super) fn may_answer(&self, now: Moment) -> bool {
        self.held.runs_at(now)
    }

    /// What is kept of this token and is young enough, whatever was announced since.
    pub(super) fn find(&self, token: &[u8], now: Moment) -> Option<Entry<V>> {
        let hash = self.hash(token)?;
        read(self.shard(hash)).get(hash, token, now).cloned()
    }

    /// Whether an entry is good for an answer: young enough, and nobody spoke of its user since its
    /// read began.
    pub(super) fn stands(&self, entry: &Entry<V>, now: Moment) -> bool {
        let kept = &entry.header.header;
        now < kept.deadline && self.marks.stands(kept.born, kept.place)
    }

    /// Begins a read that may fill the cache, at `now`; none while nothing may be answered from it.
    pub(crate) fn fill(&self, now: Moment) -> Option<Fill> {
        self.may_answer(now).then(|| Fill { began: now, born: self.marks.born() })
    }

    /// Keeps what that read brought, for so long from when it *began*, unless the user was spoken of
    /// since. (Whoever speaks later is heard by whoever would answer from the entry.)
    pub(crate) fn keep(
        &self,
        fill: Fill,
        place: Place,
        lasts: Duration,
        token: &[u8],
        value: V,
    ) -> Entry<V> {
        let (deadline, born) = (fill.began.after(lasts), fill.born);
        let entry = ThinArc::from_header_and_slice(Kept { deadline, born, place, value }, token);
        if let (Some(hash), true) = (self.hash(token), self.marks.stands(born, place)) {
            let mut table = write(self.shard(hash));
            // A fill that began earlier may come later.
            let known = table.get(hash, token, fill.began);
            let newer = known.is_some_and(|known| known.header.header.born > born);
            if !newer {
                table.insert(hash, entry.clone(), self.room);
            }
        }
        entry
    }

    /// Two values beside the store that entries depend on (which keys are accepted, what tests moved
    /// the clock by): where one is another than before, all entries are forgotten.
    pub(crate) fn stand_on(&self, ground: [u64; 2]) {
        let is = [&self.ground[0], &self.ground[1]].map(|known| known.load(Ordering::SeqCst));
        if is != ground {
            // Marked first: whoever sees the new ground sees the mark.
            self.marks.announce_everybody();
            self.ground[0].store(ground[0], Ordering::SeqCst);
            self.ground[1].store(ground[1], Ordering::SeqCst);
        }
    }

    /// Gives up what is good for no answer any more, in one shard after the other at each call.
    pub(crate) fn purge(&self, now: Moment) {
        let at = self.next_to_purge.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        let mut from = Some(0);
        while let Some(slot) = from {
            let stale = |entry: &Entry<V>| !self.stands(entry, now);
            from = write(&self.shards[at]).purge(slot, PURGED_TOGETHER, stale);
        }
    }

    pub(crate) fn state(&self, now: Moment) -> CacheState {
        let none = CacheState { entries: 0, bytes: 0, lease_left: self.held.left(now) };
        self.shards.iter().fold(none, |state, shard| {
            let table = read(shard);
            let (entries, bytes) = (state.entries + table.len(), state.bytes + table.bytes());
            CacheState { entries, bytes, ..state }
        })
    }

    fn shard(&self, hash: u64) -> &Shard<V> {
        // By the lower bits, as tables go by the upper ones.
        let at = ((hash & 0xffff_ffff) * self.shards.len() as u64) >> 32;
        &self.shards[usize::try_from(at).unwrap_or(0)]
    }

    /// Of the token's last 32 bytes: they are of its signature, which nobody chooses without a key.
    /// Keyed, so that nobody gathers tokens in one place; none for what is too short to be one.
    fn hash(&self, token: &[u8]) -> Option<u64> {
        let (_, tail) = token.split_last_chunk::<32>()?;
        let mut hash = self.keys[0] ^ token.len() as u64;
        for word in tail.chunks_exact(8) {
            let word = word.try_into().map_or(0, u64::from_le_bytes);
            // Both halves of the product: each of its bits depends on all of the factors'.
            let (low, high) = (hash ^ word).carrying_mul(self.keys[1] | 1, 0);
            hash = low ^ high;
        }
        Some(hash)
    }
}

/// A value that is kept nowhere: what a verification proved that did not come from the cache.
pub(crate) fn unkept<V>(value: V) -> Entry<V> {
    let (born, place) = (Born::START, Place::FIRST);
    ThinArc::from_header_and_slice(Kept { deadline: Moment::START, born, place, value }, &[])
}

fn random() -> u64 {
    // Without a source of randomness no key and no id could be made either.
    getrandom::u64().unwrap_or(0x243f_6a88_85a3_08d3)
}

// No code of others runs under these locks, and each step leaves a whole table: a poisoned lock is
// taken all the same.
fn read<V>(shard: &Shard<V>) -> impl std::ops::Deref<Target = Table<V>> {
    shard.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write<V>(shard: &Shard<V>) -> impl std::ops::DerefMut<Target = Table<V>> {
    shard.0.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("room", &self.room).finish_non_exhaustive()
    }
}
