//! What tests ask the servers, and how they read the answers.

#![allow(dead_code, reason = "each test program uses its part")]

use std::net::SocketAddr;

use logout_all_conformance::client::{Request, Response, send};
use serde_json::{Value, json};

/// On a connection of its own.
pub(crate) async fn send_owned(address: SocketAddr, request: Request) -> Response {
    send(address, &request).await.unwrap()
}

pub(crate) fn bearer(token: &str, request: Request) -> Request {
    request.header("Authorization", format!("Bearer {token}"))
}

pub(crate) fn renewal(token: &str) -> Request {
    bearer(token, Request::new("POST", "/auth/session/renew"))
}

pub(crate) fn login(username: &str, password: &str) -> Request {
    let body = json!({ "username": username, "password": password, "transport": "bearer" });
    Request::new("POST", "/login").json(body.to_string())
}

pub(crate) fn password_change(token: &str, old: &str, new: &str) -> Request {
    let body = json!({ "old": old, "new": new }).to_string();
    bearer(token, Request::new("POST", "/password")).json(body)
}

#[track_caller]
pub(crate) fn json_of(answer: &Response) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_else(|_| panic!("no JSON: {answer}"))
}

#[track_caller]
pub(crate) fn token_of(answer: &Response) -> String {
    assert_eq!(answer.status(), 200, "{answer}");
    json_of(answer)["token"].as_str().unwrap().to_owned()
}

#[track_caller]
pub(crate) fn ended(answer: &Response) -> u64 {
    assert_eq!(answer.status(), 200, "{answer}");
    json_of(answer)["ended"].as_u64().unwrap()
}

/// The name of a refusal.
#[track_caller]
pub(crate) fn code(answer: &Response) -> String {
    assert!(answer.status() >= 400, "{answer}");
    json_of(answer)["code"].as_str().unwrap().to_owned()
}
