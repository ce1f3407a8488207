//! Activity on its way to the store: verification queues it and answers, two tasks write it down in
//! batches, one of them confirmations alone. A touch may be lost, a logout never is.
//!
//! At most one of a session and token for each `every` of its verifications, however many of them
//! there are, and whatever they read before it was written; and one confirmation.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::{Notify, watch};

use super::{
    jittered,
    waiting::{Line, Next, Queued, Taken, Waiting},
};
use crate::{
    events::{Events, Side},
    metrics,
    scheme::RefTokId,
    store::{Confirm, DynStore, Touch},
};

/// How long the first one waits for others. A confirmation reaches the store within a second.
const GATHER: Duration = Duration::from_millis(200);
/// The pause after a failure, more or less: nodes that lost one store do not come back in step.
const PAUSE: Duration = Duration::from_secs(1);

/// How many rests a shutdown grants to whoever holds a row: 0.3 s at least.
const RESTS: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Touches {
    waiting: Mutex<Waiting>,
    confirmation: Notify,
    activity: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrote {
    All,
    More,
    /// More cannot be remembered yet, or the rest was passed over.
    Enough(Duration),
    Failed,
}

impl Touches {
    /// Queues one; merged with what waits for the same token. Nothing waits for anything but a
    /// short lock.
    pub(crate) fn queue(&self, touch: Touch, every: Duration) {
        let line = match touch.confirm {
            Confirm::Yes => Line::Confirmations,
            Confirm::No => Line::Activity,
        };
        match self.lock().queue(touch, every) {
            Queued::Waits => self.arrived(line).notify_one(),
            Queued::Known => {}
            Queued::Full(so_far) => {
                metrics::touch_dropped(line.as_str());
                if so_far == 1 {
                    tracing::warn!(
                        "too much activity waits for the store: what comes now is not written down"
                    );
                }
            }
        }
    }

    /// When this node first saw that token, if the store may not know it yet.
    pub(crate) fn seen_here(&self, token: RefTokId) -> Option<SystemTime> {
        self.lock().seen_here(token)
    }

    /// Writes down what arrives in that line until it is told to stop, which it does between two
    /// batches.
    pub(super) async fn write_behind(
        &self,
        line: Line,
        store: &dyn DynStore,
        events: &Events,
        mut stop: watch::Receiver<()>,
    ) {
        loop {
            let wrote = self.write_batch(line, store, events).await;
            let rest = async {
                match wrote {
                    Wrote::More => {}
                    Wrote::All => {
                        self.arrived(line).notified().await;
                        tokio::time::sleep(GATHER).await;
                    }
                    Wrote::Enough(rest) => tokio::time::sleep(rest).await,
                    Wrote::Failed => tokio::time::sleep(jittered(PAUSE)).await,
                }
            };
            tokio::select! {
                biased;
                _ = stop.changed() => return,
                () = rest => {}
            }
        }
    }

    /// Writes down all that waits in that line, as at a shutdown, and takes nothing in any more.
    /// Gives up at the first failure, and on rows that somebody holds after a few rests.
    pub(super) async fn flush(&self, line: Line, store: &dyn DynStore, events: &Events) {
        self.lock().close();
        let mut rests = 0;
        loop {
            match self.write_batch(line, store, events).await {
                Wrote::More => {}
                Wrote::Enough(rest) if rests < RESTS => {
                    rests += 1;
                    tokio::time::sleep(rest).await;
                }
                Wrote::All | Wrote::Failed | Wrote::Enough(_) => return,
            }
        }
    }

    /// How many wait in that line or are on their way.
    pub(super) fn left(&self, line: Line) -> usize {
        self.lock().left(line)
    }

    async fn write_batch(&self, line: Line, store: &dyn DynStore, events: &Events) -> Wrote {
        let batch = match self.lock().take(line, Instant::now()) {
            Taken::Batch(batch) => batch,
            Taken::Nothing => return Wrote::All,
            Taken::Enough(rest) => return Wrote::Enough(rest),
        };
        let Ok(passed_over) = events.watch(Side::Writes, store.touch(&batch).await) else {
            self.lock().failed(line);
            return Wrote::Failed;
        };
        if batch.len() > passed_over.len() {
            metrics::touching(line.as_str(), batch.len() - passed_over.len());
        }
        let mut waiting = self.lock();
        let wrote = match waiting.written(line, &passed_over, Instant::now()) {
            Next::Batch => return Wrote::More,
            Next::Arrival => Wrote::All,
            Next::Rest(rest) => Wrote::Enough(rest),
        };
        // Held rows may fill it still.
        let relieved = waiting.left(line) < Waiting::MOST / 2;
        let forgotten = if relieved { waiting.forgotten(line) } else { 0 };
        drop(waiting);
        if forgotten > 0 {
            tracing::warn!(forgotten, "activity is written down again; so many sights are lost");
        }
        wrote
    }

    fn arrived(&self, line: Line) -> &Notify {
        match line {
            Line::Confirmations => &self.confirmation,
            Line::Activity => &self.activity,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Touches {
    /// The lock, as a test holds it.
    pub(crate) fn held(&self) -> impl Sized {
        self.lock()
    }

    pub(crate) fn all_is_written(&self) -> bool {
        self.left(Line::Confirmations) + self.left(Line::Activity) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::{Clock, Guid, UserId};

    fn touch() -> Touch {
        Touch {
            user: UserId::new(1).unwrap(),
            guid: Guid::random(),
            ref_tok_id: RefTokId::random(),
            seen_at: Clock::system().now(),
            extension: None,
            user_agent: None,
            confirm: Confirm::No,
        }
    }

    /// How long `queue` takes, where the touch is known already: by hand, in release.
    #[test]
    #[ignore = "a measurement"]
    fn what_a_known_touch_costs() {
        const EACH: u32 = 1_000_000;
        let touches = Touches::default();
        let known: Vec<Touch> = (0..10_000).map(|_| touch()).collect();
        for threads in [1, 2, 4] {
            let begun = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for at in 0..EACH as usize {
                            let touch = known[at * 7919 % known.len()].clone();
                            touches.queue(touch, Duration::from_mins(1));
                        }
                    });
                }
            });
            let each = begun.elapsed() / (EACH * threads);
            println!("{threads} threads: {each:?} each, of all of them");
        }
        println!("a touch is {} bytes", size_of::<Touch>());
    }
}
