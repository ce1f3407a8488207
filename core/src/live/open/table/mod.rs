//! Which connections are open, of which sessions, and which sessions are to be read when. It knows
//! no clock, no store and no task.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included, Unbounded},
};

use tokio::sync::oneshot;

use crate::scheme::{EndReason, Guid, UserId};

/// Event streams of one session.
const STREAMS_PER_SESSION: usize = 8;
/// Event streams of one node.
const STREAMS_PER_NODE: usize = 10_000;
/// How many sessions are read together.
const BATCH: usize = 500;
/// Between two readings of everything, and two of a session that was not answered.
const PAUSE: Ms = 5_000;
/// Nothing heard of a session for so long, by the journal or by an answer.
const PATIENCE: Ms = 15_000;
/// So long before that it is asked about once more.
const LAST_QUESTION: Ms = 1_000;

/// Milliseconds since the node started.
pub(super) type Ms = u64;
/// A user's sessions stand side by side.
pub(super) type Key = (UserId, Guid);
pub(super) type Teller = oneshot::Sender<Told>;

/// What an open connection is told, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Ended(EndReason),
    Expired,
    /// The session may be alive: the store does not say, or nobody asks it any more.
    Unknown,
    /// The node shuts down. Only event streams are told.
    Closing,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The application's own, as many as it likes.
    Own,
    /// An event stream, counted.
    Stream,
}

/// Why there is no place.
#[derive(Debug)]
pub(super) enum Refused {
    TooMany,
    /// It is told at once.
    Closed(Teller, Told),
}

/// A session that is to be read.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) key: Key,
    pub(super) at: Ms,
    /// Why it should be over, if an entry was about all of its user or everybody.
    pub(super) why: Option<EndReason>,
    /// When it was alive, in microseconds of the store's clock.
    pub(super) alive_at: i64,
    /// An answer that comes later than this is waited for no longer.
    pub(super) until: Ms,
}

#[derive(Default)]
pub(super) struct Table {
    sessions: BTreeMap<Key, Session>,
    /// Which is to be read when.
    agenda: BTreeSet<(Ms, Key)>,
    round: Option<Round>,
    /// A reading of everything that waits for its turn, and since when something may be missing.
    round_due: Option<(Ms, Ms)>,
    /// When the last one began.
    last_round: Option<Ms>,
    streams: usize,
    next_id: u64,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Draining,
    Closed,
}

/// A reading of everything, under way.
struct Round {
    /// All up to here have been asked about.
    after: Option<Key>,
    why: Option<EndReason>,
    /// Since when nothing was heard, if that is why.
    silent_since: Option<Ms>,
}

struct Session {
    listeners: Vec<Listener>,
    /// Its place in the agenda; none while it is read.
    next: Option<Ms>,
    /// Since when the journal or a question was not answered.
    silent_since: Option<Ms>,
    /// When it was opened, or the last question was sent that was answered.
    heard: Ms,
    why: Option<EndReason>,
    alive_at: i64,
}

