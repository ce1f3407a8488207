//! The tasks of one `Sessions`: started at its build, stopped by `shutdown`, or when the last
//! clone is dropped.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

use super::{Touches, sweep::sweep_at_intervals};
use crate::{events::Events, store::DynStore};

/// How long a shutdown waits for the last activity to be written down.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// How long the writer rests after a panic of the store.
const AFTER_PANIC: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Background {
    touches: Arc<Touches>,
    runtime: Handle,
    /// The tasks end when this is dropped.
    stop: Mutex<Option<watch::Sender<()>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Background {
    /// Starts the tasks on the runtime that this is called on.
    pub(crate) fn start(runtime: Handle, store: &Arc<dyn DynStore>, events: &Events) -> Self {
        let touches = Arc::new(Touches::default());
        let (stop, stopped) = watch::channel(());
        let writer = {
            let (touches, store, events) = (touches.clone(), store.clone(), events.clone());
            let mut stopped = stopped.clone();
            runtime.spawn(async move {
                loop {
                    let mut writing = write_behind(touches.clone(), store.clone(), events.clone());
                    tokio::select! {
                        // It ends by a panic alone, of a store that is not ours perhaps.
                        _ = &mut writing => tracing::error!("writing activity down panicked"),
                        _ = stopped.changed() => {
                            writing.abort();
                            let _ = writing.await;
                            break;
                        }
                    }
                    tokio::time::sleep(AFTER_PANIC).await;
                }
                let last = touches.flush(&*store, &events);
                if tokio::time::timeout(FLUSH_LIMIT, last).await.is_err() {
                    tracing::warn!("the store did not take the last activity in time");
                }
            })
        };
        let sweeper = {
            let (store, events, mut stopped) = (store.clone(), events.clone(), stopped);
            runtime.spawn(async move {
                tokio::select! {
                    () = sweep_at_intervals(&*store, &events) => {}
                    _ = stopped.changed() => {}
                }
            })
        };
        let (stop, tasks) = (Mutex::new(Some(stop)), Mutex::new(vec![writer, sweeper]));
        Self { touches, runtime, stop, tasks }
    }

    pub(crate) fn touches(&self) -> &Touches {
        &self.touches
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Stops the tasks and waits until what waited is written down (5 s at most). Once stopped it
    /// does nothing more.
    pub(crate) async fn shutdown(&self) {
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A task that panicked has logged it; there is nothing left to stop.
            let _ = task.await;
        }
    }
}

fn write_behind(touches: Arc<Touches>, store: Arc<dyn DynStore>, events: Events) -> JoinHandle<()> {
    tokio::spawn(async move { touches.write_behind(&*store, &events).await })
}
