//! A task that goes on after a panic, of a store or a listener that is not ours.

use std::time::Duration;

use tokio::{sync::watch, task::JoinSet};

/// How long it rests before.
pub(super) const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Runs what is begun to its end, and begins it anew whenever it panics, until it is told to stop; then
/// it ends when what was begun has ended.
pub(super) async fn again_after_panics<F>(
    what: &'static str,
    mut stopped: watch::Receiver<()>,
    mut begin: impl FnMut() -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut task = JoinSet::new();
        task.spawn(begin());
        let ended = tokio::select! {
            biased;
            _ = stopped.changed() => None,
            ended = task.join_next() => ended,
        };
        match ended {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!("{what} panicked, and begins anew");
            }
            _ => {
                task.shutdown().await;
                return;
            }
        }
        tokio::select! {
            biased;
            _ = stopped.changed() => return,
            () = tokio::time::sleep(AFTER_PANIC) => {}
        }
    }
}
