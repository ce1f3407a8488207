//! The WebSocket example over a real socket: it closes the moment its session ends.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../examples/rocket_websocket.rs"]
#[allow(dead_code, unreachable_pub, reason = "a program of its own")]
mod example;
mod server;

use logout_all::testing::TestSessions;
use logout_all_conformance::websocket::closes_with_its_session;
use server::{Server, config};

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_closes_the_moment_its_session_ends() {
    let test = TestSessions::start().await;
    let server = Server::start(example::application(&test.sessions, config())).await;
    closes_with_its_session(server.address(), &test).await.unwrap();
    server.end().await;
}
