//! The WebSocket example over a real socket: it closes the moment its session ends.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../examples/axum_websocket.rs"]
#[allow(dead_code, unreachable_pub, reason = "a program of its own")]
mod example;

use std::time::Duration;

use logout_all::{By, EndReason, UserId, testing::TestSessions};
use logout_all_conformance::client::{Opened, Request, send};
use tokio::net::TcpListener;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_closes_the_moment_its_session_ends() {
    let test = TestSessions::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = example::application(&test.sessions);
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let anonymous = Request::new("GET", "/talk");
    assert_eq!(send(address, &anonymous).await.unwrap().status(), 401);
    let upgrade = anonymous
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");

    let ada = upgrade.clone().header("Authorization", test.bearer("ada").await);
    let mut ada = Opened::open(address, &ada).await.unwrap();
    let grace = upgrade.header("Authorization", test.bearer("grace").await);
    let mut grace = Opened::open(address, &grace).await.unwrap();
    assert!(ada.has("hello ada", SOON).await.unwrap(), "{}", ada.received());
    assert!(grace.has("hello grace", SOON).await.unwrap(), "{}", grace.received());

    let (user, by) = (UserId::new("ada").unwrap(), By::operator("test"));
    test.sessions.logout_all(&user, EndReason::Everywhere, by).await.unwrap();
    // A frame of the kind "close" (RFC 6455, section 5.5.1) with 1008 and the reason.
    let close = [b"\x88\x0c\x03\xf0".as_slice(), b"everywhere"].concat();
    assert!(ada.has(close, SOON).await.unwrap(), "{}", ada.received());
    assert!(ada.is_closed(SOON).await, "the connection is still open");
    assert!(!grace.is_closed(Duration::from_millis(200)).await, "it was not meant");
    server.abort();
}
