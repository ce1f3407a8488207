//! What a node makes of the answers to its polls: marks for the cache, news for what is open, and the
//! lease (`docs/consistency.md`, "Poll"). It asks nobody itself.

use std::{
    fmt,
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{
    follow::{Follows, Wanting},
    known::{Judged, Known},
    lease::Held,
    marks::Marks,
    moment::Moment,
    sync::{Mutex, MutexGuard},
};
use crate::store::{Lease, Polled};

pub(crate) struct Follower {
    /// The longest lease that this node takes; zero in strict mode.
    lease: Duration,
    /// How many entries one poll asks for.
    limit: usize,
    held: Arc<Held>,
    marks: Arc<Marks>,
    wanting: Arc<Wanting>,
    state: Mutex<State>,
}

struct State {
    /// One more at each new beginning: what was asked before it counts for nothing.
    generation: u64,
    known: Option<Known>,
    follows: Vec<Arc<dyn Follows>>,
}

/// What a poll is sent with. Its answer is applied once, or not at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poll {
    generation: u64,
    known: Option<Known>,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// All that it tells is applied, and it counts.
    All,
    /// All that it tells is applied, and there is more.
    More,
    /// Something may have been missed, so nothing is known any more: ask as a newcomer.
    Anew,
    /// There is no entry to know.
    Empty,
    /// As `All`, and the store knows of no lease, which this node asked for: it is another store, or
    /// lost what it knew.
    Unleased,
    /// It was overtaken, by a new beginning or by an answer that knew more: it counts for nothing.
    Late,
}

impl Applied {
    /// The word for it, as metrics have it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::All => "applied",
            Self::More => "applied-in-part",
            Self::Anew => "torn",
            Self::Empty => "empty",
            Self::Unleased => "unleased",
            Self::Late => "late",
        }
    }
}

impl Poll {
    pub(super) fn after(self) -> Option<u64> {
        self.known.map(|known| known.seq)
    }
}

impl Follower {
    pub(crate) fn new(lease: Duration, limit: usize, held: Arc<Held>, marks: Arc<Marks>) -> Self {
        let state = State { generation: 0, known: None, follows: Vec::new() };
        Self { lease, limit, held, marks, wanting: Arc::default(), state: Mutex::new(state) }
    }

    /// Tells this one too, from now on: first of a gap, when the journal is read next.
    pub(crate) fn tell(&self, follows: Arc<dyn Follows>) {
        self.lock().follows.push(follows);
    }

    pub(crate) fn wanting(&self) -> &Arc<Wanting> {
        &self.wanting
    }

    pub(crate) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    pub(crate) fn marks(&self) -> &Arc<Marks> {
        &self.marks
    }

    /// The longest lease that this node takes, which it has asked the store for; zero in strict mode.
    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A poll is about to be sent. Read the clock after this and before it is.
    pub(crate) fn poll(&self) -> Poll {
        let state = self.lock();
        Poll { generation: state.generation, known: state.known }
    }

    /// Applies the answer to a poll that was sent no earlier than `sent_at`.
    ///
    /// One after the other, and each wholly: an entry that one answer has applied, another need not
    /// apply again, and it counts only if all of them are applied.
    pub(crate) fn apply(&self, poll: Poll, sent_at: Moment, polled: &Polled) -> Applied {
        let mut state = self.lock();
        if poll.generation != state.generation {
            return Applied::Late;
        }
        let Some(asked_with) = poll.known else {
            return self.begin(&mut state, sent_at, polled);
        };
        let judged = asked_with.judge(polled, self.limit);
        let known_since = state.known.map_or(0, |known| known.seq);
        if judged == Judged::Torn || !agrees(state.known, polled) {
            self.begin_anew(&mut state);
            gap(&state, Duration::ZERO);
            return Applied::Anew;
        }
        // Nothing of it is news, and whether it is of the same journal nobody can tell.
        if polled.last_seq < known_since {
            return Applied::Late;
        }
        for entry in &polled.entries {
            // Answers come in any order: what is known goes on, and never back.
            if entry.seq <= known_since {
                continue;
            }
            match &entry.user {
                Some(user) => self.marks.announce(user),
                None => self.marks.announce_everybody(),
            }
            state.follows.iter().for_each(|follows| follows.entry(entry));
            state.known = Some(Known::of(entry));
        }
        if judged == Judged::Part {
            return Applied::More;
        }
        self.extend(sent_at, polled);
        state.follows.iter().for_each(|follows| follows.read_on());
        Applied::All
    }

    /// The answer to a poll that was sent while nothing was known: whatever was read before it is
    /// forgotten.
    fn begin(&self, state: &mut State, sent_at: Moment, polled: &Polled) -> Applied {
        self.begin_anew(state);
        state.known = Known::of_newcomer(polled);
        if state.known.is_none() {
            return Applied::Empty;
        }
        gap(state, Duration::ZERO);
        self.extend(sent_at, polled);
        // Only at a beginning: an operator may take the lease away while nodes run.
        let lost = polled.lease == Lease::default() && !self.lease.is_zero();
        if lost { Applied::Unleased } else { Applied::All }
    }

    fn begin_anew(&self, state: &mut State) {
        self.held.end();
        self.marks.announce_everybody();
        state.generation += 1;
        state.known = None;
    }

    /// Nobody followed for a while, and what was known is old.
    pub(super) fn forget(&self) {
        self.begin_anew(&mut self.lock());
    }

    /// The journal cannot be read, and was last so long ago: whatever follows it is to look for
    /// itself.
    pub(super) fn unreadable(&self, silent: Duration) {
        gap(&self.lock(), silent);
    }

    pub(super) fn knows_nothing(&self) -> bool {
        self.lock().known.is_none()
    }

    fn extend(&self, sent_at: Moment, polled: &Polled) {
        let length = polled.lease.given.min(self.lease);
        if !length.is_zero() {
            self.held.extend(sent_at.after(length));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an answer that goes beyond what is known, or up to it, has that very entry.
fn agrees(known: Option<Known>, polled: &Polled) -> bool {
    let Some(known) = known else { return false };
    let same = polled.entries.iter().find(|entry| entry.seq == known.seq);
    same.is_none_or(|entry| entry.id == known.id)
}

fn gap(state: &State, silent: Duration) {
    state.follows.iter().for_each(|follows| follows.gap(silent));
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("lease", &self.lease).finish_non_exhaustive()
    }
}
