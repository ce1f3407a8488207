//! Cached mode over the memory store: two nodes on one store, as an application runs them. What the
//! cache, its marks and its lease do in each order is explored in `cached_mode`; here they run with
//! the tasks and clocks that they have.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod answers;
mod building;
mod finality;
mod lease;
mod settling;
mod store;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use logout_all::{
    AuthError, Cached, ClientInfo, Denied, Event, Guid, Keys, Mode, Sessions, SessionsBuilder,
    UserId, Verified,
};
use store::Door;

/// Short, so that tests do not wait; long enough that a busy machine holds it.
const LEASE: Duration = Duration::from_millis(200);

/// One node in cached mode.
struct Node {
    sessions: Sessions,
    door: Door,
    told: Arc<Mutex<Vec<String>>>,
}

fn keys() -> Keys {
    Keys::hs256(b"a key for the tests of cached mode").unwrap()
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn cached() -> Cached {
    Mode::cached().lease(LEASE)
}

impl Node {
    async fn start(door: &Door) -> Self {
        Self::start_with(door, |builder| builder.mode(cached())).await
    }

    async fn start_with(
        door: &Door,
        settings: impl FnOnce(SessionsBuilder) -> SessionsBuilder,
    ) -> Self {
        // A door of its own to the same store: each node's accesses are counted alone.
        let door = door.another();
        let told = Arc::new(Mutex::new(Vec::new()));
        let into = told.clone();
        let sink = move |event: &Event| into.lock().unwrap().push(format!("{event:?}"));
        let builder = Sessions::builder(door.clone(), keys(), "https://app.example").events(sink);
        let sessions = settings(builder).build().await.unwrap();
        Self { sessions, door, told }
    }

    async fn sign_in(&self, name: &str) -> (Guid, Vec<u8>) {
        let ticket = self.sessions.begin_login(Some(name)).await.unwrap();
        let login = self.sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
        (login.issued.guid, login.issued.token.expose().as_bytes().to_vec())
    }

    async fn verify(&self, token: &[u8]) -> Result<Verified, AuthError> {
        self.sessions.verify(token).await
    }

    async fn denied(&self, token: &[u8]) -> Option<Denied> {
        match self.verify(token).await {
            Ok(_) => None,
            Err(AuthError::Denied(denied)) => Some(denied),
            Err(other) => panic!("{other}"),
        }
    }

    /// Verifies until an answer comes from memory.
    async fn warm(&self, token: &[u8]) -> Verified {
        for _ in 0..1000 {
            let before = self.door.lookups();
            let verified = self.verify(token).await.unwrap();
            if self.door.lookups() == before {
                return verified;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("no answer ever came from memory");
    }

    /// Whether that verification asks the store.
    async fn asks(&self, token: &[u8]) -> bool {
        let before = self.door.lookups();
        let _ = self.verify(token).await;
        self.door.lookups() > before
    }

    fn was_told(&self, event: &str) -> usize {
        self.told.lock().unwrap().iter().filter(|told| told.starts_with(event)).count()
    }

    /// Until the lease is over.
    async fn until_strict(&self, token: &[u8]) {
        let since = std::time::Instant::now();
        while !(self.asks(token).await && self.asks(token).await) {
            assert!(since.elapsed() < Duration::from_secs(5), "it never is");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_told(&self, event: &str) {
        for _ in 0..1000 {
            if self.was_told(event) > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{event} was never told");
    }
}

/// Two nodes on one store.
async fn two() -> (Node, Node) {
    let door = Door::default();
    (Node::start(&door).await, Node::start(&door).await)
}
