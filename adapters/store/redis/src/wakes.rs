//! Wake-ups: one connection that is subscribed to the channel on which the scripts publish that they
//! have written into the journal, so that a node polls a moment after. A wake-up carries nothing, and
//! nothing depends on it: where none comes, polls find everything some milliseconds later.
//!
//! The connection is opened when somebody waits for a wake-up first, and opened again after it ended,
//! with a pause that grows.

use std::{
    fmt,
    future::{Future, pending},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use redis::{PushInfo, PushKind, Value};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::{fault::Cause, server::Reach, wire::CONNECT_WAIT};

/// The pause before the connection is opened again: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// How often the server is asked whether it still is there, and for how long.
const ASKED_EVERY: Duration = Duration::from_secs(5);
const ANSWER_WAIT: Duration = Duration::from_secs(3);

pub(crate) struct Wakes {
    reach: Arc<Reach>,
    channel: String,
    runtime: Handle,
    heard: watch::Sender<u64>,
    listens: OnceLock<AbortHandle>,
}

impl Wakes {
    pub(crate) fn new(reach: &Arc<Reach>, channel: &str, runtime: &Handle) -> Self {
        let (reach, channel) = (Arc::clone(reach), channel.to_owned());
        let (heard, _) = watch::channel(0);
        Self { reach, channel, runtime: runtime.clone(), heard, listens: OnceLock::new() }
    }

    /// Completes at what is heard after this call.
    pub(crate) fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut heard = self.heard.subscribe();
        self.listens.get_or_init(|| {
            let (reach, channel) = (Arc::clone(&self.reach), self.channel.clone());
            self.runtime.spawn(listen_on(reach, channel, self.heard.clone())).abort_handle()
        });
        async move {
            if heard.changed().await.is_err() {
                // The store is gone, or its runtime.
                pending::<()>().await;
            }
        }
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
        f.debug_struct("Wakes").field("channel", &self.channel).finish_non_exhaustive()
    }
}

async fn listen_on(reach: Arc<Reach>, channel: String, heard: watch::Sender<u64>) {
    let [first, longest] = PAUSES;
    let mut pause = first;
    loop {
        let began = Instant::now();
        let why = listen_once(&reach, &channel, &heard).await;
        tracing::debug!(%why, "no wake-ups from Redis until the connection is there again");
        pause = if began.elapsed() > longest { first } else { (pause * 2).min(longest) };
        sleep(pause).await;
    }
}

/// Listens over one connection until it ends; says why it did.
async fn listen_once(reach: &Reach, channel: &str, heard: &watch::Sender<u64>) -> String {
    let late = "no answer in time";
    let tell =
        |heard: &watch::Sender<u64>| heard.send_modify(|count| *count = count.wrapping_add(1));
    let ended = Arc::new(Notify::new());
    let (ends, told) = (Arc::clone(&ended), heard.clone());
    let push = move |push: PushInfo| {
        match push.kind {
            PushKind::Message => tell(&told),
            PushKind::Disconnection => ends.notify_one(),
            _ => {}
        }
        Ok::<(), std::convert::Infallible>(())
    };
    let mut connection = match timeout(CONNECT_WAIT, reach.listen(push)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return format!("{error:?}"),
        Err(_) => return late.to_owned(),
    };
    let asking = async {
        match timeout(ANSWER_WAIT, connection.subscribe(&channel)).await {
            // What came before it was subscribed was not heard.
            Ok(Ok(())) => tell(heard),
            Ok(Err(error)) => return Cause::of(&error).to_string(),
            Err(_) => return late.to_owned(),
        }
        loop {
            sleep(ASKED_EVERY).await;
            let asked = redis::cmd("PING");
            match timeout(ANSWER_WAIT, asked.query_async::<Value>(&mut connection)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Cause::of(&error).to_string(),
                Err(_) => return late.to_owned(),
            }
        }
    };
    tokio::select! {
        why = asking => why,
        () = ended.notified() => "the connection was closed".to_owned(),
    }
}
