//! What waits for the store, what is on its way there, and what has just been written: bounded in
//! number and in bytes. It knows neither a store nor a task.
//!
//! A touch is of one token: one that arrives late, for a token that was replaced, must not take the
//! place of its successor's. A refTokID is random and never used again, and so it is the whole key.

mod held;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant, SystemTime},
};

use held::Held;

use crate::{
    scheme::{RefTokId, UserAgent, elapsed},
    store::{Confirm, Touch},
};

/// How many go into one statement or transaction.
pub(super) const BATCH: usize = 500;
/// A verification that read the row before a touch was written may ask for the same touch after it.
/// So long what was written is remembered: longer than a read of a store of ours may take.
const REMEMBERED: Duration = Duration::from_secs(5);
/// So many of a line within that time, and no more of it is written meanwhile: 20,000 a second. A line
/// for itself, so that activity, of which there is much after an outage, holds up no confirmation.
const MOST_REMEMBERED: usize = 100_000;
/// How many entries of an order may be there for nothing, beside as many as there are touches.
const PASSED_OVER: usize = 1000;

/// Whether a touch can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The first sight of a token: waits for no other.
    Confirmations,
    /// Last-seen times.
    Activity,
}

impl Line {
    /// The word for it, as metrics have it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Confirmations => "confirmations",
            Self::Activity => "activity",
        }
    }
}

/// What there is to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// These, in the order of their keys.
    Batch(Vec<Touch>),
    Nothing,
    /// What waits, must wait so long: more could not be remembered, or it rests.
    Enough(Duration),
}

/// What there is to do after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing waits.
    Arrival,
    /// More waits.
    Batch,
    /// What waits was passed over for a lock, and rests so long.
    Rest(Duration),
}

/// What became of a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// It waits, perhaps as a part of one that waited.
    Waits,
    /// It says nothing that is not written, or about to be.
    Known,
    /// There is no room: it is forgotten, as were so many since the last time that nothing waited.
    Full(u64),
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    confirmations: Queue,
    activity: Queue,
    /// Nothing is taken in any more.
    closed: bool,
}

/// The touches of one line, the oldest first.
#[derive(Debug)]
struct Queue {
    touches: HashMap<RefTokId, Touch>,
    /// One entry at least for each of them. One that names none of them is passed over: its touch
    /// became a confirmation, or was taken at another.
    order: VecDeque<RefTokId>,
    held: Held,
    /// Handed to the store and not answered yet: still what this node knows and the store may not.
    in_flight: HashMap<RefTokId, Touch>,
    bytes: usize,
    /// How many are handed over together. Less after a failure: what is too much for the store, or
    /// cannot be written at all, holds up the others no longer than it must.
    together: usize,
    /// How many found no room.
    forgotten: u64,
    written: Written,
}

/// What a node remembers of a touch.
#[derive(Clone, Copy, Debug)]
struct Known {
    seen_at: SystemTime,
    confirm: Confirm,
}

/// What was written of late, in two halves, of which the older is forgotten at once.
#[derive(Debug)]
struct Written {
    newer: HashMap<RefTokId, Known>,
    older: HashMap<RefTokId, Known>,
    since: Instant,
}

impl Waiting {
    /// More waiting touches than this in one line are not remembered.
    pub(super) const MOST: usize = 100_000;
    /// Nor more bytes than this, about: a client may change its user agent each time.
    pub(super) const MOST_BYTES: usize = 32 << 20;

    /// Queues one, merged with what waits for the same token. `every`: the least time between two
    /// activities of one session that are worth a write.
    pub(super) fn queue(&mut self, touch: Touch, every: Duration) -> Queued {
        let token = touch.ref_tok_id;
        if self.closed {
            return Queued::Known;
        }
        if self.confirmations.merge(&touch) {
            return Queued::Waits;
        }
        if self.knows(&touch, every) {
            return Queued::Known;
        }
        if touch.confirm == Confirm::No {
            if self.activity.merge(&touch) {
                return Queued::Waits;
            }
            return self.push(Line::Activity, touch);
        }
        match self.activity.remove(token) {
            Some(older) => self.push(Line::Confirmations, merged(&older, touch)),
            None => self.push(Line::Confirmations, touch),
        }
    }

