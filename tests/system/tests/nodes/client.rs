//! A user's clients: what they ask of several nodes, each call recorded. Every answer says that
//! something was accepted, that the session is over, or that the store is away; anything else is a
//! failure of the test.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use logout_all_conformance::client::{Request, Response, send};
use tokio::task::JoinSet;

use crate::{
    history::{Outcome, Recorder, Session, What},
    program::Program,
    talk::{bearer, json_of, login, renewal, token_of},
};

pub(crate) const PASSWORD: &str = "lovelace";

#[derive(Clone)]
pub(crate) struct Client {
    name: String,
    nodes: Arc<[SocketAddr]>,
    recorder: Recorder,
    logins: Arc<AtomicUsize>,
}

/// A device and its token.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) session: Session,
    token: String,
}

impl Client {
    pub(crate) fn new(name: String, nodes: &[Program], recorder: Recorder) -> Self {
        let nodes = nodes.iter().map(|node| node.address).collect();
        Self { name, nodes, recorder, logins: Arc::default() }
    }

    /// On that node, counted round; none where the login was refused, or the store is away.
    pub(crate) async fn sign_in(&self, node: usize) -> Option<Device> {
        let node = node % self.nodes.len();
        let session = self.next_session();
        let start = self.recorder.now();
        let answer = send(self.nodes[node], &login(&self.name, PASSWORD)).await.unwrap();
        let outcome = outcome_of(&What::Login, &answer);
        self.recorder.record(node, &session, What::Login, start, outcome);
        (outcome == Outcome::Accepted).then(|| Device { session, token: token_of(&answer) })
    }

    /// A device that another node signed in.
    pub(crate) fn signed_in_elsewhere(&self, token: String) -> Device {
        Device { session: self.next_session(), token }
    }

    fn next_session(&self) -> Session {
        let number = self.logins.fetch_add(1, Ordering::SeqCst);
        (self.name.clone(), format!("login {number}"))
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// On all nodes at once.
    pub(crate) async fn everywhere(&self, device: &Device, what: What) -> Vec<Outcome> {
        let mut asked = JoinSet::new();
        for node in 0..self.nodes.len() {
            let (client, device, what) = (self.clone(), device.clone(), what.clone());
            asked.spawn(async move { client.ask(node, &device, what).await });
        }
        asked.join_all().await
    }

    /// On that node, counted round.
    pub(crate) async fn ask(&self, node: usize, device: &Device, what: What) -> Outcome {
        self.exchange(node, device, what).await.0
    }

    /// The same device with the token of a renewal; none where it was denied, or the store is away.
    pub(crate) async fn renewed(&self, node: usize, device: &Device) -> Option<Device> {
        let (outcome, answer) = self.exchange(node, device, What::Renew).await;
        let session = device.session.clone();
        (outcome == Outcome::Accepted).then(|| Device { session, token: token_of(&answer) })
    }

    async fn exchange(&self, node: usize, device: &Device, what: What) -> (Outcome, Response) {
        let node = node % self.nodes.len();
        let request = request(&what, &device.token);
        let start = self.recorder.now();
        let answer = send(self.nodes[node], &request).await.unwrap();
        let outcome = outcome_of(&what, &answer);
        self.recorder.record(node, &device.session, what, start, outcome);
        (outcome, answer)
    }
}

pub(crate) fn request(what: &What, token: &str) -> Request {
    match what {
        What::Verify => bearer(token, Request::new("GET", "/me")),
        What::Renew => renewal(token),
        What::LogoutDevice => bearer(token, Request::new("DELETE", "/auth/session")),
        What::LogoutAll => bearer(token, Request::new("DELETE", "/auth/sessions")),
        What::Login => unreachable!("signed in by its own"),
    }
}

#[track_caller]
pub(crate) fn outcome_of(what: &What, answer: &Response) -> Outcome {
    let refusal = match what {
        What::Login => (409, "login-overtaken"),
        _ => (401, "session-ended"),
    };
    match answer.status() {
        200 | 204 => Outcome::Accepted,
        503 => Outcome::Failed,
        status => {
            assert_eq!(status, refusal.0, "{what:?}: {answer}");
            assert_eq!(json_of(answer)["code"], refusal.1, "{what:?}: {answer}");
            Outcome::Denied
        }
    }
}
