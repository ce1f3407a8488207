//! The WebSocket example over a real socket: it closes the moment its session ends, in both modes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../examples/rocket_websocket.rs"]
#[allow(dead_code, unreachable_pub, reason = "a program of its own")]
mod example;
mod server;

use logout_all::{Mode, testing::TestSessions};
use logout_all_conformance::websocket::closes_with_its_session;
use server::{Server, config};

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_closes_the_moment_its_session_ends() {
    a_websocket_closes_in(Mode::Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_closes_in_cached_mode_too() {
    a_websocket_closes_in(Mode::cached().into()).await;
}

async fn a_websocket_closes_in(mode: Mode) {
    let test = TestSessions::start_with(|builder| builder.mode(mode.clone())).await;
    let other = test.another(|builder| builder.mode(mode)).await;
    let server = Server::start(example::application(&test.sessions, config())).await;
    closes_with_its_session(server.address(), &test, &other).await.unwrap();
    server.end().await;
}