    /// When this node first saw that token, if the store may not know it yet.
    pub(super) fn seen_here(&self, token: RefTokId) -> Option<SystemTime> {
        let Queue { in_flight, touches, .. } = &self.confirmations;
        in_flight.get(&token).or_else(|| touches.get(&token)).map(|touch| touch.seen_at)
    }

    /// Takes the next ones of a line, in the order of their keys: two nodes write the same rows in
    /// the same order, and neighbours are written together.
    pub(super) fn take(&mut self, line: Line, now: Instant) -> Taken {
        let closed = self.closed;
        let queue = self.line(line);
        let room = if closed { usize::MAX } else { queue.written.room(now) };
        // What a store panicked over is tried again.
        queue.put_back();
        if queue.touches.is_empty() {
            return Taken::Nothing;
        }
        if room == 0 {
            return Taken::Enough(queue.written.full_for(now));
        }
        queue.fill(queue.together.min(room), now);
        if queue.in_flight.is_empty() {
            return Taken::Enough(queue.held.rests_for(now).unwrap_or_default());
        }
        let mut batch: Vec<Touch> = queue.in_flight.values().cloned().collect();
        batch.sort_by(|a, b| (&a.user, a.guid).cmp(&(&b.user, b.guid)));
        Taken::Batch(batch)
    }

    /// What was in flight is written, but for the tokens whose rows somebody held: they rest, and are
    /// as much this node's knowledge as before.
    pub(super) fn written(&mut self, line: Line, passed_over: &[RefTokId], now: Instant) -> Next {
        let closed = self.closed;
        let queue = self.line(line);
        queue.together = (queue.together * 2).min(BATCH);
        for token in passed_over {
            if let Some(touch) = queue.in_flight.remove(token) {
                queue.put(touch);
                queue.held.push(*token, now);
            }
        }
        for (token, touch) in std::mem::take(&mut queue.in_flight) {
            if !closed {
                let known = Known { seen_at: touch.seen_at, confirm: touch.confirm };
                queue.written.newer.insert(token, known);
            }
        }
        if queue.touches.is_empty() {
            queue.order.clear();
            queue.held = Held::default();
            return Next::Arrival;
        }
        match queue.held.rests_for(now).filter(|_| queue.order.is_empty()) {
            Some(rest) => Next::Rest(rest),
            None => Next::Batch,
        }
    }

    /// What was in flight is not written, or perhaps not: it waits again, behind the others.
    pub(super) fn failed(&mut self, line: Line) {
        let queue = self.line(line);
        queue.together = (queue.together / 2).max(1);
        queue.put_back();
    }

    /// How many wait in that line or are on their way.
    pub(super) fn left(&self, line: Line) -> usize {
        let queue = match line {
            Line::Confirmations => &self.confirmations,
            Line::Activity => &self.activity,
        };
        queue.touches.len() + queue.in_flight.len()
    }

    /// How many found no room in that line, since this was asked last.
    pub(super) fn forgotten(&mut self, line: Line) -> u64 {
        std::mem::take(&mut self.line(line).forgotten)
    }

    /// Nothing is taken in any more, and nothing that is written need be remembered.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    fn knows(&self, touch: &Touch, every: Duration) -> bool {
        let on_its_way = [&self.confirmations.in_flight, &self.activity.in_flight];
        let mut known = on_its_way
            .into_iter()
            .filter_map(|line| line.get(&touch.ref_tok_id))
            .map(|touch| Known { seen_at: touch.seen_at, confirm: touch.confirm })
            .chain(self.confirmations.written.of(touch.ref_tok_id))
            .chain(self.activity.written.of(touch.ref_tok_id));
        known.any(|known| {
            let confirmed = known.confirm == Confirm::Yes || touch.confirm == Confirm::No;
            confirmed && elapsed(known.seen_at, touch.seen_at) < every
        })
    }

    fn push(&mut self, line: Line, touch: Touch) -> Queued {
        let queue = self.line(line);
        if queue.touches.len() >= Self::MOST || queue.bytes >= Self::MOST_BYTES {
            queue.forgotten += 1;
            return Queued::Full(queue.forgotten);
        }
        queue.push(touch);
        Queued::Waits
    }

    fn line(&mut self, line: Line) -> &mut Queue {
        match line {
            Line::Confirmations => &mut self.confirmations,
            Line::Activity => &mut self.activity,
        }
    }
}

