//! A WebSocket that closes the moment its session ends, wherever that was decided.
//!
//! `cargo run -p logout-all-axum --example axum_websocket` prints a token; with any WebSocket client
//! connect to `ws://127.0.0.1:3000/talk` and send it as `Authorization: Bearer …`. Then end the
//! session: `curl -X DELETE -H "authorization: Bearer $TOKEN" http://127.0.0.1:3000/auth/session`.

use std::time::Duration;

use axum::{
    Router,
    extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code::POLICY},
    response::Response,
    routing::any,
};
use logout_all_axum::{AuthSession, ClientInfo, Keys, MemoryStore, Sessions, routes};

/// The session is verified once, with the upgrade: the extractor also refuses other sites.
async fn talk(session: AuthSession, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let end = tokio::select! {
            end = session.ended() => end,
            () = echo(&session, &mut socket) => return,
        };
        let reason = end.as_public_str().into();
        let close = socket.send(Message::Close(Some(CloseFrame { code: POLICY, reason })));
        // A client that reads nothing does not keep it open.
        let _ = tokio::time::timeout(Duration::from_secs(1), close).await;
    })
}

/// What the application does, until the client leaves.
async fn echo(session: &AuthSession, socket: &mut WebSocket) {
    let mut next = Some(Ok(Message::text(format!("hello {}", session.user_id()))));
    while let Some(Ok(message)) = next {
        if matches!(message, Message::Text(_)) && socket.send(message).await.is_err() {
            return;
        }
        next = socket.recv().await;
    }
}

/// The application, for its `main` and for a test.
pub fn application(sessions: &Sessions) -> Router {
    let router = Router::new().route("/talk", any(talk)).nest("/auth", routes(sessions));
    router.with_state(sessions.clone())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let sessions =
        Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
    let ticket = sessions.begin_login(Some("ada")).await?;
    let login = sessions.login(ticket, ClientInfo::default(), &()).await?;
    println!("TOKEN={}", login.issued.token.expose());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, application(&sessions)).await?;
    Ok(())
}
