//! A task that goes on after a panic, of a store or a listener that is not ours.

use std::time::Duration;

use tokio::task::JoinSet;

/// How long it rests before.
pub(super) const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Runs what is begun to its end, and begins it anew whenever it panics. Dropped, it stops.
pub(super) async fn again_after_panics<F>(what: &'static str, mut begin: impl FnMut() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut task = JoinSet::new();
        task.spawn(begin());
        match task.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!("{what} panicked, and begins anew");
                tokio::time::sleep(AFTER_PANIC).await;
            }
            _ => return,
        }
    }
}
