//! The task that polls the journal: four times a lease, when somebody says that there is news, and in
//! strict mode only while something open wants it (`docs/consistency.md`, "Poll").

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use super::{
    cache::CacheState,
    follower::{Applied, Follower},
    moment::Moment,
};
use crate::{
    events::{Event, Events},
    metrics,
    store::{DynStore, StoreError, StoreErrorKind},
};

/// How often at least the journal is read while something open waits for it: in strict mode, and where
/// a quarter of the lease is longer.
const OPEN: Duration = Duration::from_millis(500);
/// So many polls are under way at most: one that is lost does not hold up the next.
const UNDER_WAY: usize = 4;
/// A poll that did not wait for its tick is at least this far from the one before.
const APART: Duration = Duration::from_millis(10);
/// As often whatever follows the journal is told to look for itself, while that cannot be read.
const UNREADABLE: Duration = Duration::from_secs(5);
/// How often a part of the cache is looked through.
const PURGE: Duration = Duration::from_millis(125);

/// What is looked through for entries that are good for nothing any more.
pub(crate) trait Purges: Send + Sync {
    fn purge(&self, now: Moment);
    fn state(&self, now: Moment) -> CacheState;
}

pub(super) struct Poller {
    follower: Arc<Follower>,
    cache: Option<Arc<dyn Purges>>,
    store: Arc<dyn DynStore>,
    events: Events,
    /// What was told of the lease last: a panic begins everything anew but this.
    told: Mutex<Hold>,
}

/// What one round knows.
struct Round {
    under_way: JoinSet<Outcome>,
    /// When to poll before the next tick.
    early: Option<Instant>,
    last_sent: Option<Instant>,
    /// There was news, and too many polls under way to ask for it.
    missed: bool,
    began: Instant,
    /// When the journal was last read.
    last_read: Instant,
    /// When its followers were told last that it cannot be, or it was read after that.
    last_told: Instant,
    error: Option<StoreError>,
}

type Outcome = Result<Applied, StoreError>;

/// Whether the lease was seen running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    NotYet,
    Running,
    Lost,
}

impl Poller {
    pub(super) fn new(
        follower: Arc<Follower>,
        cache: Option<Arc<dyn Purges>>,
        store: Arc<dyn DynStore>,
        events: Events,
    ) -> Self {
        Self { follower, cache, store, events, told: Mutex::new(Hold::NotYet) }
    }

    /// For ever; the caller drops the future to stop.
    pub(super) async fn run(&self) {
        loop {
            if self.is_strict() {
                self.follower.wanting().until_wanted().await;
            }
            self.follower.forget();
            self.follow().await;
        }
    }

    fn is_strict(&self) -> bool {
        self.follower.lease().is_zero()
    }

    /// Polls, in strict mode until nobody wants it any more.
    async fn follow(&self) {
        let every = if self.is_strict() { OPEN } else { self.follower.lease() / 4 };
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut between = interval(OPEN);
        between.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut purges = interval(PURGE);
        purges.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut woken = self.store.woken();
        let mut round = Round::new();
        loop {
            tokio::select! {
                biased;
                Some(outcome) = round.under_way.join_next() => {
                    round.came_back(outcome.unwrap_or_else(|why| Err(panicked(why))));
                }
                _ = ticks.tick() => {
                    if self.is_strict() && !self.follower.wanting().is_wanted() {
                        return;
                    }
                    self.send(&mut round);
                }
                _ = between.tick(), if every > OPEN && self.follower.wanting().is_wanted() => {
                    self.send(&mut round);
                }
                () = woken.as_mut() => {
                    woken = self.store.woken();
                    round.poll_early();
                }
                () = due(round.early) => {
                    round.early = None;
                    round.missed = !self.send(&mut round);
                }
                _ = purges.tick(), if self.cache.is_some() => {
                    self.cache.iter().for_each(|cache| cache.purge(Moment::now()));
                }
            }
            self.look_around(&mut round);
        }
    }

