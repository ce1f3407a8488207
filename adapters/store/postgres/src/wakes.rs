//! Wake-ups: a connection that listens on the channel in whose name the deferred trigger notifies
//! ([`Wakes`] has the rest).

use std::future::poll_fn;

use logout_all::store::{Heard, Wakes};
use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::AsyncMessage;

use crate::{
    db::quoted,
    fault::Cause,
    server::{CONNECT_WAIT, Reach},
};

pub(crate) fn wakes(reach: Reach, schema: &str, runtime: Handle) -> Wakes {
    // The channel has the schema's name.
    let channel = quoted(schema);
    Wakes::new("PostgreSQL", runtime, move |heard| {
        let (reach, channel) = (reach.clone(), channel.clone());
        async move { listen_once(&reach, &channel, &heard).await }
    })
}

/// Listens over one connection until it ends; says why it did.
async fn listen_once(reach: &Reach, channel: &str, heard: &Heard) -> String {
    let config = reach.config_for("wake");
    let (client, mut connection) =
        match timeout(CONNECT_WAIT, config.connect(reach.tls.clone())).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Cause::of(&error).to_string(),
            Err(_) => return "no connection in time".to_owned(),
        };
    let listening = async {
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(_))) => heard.tell(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Cause::of(&error).to_string(),
                None => return "the connection was closed".to_owned(),
            }
        }
    };
    let execute =
        async |sql: &str| client.batch_execute(sql).await.map_err(|error| Cause::of(&error));
    let listen = format!("SET statement_timeout = 2000; LISTEN {channel}");
    let asking = heard.while_answered(execute(&listen), || execute(""));
    tokio::select! { why = listening => why, why = asking => why }
}
