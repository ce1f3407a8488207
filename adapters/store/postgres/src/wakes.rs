//! Wake-ups: one connection that listens, so that a node polls the journal a moment after something
//! was written into it. A wake-up carries nothing, and nothing depends on it: where none comes (a
//! proxy that moves connections between transactions, a socket that died unnoticed), polls find
//! everything some milliseconds later.
//!
//! The connection is opened when somebody waits for a wake-up first, and opened again after it
//! ended, with a pause that grows.

use std::{
    fmt,
    future::{Future, pending, poll_fn},
    sync::OnceLock,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::watch,
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_postgres::AsyncMessage;

use crate::{
    db::quoted,
    fault::Cause,
    server::{CONNECT_WAIT, Reach},
};

/// The pause before the connection is opened again: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// How often the server is asked whether it still is there, and for how long.
const ASKED_EVERY: Duration = Duration::from_secs(5);
const ANSWER_WAIT: Duration = Duration::from_secs(3);

pub(crate) struct Wakes {
    reach: Reach,
    /// The schema's name, in whose name the deferred trigger notifies.
    channel: String,
    runtime: Handle,
    heard: watch::Sender<u64>,
    listens: OnceLock<AbortHandle>,
}

impl Wakes {
    pub(crate) fn new(reach: Reach, schema: &str, runtime: Handle) -> Self {
        let (heard, _) = watch::channel(0);
        Self { reach, channel: quoted(schema), runtime, heard, listens: OnceLock::new() }
    }

    /// Completes at what is heard after this call.
    pub(crate) fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut heard = self.heard.subscribe();
        self.listens.get_or_init(|| {
            let (reach, channel) = (self.reach.clone(), self.channel.clone());
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

async fn listen_on(reach: Reach, channel: String, heard: watch::Sender<u64>) {
    let [first, longest] = PAUSES;
    let mut pause = first;
    loop {
        let began = Instant::now();
        let why = listen_once(&reach, &channel, &heard).await;
        tracing::debug!(%why, "no wake-ups from PostgreSQL until the connection is there again");
        pause = if began.elapsed() > longest { first } else { (pause * 2).min(longest) };
        sleep(pause).await;
    }
}

/// Listens over one connection until it ends; says why it did.
async fn listen_once(reach: &Reach, channel: &str, heard: &watch::Sender<u64>) -> String {
    let config = reach.config_for("wake");
    let (client, mut connection) =
        match timeout(CONNECT_WAIT, config.connect(reach.tls.clone())).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Cause::of(&error).to_string(),
            Err(_) => return "no connection in time".to_owned(),
        };
    let tell = || heard.send_modify(|count| *count = count.wrapping_add(1));
    let listening = async {
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(_))) => tell(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Cause::of(&error).to_string(),
                None => return "the connection was closed".to_owned(),
            }
        }
    };
    let asking = async {
        let mut statement = format!("SET statement_timeout = 2000; LISTEN {channel}");
        loop {
            match timeout(ANSWER_WAIT, client.batch_execute(&statement)).await {
                Ok(Ok(())) if statement.is_empty() => {}
                // What came before it listened was not heard.
                Ok(Ok(())) => tell(),
                Ok(Err(error)) => return Cause::of(&error).to_string(),
                Err(_) => return "no answer in time".to_owned(),
            }
            statement.clear();
            sleep(ASKED_EVERY).await;
        }
    };
    tokio::select! { why = listening => why, why = asking => why }
}