impl Queue {
    /// Makes it a part of one that waits for the same token, if there is one.
    fn merge(&mut self, touch: &Touch) -> bool {
        let Some(there) = self.touches.get_mut(&touch.ref_tok_id) else { return false };
        self.bytes -= weight(there);
        *there = merged(there, touch.clone());
        self.bytes += weight(there);
        true
    }

    /// Takes up to so many in all: first what nobody held, and then what has rested by now, for which
    /// a quarter is kept.
    fn fill(&mut self, most: usize, now: Instant) {
        let kept = self.held.rested(now).min((most / 4).max(usize::from(most > 1)));
        while self.in_flight.len() < most - kept {
            let Some(token) = self.order.pop_front() else { break };
            self.take(token);
        }
        while self.in_flight.len() < most {
            let Some(token) = self.held.pop() else { break };
            self.take(token);
        }
    }

    fn take(&mut self, token: RefTokId) {
        if let Some(touch) = self.remove(token) {
            self.in_flight.insert(token, touch);
        }
    }

    fn push(&mut self, touch: Touch) {
        self.order.push_back(touch.ref_tok_id);
        self.put(touch);
        if self.order.len() > 2 * self.touches.len() + PASSED_OVER {
            self.compact();
        }
    }

    /// Forgets all places but the last of each touch: what failed waits behind the others.
    fn compact(&mut self) {
        let mut placed = HashSet::with_capacity(self.touches.len());
        let mut kept = VecDeque::with_capacity(self.touches.len());
        while let Some(token) = self.order.pop_back() {
            if self.touches.contains_key(&token) && placed.insert(token) {
                kept.push_front(token);
            }
        }
        self.order = kept;
    }

    fn remove(&mut self, token: RefTokId) -> Option<Touch> {
        let touch = self.touches.remove(&token)?;
        self.bytes -= weight(&touch);
        Some(touch)
    }

    /// Makes it wait, with what came for the same token since it was taken.
    fn put(&mut self, older: Touch) {
        let token = older.ref_tok_id;
        let touch = match self.remove(token) {
            Some(newer) => merged(&older, newer),
            None => older,
        };
        self.bytes += weight(&touch);
        self.touches.insert(token, touch);
    }

    fn put_back(&mut self) {
        for (_, touch) in std::mem::take(&mut self.in_flight) {
            self.push(touch);
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            touches: HashMap::new(),
            order: VecDeque::new(),
            held: Held::default(),
            in_flight: HashMap::new(),
            bytes: 0,
            together: BATCH,
            forgotten: 0,
            written: Written::default(),
        }
    }
}

impl Written {
    fn of(&self, token: RefTokId) -> impl Iterator<Item = Known> {
        [&self.newer, &self.older].into_iter().filter_map(move |half| half.get(&token).copied())
    }

    /// How many more can be remembered.
    fn room(&mut self, now: Instant) -> usize {
        if now.duration_since(self.since) >= REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
            self.since = now;
        }
        MOST_REMEMBERED.saturating_sub(self.newer.len())
    }

    /// How long until there is room for sure.
    fn full_for(&self, now: Instant) -> Duration {
        REMEMBERED.saturating_sub(now.duration_since(self.since))
    }
}

impl Default for Written {
    fn default() -> Self {
        Self { newer: HashMap::new(), older: HashMap::new(), since: Instant::now() }
    }
}

/// About how many bytes a waiting touch takes, with its place in table and order.
fn weight(touch: &Touch) -> usize {
    let agent = touch.user_agent.as_ref().map_or(0, |agent: &UserAgent| agent.as_str().len());
    2 * size_of::<Touch>() + 2 * size_of::<RefTokId>() + touch.user.as_str().len() + agent
}

/// Two touches of one token become one.
fn merged(older: &Touch, newer: Touch) -> Touch {
    let confirm = if older.confirm == Confirm::Yes { Confirm::Yes } else { newer.confirm };
    // The confirmation counts from when the token was *first* seen.
    let seen_at = match confirm {
        Confirm::Yes => older.seen_at.min(newer.seen_at),
        Confirm::No => older.seen_at.max(newer.seen_at),
    };
    Touch {
        seen_at,
        confirm,
        extension: older.extension.max(newer.extension),
        user_agent: newer.user_agent.or_else(|| older.user_agent.clone()),
        ..newer
    }
}

#[cfg(test)]
mod tests;
