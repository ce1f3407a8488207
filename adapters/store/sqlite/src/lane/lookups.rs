//! Lookup threads: each takes the lookups that wait and answers them from one snapshot, by one
//! prepared statement. What waits, who joins it and who is told what is the core's
//! ([`logout_all::store::coalesce`]).

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use deadpool_sqlite::rusqlite::Connection;
use logout_all::{
    Clock, StoreError,
    store::{
        LookupAnswer, LookupAsked, Lookups,
        coalesce::{Batch, Batches},
    },
};

use super::{VERB_WAIT, begin, guarded, no_thread};
use crate::{fault::Fault, lookup::Lookup};

/// How many sessions one thread looks up in one snapshot.
const TOGETHER: usize = 64;

/// Starts a thread for each connection. They end when the lookups are dropped.
pub(crate) fn start(
    connections: Vec<Connection>,
    lookup: Lookup,
    clock: &Clock,
) -> Result<Lookups, StoreError> {
    let (lookups, batches) = Lookups::new("SQLite", VERB_WAIT, TOGETHER);
    let lookup = Arc::new(lookup);
    for (number, connection) in connections.into_iter().enumerate() {
        let (batches, lookup, clock) = (batches.clone(), Arc::clone(&lookup), clock.clone());
        let work = move || {
            while let Some(batch) = wait(&batches) {
                guarded(&connection, "a lookup", || answer(&connection, &lookup, &clock, batch));
            }
        };
        let thread = thread::Builder::new().name(format!("logout-all-lookup-{number}"));
        thread.spawn(work).map_err(no_thread)?;
    }
    Ok(lookups)
}

/// The snapshot is taken after the batch was: each lookup sees what had returned before it came.
fn answer(
    connection: &Connection,
    lookup: &Lookup,
    clock: &Clock,
    batch: Batch<LookupAsked, LookupAnswer>,
) {
    let now = clock.now();
    // One statement by itself is a snapshot already.
    let begun = if batch.questions().len() > 1 { begin(connection) } else { Ok(()) };
    let prepared = begun.and_then(|()| lookup.prepare(connection));
    let answers: Vec<LookupAnswer> = match prepared {
        Ok(mut statement) => {
            let mut run = |(user, guid): &LookupAsked| lookup.run(&mut statement, now, user, *guid);
            batch.questions().map(|asked| run(asked).map_err(Fault::told)).collect()
        }
        Err(error) => batch.questions().map(|_| Err(error.clone())).collect(),
    };
    // All at once: callers that wake one by one come back one by one, and batches stay small.
    for (asked, answer) in batch.into_iter().zip(answers) {
        asked.answer(answer);
    }
}

/// Blocks this thread until there is a batch; none once the store is gone.
fn wait(batches: &Batches<LookupAsked, LookupAnswer>) -> Option<Batch<LookupAsked, LookupAnswer>> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut next = pin!(batches.next());
    loop {
        match next.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(batch) => return batch,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
