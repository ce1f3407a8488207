//! A refused request gets no connection of its own, even from a handler that must not be written.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod server;

use std::{io, pin::Pin};

use logout_all_conformance::client::Request as Asked;
use logout_all_rocket::{AuthFairing, AuthSession, Transports, testing::TestSessions};
use rocket::{
    Request, Response,
    data::{IoHandler, IoStream},
    get,
    http::Status,
    response::{self, Responder},
    routes,
};
use server::{Server, config};
use tokio::io::AsyncWriteExt;

/// What speaks over the socket.
struct Speaker;

#[rocket::async_trait]
impl IoHandler for Speaker {
    async fn io(self: Pin<Box<Self>>, mut stream: IoStream) -> io::Result<()> {
        stream.write_all(b"what only users may hear").await
    }
}

struct Upgrade;

impl<'r> Responder<'r, 'static> for Upgrade {
    fn respond_to(self, _request: &'r Request<'_>) -> response::Result<'static> {
        Response::build().status(Status::SwitchingProtocols).upgrade("websocket", Speaker).ok()
    }
}

#[get("/socket")]
fn socket(_session: AuthSession) -> Upgrade {
    Upgrade
}

/// What must not be written.
#[get("/trap")]
fn trap(_session: Option<AuthSession>) -> Upgrade {
    Upgrade
}

#[tokio::test]
async fn a_refusal_takes_the_place_of_an_upgrade_too() {
    let cookie = |builder: logout_all_rocket::SessionsBuilder| builder.transports(Transports::Both);
    let test = TestSessions::start_with(cookie).await;
    let rocket = rocket::custom(config())
        .attach(AuthFairing::new(&test.sessions))
        .mount("/", routes![socket, trap]);
    let server = Server::start(rocket).await;
    let token = test.sign_in("ada").await.1.expose().to_owned();
    let upgrade = |path: &str, origin: &str| {
        Asked::new("GET", path)
            .header("Host", "app.example")
            .header("Connection", "upgrade")
            .header("Upgrade", "websocket")
            .header("Origin", origin)
            .header("Cookie", format!("__Host-session={token}"))
    };
    for path in ["/socket", "/trap"] {
        let asked = upgrade(path, "https://evil.example").header("Connection", "close");
        let refused = server.send(&asked).await;
        assert_eq!(refused.status(), 403, "{path}: {refused}");
        assert!(!refused.to_text().contains("users may hear"), "{path}: {refused}");
    }
    // The same request of the own site has its upgrade.
    let bytes = upgrade("/socket", "https://app.example").to_bytes();
    let heard = logout_all_conformance::client::exchange(server.address(), &bytes).await.unwrap();
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(heard.starts_with("HTTP/1.1 101") && heard.contains("users may hear"), "{heard}");
    server.end().await;
}