    /// Whether there was room for one more.
    fn send(&self, round: &mut Round) -> bool {
        // A newcomer asks once: the answer is the beginning of all that follows.
        let most = if self.follower.knows_nothing() { 1 } else { UNDER_WAY };
        if round.under_way.len() >= most {
            return false;
        }
        round.last_sent = Some(Instant::now());
        let (follower, store) = (self.follower.clone(), self.store.clone());
        round.under_way.spawn(async move { poll(&follower, &*store).await });
        true
    }

    /// Tells what became of the lease, and of the journal.
    fn look_around(&self, round: &mut Round) {
        if let Some(event) = self.lease_news(round) {
            self.events.tell(&event);
        }
        if round.last_told.elapsed() >= UNREADABLE {
            round.last_told = Instant::now();
            self.follower.unreadable(round.last_read.elapsed());
        }
    }
}

impl Poller {
    fn lease_news(&self, round: &Round) -> Option<Event> {
        let runs = self.follower.held().runs_at(Moment::now());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = || Some(Event::LeaseLost { error: round.error.clone() });
        let (now, news) = match (*told, runs) {
            (Hold::NotYet, true) => (Hold::Running, None),
            (Hold::Running, false) => (Hold::Lost, lost()),
            (Hold::Lost, true) => (Hold::Running, Some(Event::LeaseBack)),
            // It never had one, and cannot get one: that is told once, too.
            (Hold::NotYet, false) if !self.is_strict() && round.began.elapsed() >= UNREADABLE => {
                (Hold::Lost, lost())
            }
            (unchanged, _) => (unchanged, None),
        };
        *told = now;
        news
    }
}

impl Round {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            under_way: JoinSet::new(),
            early: None,
            last_sent: None,
            missed: false,
            began: now,
            last_read: now,
            last_told: now,
            error: None,
        }
    }

    fn came_back(&mut self, outcome: Outcome) {
        if std::mem::take(&mut self.missed) {
            self.poll_early();
        }
        metrics::polled(outcome.as_ref().map_or("failed", |applied| applied.as_str()));
        match outcome {
            Ok(applied) => {
                self.error = None;
                self.last_read = Instant::now();
                self.last_told = self.last_read;
                if matches!(
                    applied,
                    Applied::More | Applied::Anew | Applied::Empty | Applied::Unleased
                ) {
                    self.poll_early();
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the journal could not be read");
                self.error = Some(error);
            }
        }
    }

    fn poll_early(&mut self) {
        let now = Instant::now();
        self.early.get_or_insert(self.last_sent.map_or(now, |last| now.max(last + APART)));
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// One poll: a statement of its own, whose answer is applied here, in the task that reads it.
async fn poll(follower: &Follower, store: &dyn DynStore) -> Outcome {
    let poll = follower.poll();
    let limit = limit(follower.lease());
    let asked = async {
        // Before anything is sent: what the answer does not tell was committed later.
        let sent_at = Moment::now();
        let polled = store.poll(poll.after(), follower.limit()).await?;
        Ok(follower.apply(poll, sent_at, &polled))
    };
    let applied = within(limit, asked).await?;
    if matches!(applied, Applied::Empty | Applied::Unleased) {
        // It writes an entry to know, where there is none. The lengths are there already, unless the
        // store lost them; the polls that are sent from now on are given them. Where that fails, the next
        // poll begins anew, and asks again.
        let raised = within(limit, store.raise_lease(follower.lease())).await;
        raised.inspect_err(|_| follower.forget())?;
    }
    Ok(applied)
}

/// An answer that takes longer than the lease is no use to it.
fn limit(lease: Duration) -> Duration {
    const LONGEST: Duration = Duration::from_secs(2);
    if lease.is_zero() { LONGEST } else { lease.clamp(Duration::from_millis(250), LONGEST) }
}

async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(limit, asked).await.unwrap_or_else(|_| {
        let message = format!("the journal did not answer within {limit:?}");
        Err(StoreError::new(StoreErrorKind::TimedOut, message))
    })
}

fn panicked(why: tokio::task::JoinError) -> StoreError {
    let message = "a poll of the journal panicked";
    StoreError::new(StoreErrorKind::Stopped, message).with_cause(why)
}
