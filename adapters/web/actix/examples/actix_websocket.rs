//! A WebSocket that closes the moment its session ends, wherever that was decided.
//!
//! `cargo run -p logout-all-actix --example actix_websocket` prints a token; with any WebSocket client
//! connect to `ws://127.0.0.1:3000/talk` and send it as `Authorization: Bearer …`. Then end the
//! session: `curl -X DELETE -H "authorization: Bearer $TOKEN" http://127.0.0.1:3000/auth/session`.

use std::time::Duration;

use actix_web::{
    App, Error, HttpRequest, HttpResponse, HttpServer, get, rt,
    web::{self, Data, Payload, ServiceConfig},
};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, Session};
use logout_all_actix::{AuthSession, ClientInfo, Keys, MemoryStore, Sessions, routes};

/// The session is verified once, with the upgrade: the extractor also refuses other sites.
#[get("/talk")]
async fn talk(
    session: AuthSession,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Error> {
    let (response, mut socket, mut messages) = actix_ws::handle(&request, body)?;
    rt::spawn(async move {
        let end = tokio::select! {
            end = session.ended() => end,
            () = echo(&session, &mut socket, &mut messages) => return,
        };
        let description = Some(end.as_public_str().to_owned());
        let close = socket.close(Some(CloseReason { code: CloseCode::Policy, description }));
        // A client that reads nothing does not keep it open.
        let _ = rt::time::timeout(Duration::from_secs(1), close).await;
    });
    Ok(response)
}

/// What the application does, until the client leaves.
async fn echo(session: &AuthSession, socket: &mut Session, messages: &mut MessageStream) {
    if socket.text(format!("hello {}", session.user_id())).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = messages.recv().await {
        let answered = match message {
            Message::Text(text) => socket.text(text).await,
            Message::Ping(bytes) => socket.pong(&bytes).await,
            Message::Close(_) => return,
            _ => Ok(()),
        };
        if answered.is_err() {
            return;
        }
    }
}

/// The application, for its `main` and for a test.
pub fn application(sessions: &Sessions) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
    let sessions = sessions.clone();
    move |config| {
        let library = web::scope("/auth").configure(routes(&sessions));
        config.app_data(Data::new(sessions)).service(talk).service(library);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let sessions =
        Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
    let ticket = sessions.begin_login(Some("ada")).await?;
    let login = sessions.login(ticket, ClientInfo::default(), &()).await?;
    println!("TOKEN={}", login.issued.token.expose());

    let configure = application(&sessions);
    let server = HttpServer::new(move || App::new().configure(configure.clone()));
    server.bind(("127.0.0.1", 3000))?.run().await?;
    sessions.shutdown().await;
    Ok(())
}
