//! The operations of `Sessions` over the memory store, as an application calls them. The stores
//! have their laws and the routes their cases elsewhere; here is what only `Sessions` adds.

#![allow(clippy::unwrap_used)] // in the helpers of tests

mod ended;
mod ending;
mod renewal;
mod sign_in;
mod surroundings;

use std::sync::{Arc, Mutex};

use logout_all::{Event, testing::TestSessions};
use serde_json::Value;

/// Every event, as text.
type Told = Arc<Mutex<Vec<String>>>;

async fn started() -> (TestSessions, Told) {
    let told = Told::default();
    let into = told.clone();
    let sink = move |event: &Event| into.lock().unwrap().push(format!("{event:?}"));
    (TestSessions::start_with(|builder| builder.events(sink)).await, told)
}

fn told(told: &Told, what: &str) -> usize {
    told.lock().unwrap().iter().filter(|event| event.contains(what)).count()
}

/// A claim of a token, read without checking anything.
fn claim(token: &[u8], name: &str) -> Value {
    use base64::Engine;
    let payload = std::str::from_utf8(token).unwrap().split('.').nth(1).unwrap();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice::<Value>(&json).unwrap()[name].clone()
}
