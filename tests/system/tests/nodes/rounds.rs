//! Rounds over three processes of three frameworks on one store: log in, verify on all nodes so that
//! they know the token, log out on one, verify and renew on all at once after it returned. Meanwhile
//! other clients go on asking.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use logout_all_conformance::client::{Request, Response, send};
use tokio::task::JoinSet;

use crate::{
    checker,
    history::{Outcome, Recorder, Session, What},
    home::Home,
    program::{Program, Starting},
    servers::{Framework, Store},
    talk::{bearer, json_of, login, renewal, token_of},
};

/// How many users have rounds at once.
const USERS: usize = 16;
/// The rounds of one store and mode, in the suite; `NODES_ROUNDS` says another number.
const ROUNDS: usize = 160;
const PASSWORD: &str = "lovelace";

pub(crate) async fn run(store: Store, mode: &str) {
    let arguments: &[&str] = match mode {
        "cached" => &["--mode", "cached", "--lease", "200ms"],
        _ => &["--mode", "strict"],
    };
    let home = Home::new(Framework::Axum, store).await;
    let nodes: Vec<Program> = Framework::ALL
        .map(|framework| Starting::new(home.command_of(framework, arguments), home.folder()))
        .into_iter()
        .map(Starting::ready)
        .collect();
    let addresses: Arc<[SocketAddr]> = nodes.iter().map(|node| node.address).collect();
    let rounds: usize =
        std::env::var("NODES_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number"));

    let (recorder, mut users) = (Recorder::new(), JoinSet::new());
    for number in 0..USERS {
        let name = format!("user{number}");
        home.add_user(&name).await;
        let client = Client { name, nodes: addresses.clone(), recorder: recorder.clone() };
        users.spawn(async move {
            for round in 0..rounds.div_ceil(USERS) {
                client.round(number + round, round % 2 == 0).await;
            }
        });
    }
    while let Some(ended) = users.join_next().await {
        ended.unwrap();
    }

    let history = recorder.history();
    let logouts: Vec<_> = history
        .iter()
        .filter(|call| matches!(call.what, What::LogoutAll | What::LogoutDevice))
        .collect();
    let took = logouts.iter().map(|call| call.end.saturating_sub(call.start));
    let slowest = took.max().unwrap_or_default();
    println!(
        "{} {mode}: {} calls, {} logouts, the slowest took {slowest:?}; {:?} in all",
        store.name(),
        history.len(),
        logouts.len(),
        recorder.now(),
    );
    assert!(logouts.len() >= rounds);
    assert!(logouts.iter().all(|call| call.outcome == Outcome::Accepted));
    let stale = checker::stale(&history);
    assert!(stale.is_empty(), "{} accepted after the end: {:?}", stale.len(), stale.first());
}

#[derive(Clone)]
struct Client {
    name: String,
    nodes: Arc<[SocketAddr]>,
    recorder: Recorder,
}

/// A device and its newest token.
#[derive(Clone)]
struct Device {
    session: Session,
    token: String,
}

impl Client {
    async fn round(&self, number: usize, everywhere: bool) {
        let (one, two) = (self.sign_in(number).await, self.sign_in(number + 1).await);
        for device in [&one, &two] {
            let known = self.everywhere(device, What::Verify).await;
            assert!(known.iter().all(|outcome| *outcome == Outcome::Accepted), "{known:?}");
        }

        let during = {
            let (client, device) = (self.clone(), one.clone());
            tokio::spawn(async move {
                for _ in 0..200 {
                    if !client.everywhere(&device, What::Verify).await.contains(&Outcome::Accepted)
                    {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
            })
        };
        let what = if everywhere { What::LogoutAll } else { What::LogoutDevice };
        let ended = self.ask(number % self.nodes.len(), &one, what).await;
        assert_eq!(ended, Outcome::Accepted);
        let (verified, others, renewed) = tokio::join!(
            self.everywhere(&one, What::Verify),
            self.everywhere(&two, What::Verify),
            self.everywhere(&one, What::Renew)
        );
        during.await.unwrap();
        // The checker speaks of acceptances after the end, this of failures and of the device that
        // stays.
        let answered = |outcome: &Outcome| *outcome != Outcome::Failed;
        let all = [verified, others.clone(), renewed].concat();
        assert!(all.iter().all(answered), "{all:?}");
        assert!(everywhere || others.iter().all(|it| *it == Outcome::Accepted), "{others:?}");
    }

    async fn sign_in(&self, number: usize) -> Device {
        let node = number % self.nodes.len();
        let start = self.recorder.now();
        let answer = send(self.nodes[node], &login(&self.name, PASSWORD)).await.unwrap();
        let token = token_of(&answer);
        let request = bearer(&token, Request::new("GET", "/auth/session"));
        let shown = json_of(&send(self.nodes[node], &request).await.unwrap());
        let guid = shown["guid"].as_str().unwrap().to_owned();
        let session = (self.name.clone(), guid);
        self.recorder.record(node, &session, What::Login, start, Outcome::Accepted);
        Device { session, token }
    }

    /// On all nodes at once.
    async fn everywhere(&self, device: &Device, what: What) -> Vec<Outcome> {
        let mut asked = JoinSet::new();
        for node in 0..self.nodes.len() {
            let (client, device, what) = (self.clone(), device.clone(), what.clone());
            asked.spawn(async move { client.ask(node, &device, what).await });
        }
        asked.join_all().await
    }

    async fn ask(&self, node: usize, device: &Device, what: What) -> Outcome {
        let token = &device.token;
        let request = match what {
            What::Verify => bearer(token, Request::new("GET", "/me")),
            What::Renew => renewal(token),
            What::LogoutDevice => bearer(token, Request::new("DELETE", "/auth/session")),
            What::LogoutAll => bearer(token, Request::new("DELETE", "/auth/sessions")),
            What::Login => unreachable!("signed in by its own"),
        };
        let start = self.recorder.now();
        let answer = send(self.nodes[node], &request).await;
        let outcome = answer.as_ref().map_or(Outcome::Failed, outcome_of);
        self.recorder.record(node, &device.session, what, start, outcome);
        outcome
    }
}

fn outcome_of(answer: &Response) -> Outcome {
    match answer.status() {
        200 | 204 => Outcome::Accepted,
        401 => Outcome::Denied,
        _ => Outcome::Failed,
    }
}
