//! Wake-ups: a connection that is subscribed to the channel on which the scripts publish that they
//! have written into the journal ([`Wakes`] has the rest).

use std::{convert::Infallible, sync::Arc};

use logout_all::store::{Heard, Wakes};
use redis::{PushInfo, PushKind, RedisError, Value};
use tokio::{runtime::Handle, sync::Notify, time::timeout};

use crate::{fault::Cause, server::Reach, wire::CONNECT_WAIT};

pub(crate) fn wakes(reach: &Arc<Reach>, channel: &str, runtime: &Handle) -> Wakes {
    let (reach, channel) = (Arc::clone(reach), channel.to_owned());
    Wakes::new("Redis", runtime.clone(), move |heard| {
        let (reach, channel) = (Arc::clone(&reach), channel.clone());
        async move { listen_once(&reach, &channel, &heard).await }
    })
}

/// Listens over one connection until it ends; says why it did.
async fn listen_once(reach: &Reach, channel: &str, heard: &Heard) -> String {
    let ended = Arc::new(Notify::new());
    let (ends, told) = (Arc::clone(&ended), heard.clone());
    let push = move |push: PushInfo| {
        match push.kind {
            PushKind::Message => told.tell(),
            PushKind::Disconnection => ends.notify_one(),
            _ => {}
        }
        Ok::<(), Infallible>(())
    };
    let connection = match timeout(CONNECT_WAIT, reach.listen(push)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return format!("{error:?}"),
        Err(_) => return "no connection in time".to_owned(),
    };
    let why = |error: RedisError| Cause::of(&error);
    let subscribe = async {
        let mut connection = connection.clone();
        connection.subscribe(channel).await.map_err(why)
    };
    let ping = || async {
        let mut connection = connection.clone();
        redis::cmd("PING").query_async::<Value>(&mut connection).await.map(drop).map_err(why)
    };
    tokio::select! {
        why = heard.while_answered(subscribe, ping) => why,
        () = ended.notified() => "the connection was closed".to_owned(),
    }
}
