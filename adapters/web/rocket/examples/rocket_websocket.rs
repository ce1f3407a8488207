//! A WebSocket that closes the moment its session ends, wherever that was decided.
//!
//! `cargo run -p logout-all-rocket --example rocket_websocket` prints a token; with any WebSocket client
//! connect to `ws://127.0.0.1:8000/talk` and send it as `Authorization: Bearer …`. Then end the
//! session: `curl -X DELETE -H "authorization: Bearer $TOKEN" http://127.0.0.1:8000/auth/session`.

use std::time::Duration;

use logout_all_rocket::{AuthFairing, AuthSession, ClientInfo, Keys, MemoryStore, Sessions};
use rocket::{
    Build, Config, Rocket,
    futures::{SinkExt, StreamExt},
    get, routes,
    tokio::{select, time::timeout},
};
use rocket_ws::{
    Channel, Message, WebSocket,
    frame::{CloseCode, CloseFrame},
    stream::DuplexStream,
};

/// The session is verified once, with the upgrade: the guard also refuses other sites.
#[get("/talk")]
fn talk(session: AuthSession, upgrade: WebSocket) -> Channel<'static> {
    upgrade.channel(move |mut socket| {
        Box::pin(async move {
            let end = select! {
                end = session.ended() => end,
                () = echo(&session, &mut socket) => return Ok(()),
            };
            let reason = end.as_public_str().into();
            let close = socket.close(Some(CloseFrame { code: CloseCode::Policy, reason }));
            // A client that reads nothing does not keep it open.
            let _ = timeout(Duration::from_secs(1), close).await;
            Ok(())
        })
    })
}

/// What the application does, until the client leaves.
async fn echo(session: &AuthSession, socket: &mut DuplexStream) {
    let mut next = Some(Ok(Message::text(format!("hello {}", session.user_id()))));
    while let Some(Ok(message)) = next {
        if message.is_text() && socket.send(message).await.is_err() {
            return;
        }
        next = socket.next().await;
    }
}

/// The application, for its `main` and for a test.
pub fn application(sessions: &Sessions, config: Config) -> Rocket<Build> {
    rocket::custom(config)
        .attach(AuthFairing::new(sessions))
        .mount("/", routes![talk])
        .mount("/auth", logout_all_rocket::routes(sessions))
}

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let sessions =
        Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
    let ticket = sessions.begin_login(Some("ada")).await?;
    let login = sessions.login(ticket, ClientInfo::default(), &()).await?;
    println!("TOKEN={}", login.issued.token.expose());

    application(&sessions, Config::default()).launch().await?;
    sessions.shutdown().await;
    Ok(())
}
