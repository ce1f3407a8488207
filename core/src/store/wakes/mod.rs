//! Wake-ups from a server that tells its clients of news (`LISTEN`, `SUBSCRIBE`), so that a node polls
//! the journal a moment after something was written into it. For authors of stores.
//!
//! One connection listens. It is opened when somebody waits for a wake-up first, and opened again after
//! it ended, with a pause that grows. A wake-up carries nothing, and nothing depends on it: where none
//! comes (a proxy that moves connections between transactions, a socket that died unnoticed), polls
//! find everything some milliseconds later (`docs/consistency.md`, "Poll").

use std::{
    fmt,
    future::{Future, pending},
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

/// The pause before the connection is opened again: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// How often the server is asked whether it still is there, and for how long.
const ASKED_EVERY: Duration = Duration::from_secs(5);
const ANSWER_WAIT: Duration = Duration::from_secs(3);

/// What [`SessionStore::woken`](super::SessionStore::woken) waits for. Dropped, it listens no more.
pub struct Wakes {
    store: &'static str,
    runtime: Handle,
    heard: Heard,
    listen: Listen,
    listens: OnceLock<AbortHandle>,
}

/// Tells all who wait for a wake-up. Clones are one.
#[derive(Clone, Debug)]
pub struct Heard(watch::Sender<u64>);

type Listen = Arc<dyn Fn(Heard) -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

impl Wakes {
    /// For the store of that name (in logs). `listen` opens a connection, waits no longer than is good
    /// for that, tells of news until the connection ends, and says why it did; it is called again and
    /// again, on that runtime, from the first wait for a wake-up on. A panic ends one connection.
    pub fn new<Listening>(
        store: &'static str,
        runtime: Handle,
        listen: impl Fn(Heard) -> Listening + Send + Sync + 'static,
    ) -> Self
    where
        Listening: Future<Output = String> + Send + 'static,
    {
        let listen: Listen = Arc::new(move |heard| Box::pin(listen(heard)));
        let heard = Heard(watch::channel(0).0);
        Self { store, runtime, heard, listen, listens: OnceLock::new() }
    }

    /// Completes at what is heard after this call.
    pub fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut heard = self.heard.0.subscribe();
        self.listens.get_or_init(|| {
            let listening = listen_on(self.store, Arc::clone(&self.listen), self.heard.clone());
            self.runtime.spawn(listening).abort_handle()
        });
        async move {
            if heard.changed().await.is_err() {
                // The store is gone, or its runtime.
                pending::<()>().await;
            }
        }
    }
}

impl Heard {
    /// Something may have been journalled.
    pub fn tell(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Begins to listen, and tells then, for what came before was not heard; from then on asks the
    /// server every 5 s whether it still is there, since a connection that only listens never notices.
    /// Says why it is not: what `begin` or `ask` failed with, or that there was no answer within 3 s.
    pub async fn while_answered<E, Asking>(
        &self,
        begin: impl Future<Output = Result<(), E>>,
        mut ask: impl FnMut() -> Asking,
    ) -> String
    where
        E: fmt::Display,
        Asking: Future<Output = Result<(), E>>,
    {
        if let Err(why) = answered(begin).await {
            return why;
        }
        self.tell();
        loop {
            sleep(ASKED_EVERY).await;
            if let Err(why) = answered(ask()).await {
                return why;
            }
        }
    }
}

async fn answered<E: fmt::Display>(
    asking: impl Future<Output = Result<(), E>>,
) -> Result<(), String> {
    match timeout(ANSWER_WAIT, asking).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

async fn listen_on(store: &'static str, listen: Listen, heard: Heard) {
    let [first, longest] = PAUSES;
    let mut pause = first;
    loop {
        let began = Instant::now();
        // In a task of its own, which goes with this one: so a panic of it is its own.
        let mut one = JoinSet::new();
        one.spawn(listen(heard.clone()));
        let why = match one.join_next().await {
            Some(Ok(why)) => why,
            Some(Err(_)) | None => "it panicked".to_owned(),
        };
        tracing::debug!(store, %why, "no wake-ups until the connection is there again");
        pause = if began.elapsed() > longest { first } else { (pause * 2).min(longest) };
        sleep(pause).await;
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        if let Some(task) = self.listens.get() {
            task.abort();
        }
    }
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakes").field("store", &self.store).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
