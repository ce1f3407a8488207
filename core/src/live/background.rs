//! The tasks of one `Sessions`: started at its build, stopped by `shutdown`, or when the last
//! clone is dropped.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

use super::{
    Follower, Open, Reader, Touches,
    again::{AFTER_PANIC, again_after_panics},
    measure::{Lag, Measured},
    open::keep,
    poller::{Poller, Purges},
    sweep::sweep_at_intervals,
    waiting::Line,
};
use crate::{events::Events, metrics::Tally, scheme::Clock, store::DynStore};

/// How long a shutdown waits for the last activity to be written down.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Background {
    touches: Arc<Touches>,
    follower: Arc<Follower>,
    open: Arc<Open>,
    tally: Arc<Tally>,
    runtime: Handle,
    /// The tasks end when this is dropped.
    stop: Mutex<Option<watch::Sender<()>>>,
    /// Closed once all of them have ended.
    ended: watch::Receiver<()>,
}

/// What follows the journal.
pub(crate) struct Following {
    pub(crate) follower: Arc<Follower>,
    /// The cache, in cached mode.
    pub(crate) cache: Option<Arc<dyn Purges>>,
}

impl Background {
    /// Starts the tasks on the runtime that this is called on.
    pub(crate) fn start(
        runtime: Handle,
        reader: &Reader,
        clock: Clock,
        Following { follower, cache }: Following,
    ) -> Self {
        let Reader { store, events, .. } = reader;
        let touches = Arc::new(Touches::default());
        let (stop, stopped) = watch::channel(());
        let mut tasks = Vec::new();
        for line in [Line::Confirmations, Line::Activity] {
            let (touches, store, events) = (touches.clone(), store.clone(), events.clone());
            tasks.push(runtime.spawn(Writer { line, touches, store, events }.run(stopped.clone())));
        }
        tasks.push({
            let (store, events) = (store.clone(), events.clone());
            runtime.spawn(again_after_panics("the sweep", stopped.clone(), move || {
                let (store, events) = (store.clone(), events.clone());
                async move { sweep_at_intervals(&*store, &events).await }
            }))
        });
        let open = Arc::new(Open::new(clock.clone(), follower.wanting().clone()));
        follower.tell(open.clone());
        follower.tell(Arc::new(Lag(clock)));
        tasks.push(runtime.spawn(keep(open.clone(), reader.clone(), stopped.clone())));
        tasks.push({
            let (store, events) = (store.clone(), events.clone());
            let (follower, cache) = (follower.clone(), cache.clone());
            let poller = Arc::new(Poller::new(follower, cache, store, events));
            runtime.spawn(again_after_panics("following the journal", stopped.clone(), move || {
                let poller = poller.clone();
                async move { poller.run().await }
            }))
        });
        let tally = Arc::new(Tally::new());
        tasks.push({
            let (tally, touches, open) = (tally.clone(), touches.clone(), open.clone());
            let measured = Arc::new(Measured { tally, touches, open, cache });
            let publishing = again_after_panics("a recorder of metrics", stopped, {
                let measured = measured.clone();
                move || {
                    let measured = measured.clone();
                    async move { measured.publish_at_intervals().await }
                }
            });
            runtime.spawn(async move {
                publishing.await;
                // The last second too.
                measured.publish();
            })
        });
        let ended = joined(&runtime, tasks);
        Self { touches, follower, open, tally, runtime, stop: Mutex::new(Some(stop)), ended }
    }

    pub(crate) fn touches(&self) -> &Touches {
        &self.touches
    }

    pub(crate) fn follower(&self) -> &Follower {
        &self.follower
    }

    pub(crate) fn open(&self) -> &Arc<Open> {
        &self.open
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Stops the tasks and waits until what waited is written down (5 s at most), as does whoever
    /// calls it meanwhile. Once stopped it does nothing more.
    pub(crate) async fn shutdown(&self) {
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
        // Nothing is ever sent: it ends when the other side is dropped.
        let _ = self.ended.clone().changed().await;
    }
}

/// What is closed once all of these tasks have ended.
fn joined(runtime: &Handle, tasks: Vec<JoinHandle<()>>) -> watch::Receiver<()> {
    let (running, ended) = watch::channel(());
    runtime.spawn(async move {
        for task in tasks {
            // A task that panicked has logged it; there is nothing left to stop.
            let _ = task.await;
        }
        drop(running);
    });
    ended
}

/// Writes one line of the activity down, whatever the store does.
struct Writer {
    line: Line,
    touches: Arc<Touches>,
    store: Arc<dyn DynStore>,
    events: Events,
}

impl Writer {
    async fn run(self, mut stopped: watch::Receiver<()>) {
        let mut writing = self.start(stopped.clone());
        loop {
            let ended = tokio::select! {
                biased;
                _ = stopped.changed() => break,
                ended = &mut writing => ended,
            };
            if ended.is_ok() {
                // It was told to stop a moment before this was. Begun once more, it ends at once.
                writing = self.start(stopped.clone());
                break;
            }
            // A panic, of a store that is not ours perhaps.
            tracing::error!("writing activity down panicked");
            tokio::time::sleep(AFTER_PANIC).await;
            writing = self.start(stopped.clone());
        }
        let flushed = async {
            // What is under way is not begun a second time.
            let _ = (&mut writing).await;
            self.touches.flush(self.line, &*self.store, &self.events).await;
        };
        if tokio::time::timeout(FLUSH_LIMIT, flushed).await.is_err() {
            writing.abort();
        }
        let lost = self.touches.left(self.line);
        if lost > 0 {
            tracing::warn!(lost, "the store did not take the last activity");
        }
    }

    fn start(&self, stopped: watch::Receiver<()>) -> JoinHandle<()> {
        let Self { line, touches, store, events } = self;
        let (line, touches, store, events) =
            (*line, touches.clone(), store.clone(), events.clone());
        tokio::spawn(async move { touches.write_behind(line, &*store, &events, stopped).await })
    }
}
