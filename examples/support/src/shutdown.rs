//! The end: at SIGTERM and Ctrl-C.

use std::{future::Future, pin::Pin, time::Duration};

/// How long requests in flight may take to finish after the signal.
pub const REQUESTS_LIMIT: Duration = Duration::from_secs(10);

/// Completes when the server shall end. Stop accepting then, call `sessions.drain()`, let requests
/// in flight finish for [`REQUESTS_LIMIT`] at most, and `sessions.shutdown()` last.
pub type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Listens from now on, and not only when the server first asks: a signal that comes in between
/// would end the process in the middle of its start.
pub(crate) fn shutdown() -> std::io::Result<Shutdown> {
    let signal = signal()?;
    Ok(Box::pin(async move {
        signal.await;
        tracing::info!("shutting down: requests in flight may finish");
    }))
}

#[cfg(unix)]
fn signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C cannot be listened for");
            std::future::pending::<()>().await;
        }
    })
}