struct Listener {
    id: u64,
    kind: Kind,
    teller: Teller,
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Sessions, and event streams.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.sessions.len(), self.streams)
    }

    /// A session that nobody was open for is read at once.
    pub(super) fn join(
        &mut self,
        key: &Key,
        alive_at: i64,
        (kind, teller): (Kind, Teller),
        now: Ms,
    ) -> Result<u64, Refused> {
        match (self.state, kind) {
            (State::Open, _) | (State::Draining, Kind::Own) => {}
            (State::Draining, Kind::Stream) => return Err(Refused::Closed(teller, Told::Closing)),
            (State::Closed, _) => return Err(Refused::Closed(teller, Told::Unknown)),
        }
        let of_session = self.sessions.get(key).map_or(0, Session::streams);
        if kind == Kind::Stream {
            if of_session >= STREAMS_PER_SESSION || self.streams >= STREAMS_PER_NODE {
                return Err(Refused::TooMany);
            }
            self.streams += 1;
        }
        self.next_id += 1;
        let listener = Listener { id: self.next_id, kind, teller };
        if let Some(session) = self.sessions.get_mut(key) {
            session.listeners.push(listener);
        } else {
            let listeners = vec![listener];
            let (next, silent_since, why) = (Some(now), None, None);
            let session = Session { listeners, next, silent_since, heard: now, why, alive_at };
            self.sessions.insert(key.clone(), session);
            self.agenda.insert((now, key.clone()));
        }
        Ok(self.next_id)
    }

    pub(super) fn leave(&mut self, key: &Key, id: u64) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(at) = session.listeners.iter().position(|listener| listener.id == id) else {
            return;
        };
        if session.listeners.swap_remove(at).kind == Kind::Stream {
            self.streams -= 1;
        }
        if session.listeners.is_empty() {
            self.remove(key);
        }
    }

    /// Those to be told that it is over.
    pub(super) fn remove(&mut self, key: &Key) -> Vec<Teller> {
        let Some(session) = self.sessions.remove(key) else { return Vec::new() };
        if let Some(next) = session.next {
            self.agenda.remove(&(next, key.clone()));
        }
        self.streams -= session.streams();
        session.listeners.into_iter().map(|listener| listener.teller).collect()
    }

    /// A user's sessions are read at once.
    pub(super) fn mark(&mut self, user: &UserId, why: Option<EndReason>, now: Ms) {
        let from = Included((user.clone(), Guid::LEAST));
        for (key, session) in self.sessions.range_mut((from, Unbounded)) {
            if key.0 != *user {
                break;
            }
            session.why = why.or(session.why);
            plan(&mut self.agenda, key, session, now);
        }
    }

    /// All are read, from the beginning if they are being read already.
    pub(super) fn begin_round(&mut self, why: Option<EndReason>, now: Ms) {
        let under_way = self.round.take();
        let why = why.or(under_way.as_ref().and_then(|round| round.why));
        let silent_since = under_way.and_then(|round| round.silent_since);
        self.round = Some(Round { after: None, why, silent_since });
        self.last_round = Some(now);
    }

    /// The same, and not sooner than is good for the store. The journal has told nothing since then.
    pub(super) fn begin_round_in_turn(&mut self, since: Ms, now: Ms) {
        let turn = self.last_round.map_or(now, |last| last.saturating_add(PAUSE).max(now));
        let (_, earliest) = self.round_due.get_or_insert((turn, since));
        *earliest = since.min(*earliest);
    }

    /// The journal tells again what there is to tell: who has not been asked about yet will be, and is
    /// not silent.
    pub(super) fn is_heard(&mut self, now: Ms) {
        if let Some(round) = &mut self.round {
            round.silent_since = None;
        }
        if let Some((_, since)) = &mut self.round_due {
            *since = now;
        }
    }

    /// What is to be read now, and those of whom nothing was heard for too long.
    pub(super) fn take(&mut self, now: Ms) -> (Vec<Asked>, Vec<Teller>) {
        // One that is under way reaches everybody first.
        let free = self.round.is_none();
        if let Some((_, since)) = self.round_due.take_if(|(due, _)| free && *due <= now) {
            self.begin_round(None, now);
            if let Some(round) = &mut self.round {
                let earliest = round.silent_since.get_or_insert(since);
                *earliest = since.min(*earliest);
            }
        }
        self.plan_round(now);
        let (mut batch, mut given_up) = (Vec::new(), Vec::new());
        while batch.len() < BATCH {
            if self.agenda.first().is_none_or(|(next, _)| *next > now) {
                break;
            }
            let Some((_, key)) = self.agenda.pop_first() else { break };
            let Some(session) = self.sessions.get_mut(&key) else { continue };
            session.next = None;
            let until = session.silent_since.unwrap_or(now).saturating_add(PATIENCE);
            if until <= now {
                given_up.extend(self.remove(&key));
            } else {
                let (why, alive_at) = (session.why, session.alive_at);
                batch.push(Asked { key, at: now, why, alive_at, until });
            }
        }
        (batch, given_up)
    }

    /// The next of the round come into the agenda.
    fn plan_round(&mut self, now: Ms) {
        let Some(mut round) = self.round.take() else { return };
        let from = round.after.take().map_or(Unbounded, Excluded);
        let (mut last, mut reached) = (None, 0);
        for (key, session) in self.sessions.range_mut((from, Unbounded)).take(BATCH) {
            session.why = round.why.or(session.why);
            session.is_silent(round.silent_since);
            plan(&mut self.agenda, key, session, now);
            last = Some(key.clone());
            reached += 1;
        }
        // Less than a batch was the last one.
        if reached == BATCH {
            round.after = last;
            self.round = Some(round);
        }
    }

    /// Whatever was asked for since the question was sent stays asked for.
    pub(super) fn alive(&mut self, asked: &Asked, at: i64, next: Ms) {
        let Some(session) = self.sessions.get_mut(&asked.key) else { return };
        session.alive_at = session.alive_at.max(at);
        session.heard = asked.at;
        session.silent_since = None;
        if session.next.is_none() {
            session.why = None;
            plan(&mut self.agenda, &asked.key, session, next);
        }
    }

    pub(super) fn unanswered(&mut self, asked: &Asked, now: Ms) {
        let Some(session) = self.sessions.get_mut(&asked.key) else { return };
        let until = session.silent_since.get_or_insert(asked.at).saturating_add(PATIENCE);
        let last = until.saturating_sub(LAST_QUESTION);
        let next = if now < last { now.saturating_add(PAUSE).min(last) } else { until.max(now) };
        plan(&mut self.agenda, &asked.key, session, next);
    }

    /// When the next is to be read; none while nothing is open.
    pub(super) fn next(&self) -> Option<Ms> {
        let (next, _) = self.agenda.first()?;
        let round = if self.round.is_some() { Some(0) } else { self.round_due.map(|(due, _)| due) };
        Some(round.map_or(*next, |due| due.min(*next)))
    }

    /// No event streams any more; those to be told.
    pub(super) fn drain(&mut self) -> Vec<Teller> {
        if self.state == State::Open {
            self.state = State::Draining;
        }
        let mut streams = Vec::new();
        for session in self.sessions.values_mut() {
            let is_stream = |listener: &mut Listener| listener.kind == Kind::Stream;
            let ended = session.listeners.extract_if(.., is_stream);
            streams.extend(ended.map(|listener| listener.teller));
        }
        self.streams = 0;
        let empty = self.sessions.iter().filter(|(_, session)| session.listeners.is_empty());
        let empty: Vec<Key> = empty.map(|(key, _)| key.clone()).collect();
        for key in &empty {
            self.remove(key);
        }
        streams
    }

    /// Nothing any more; those to be told.
    pub(super) fn close(&mut self) -> Vec<Teller> {
        self.state = State::Closed;
        self.streams = 0;
        self.agenda.clear();
        let sessions = std::mem::take(&mut self.sessions);
        let listeners = sessions.into_values().flat_map(|session| session.listeners);
        listeners.map(|listener| listener.teller).collect()
    }
}

impl Session {
    /// The journal has told nothing since then; what was heard of the session itself counts.
    fn is_silent(&mut self, since: Option<Ms>) {
        let Some(since) = since.map(|since| since.max(self.heard)) else { return };
        let earliest = self.silent_since.get_or_insert(since);
        *earliest = since.min(*earliest);
    }

    fn streams(&self) -> usize {
        self.listeners.iter().filter(|listener| listener.kind == Kind::Stream).count()
    }
}

/// It is read then, or sooner if it was to be.
fn plan(agenda: &mut BTreeSet<(Ms, Key)>, key: &Key, session: &mut Session, next: Ms) {
    if session.next.is_some_and(|planned| planned <= next) {
        return;
    }
    if let Some(planned) = session.next.replace(next) {
        agenda.remove(&(planned, key.clone()));
    }
    agenda.insert((next, key.clone()));
}

#[cfg(test)]
mod tests;
