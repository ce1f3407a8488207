//! Wake-ups: the writer tells those of this process who follow the journal when it has committed
//! entries. Other processes on the file find them at their next poll.

use std::future::{Future, pending};

use deadpool_sqlite::rusqlite::Connection;
use logout_all::StoreError;
use tokio::sync::watch;

use crate::{fault::Fault, journal};

/// Who waits for the next entry.
pub(crate) type Wakes = watch::Receiver<u64>;

/// What the writer does after each commit: it compares the journal's end with the one before, and so
/// tells of all that was written into it, by whatever statement or trigger.
pub(crate) fn channel(
    writer: &Connection,
) -> Result<(impl FnMut(&Connection) + Send + use<>, Wakes), StoreError> {
    let (tell, wakes) = watch::channel(journal::last_seq(writer).map_err(Fault::told)?);
    let after_commit = move |connection: &Connection| {
        // What cannot be read now is read by the next poll.
        let Ok(last_seq) = journal::last_seq(connection) else { return };
        tell.send_if_modified(|known| std::mem::replace(known, last_seq) != last_seq);
    };
    Ok((after_commit, wakes))
}

/// Completes at the next entry after this call.
pub(crate) fn next(wakes: &Wakes) -> impl Future<Output = ()> + Send + use<> {
    let mut wakes = wakes.clone();
    wakes.mark_unchanged();
    async move {
        if wakes.changed().await.is_err() {
            // The store is gone, and its writer.
            pending::<()>().await;
        }
    }
}
