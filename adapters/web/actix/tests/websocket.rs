//! The WebSocket example over a real socket: it closes the moment its session ends, in both modes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../examples/actix_websocket.rs"]
#[allow(dead_code, unreachable_pub, reason = "a program of its own")]
mod example;

use std::net::TcpListener;

use actix_web::{App, HttpServer};
use logout_all::{Mode, testing::TestSessions};
use logout_all_conformance::websocket::closes_with_its_session;

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
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let configure = example::application(&test.sessions);
    let server = HttpServer::new(move || App::new().configure(configure.clone()));
    let server = server.workers(1).listen(listener).unwrap().run();
    let handle = server.handle();
    tokio::spawn(server);
    closes_with_its_session(address, &test, &other).await.unwrap();
    handle.stop(false).await;
}
