//! The task that reads what is to be read: one for all that is open on this node.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Open,
    reading::{Found, Reader},
    table::Asked,
};
use crate::live::again::again_after_panics;

/// How late an expiry is told at most, where a clock was moved.
const GLANCE: Duration = Duration::from_secs(1);

/// Reads sessions when they are due until the node stops; then nobody follows any more, and
/// whatever is open is told so.
pub(crate) async fn keep(open: Arc<Open>, reader: Reader, stopped: watch::Receiver<()>) {
    let mut panicked = false;
    again_after_panics("reading open sessions", stopped, || {
        let (open, reader) = (open.clone(), reader.clone());
        if std::mem::replace(&mut panicked, true) {
            // What was to be read by then, too.
            open.read_everything(None);
        }
        async move {
            loop {
                read_due(&open, &reader).await;
                rest(&open).await;
            }
        }
    })
    .await;
    open.close();
}

/// Batch after batch. Those of one batch are asked at once, so that a store that coalesces lookups
/// sends a few statements.
async fn read_due(open: &Open, reader: &Reader) {
    loop {
        // Not moved by the clock that tests move: a question that is under way then is answered.
        let sent_at = Instant::now();
        let batch = open.take();
        if batch.is_empty() {
            return;
        }
        let read = |asked: Asked| {
            let reader = reader.clone();
            tokio::spawn(async move { reader.read(&asked).await })
        };
        let reads: Vec<_> = batch.iter().cloned().map(read).collect();
        for (asked, mut read) in batch.iter().zip(reads) {
            let patience = Duration::from_millis(asked.until.saturating_sub(asked.at));
            match timeout_at(sent_at + patience, &mut read).await {
                Ok(Ok(Ok(Found::Alive(at, again_in)))) => open.alive(asked, at, again_in),
                Ok(Ok(Ok(Found::Over(told)))) => open.over(&asked.key, told),
                // Told by `watch`. A store that panics has answered nothing either, nor one that is
                // silent for longer than anybody waits.
                Ok(_) | Err(_) => {
                    read.abort();
                    open.unanswered(asked);
                }
            }
        }
    }
}

/// Until something is due.
async fn rest(open: &Open) {
    let work = open.work.notified();
    match open.idle_for() {
        None => work.await,
        Some(rest) => drop(timeout(rest.min(GLANCE), work).await),
    }
}
