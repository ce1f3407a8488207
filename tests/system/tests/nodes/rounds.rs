//! Rounds: a user signs in on two nodes, is known to all three, logs out on one, and is asked for on
//! all of them the moment that this has returned; while others do the same.

use std::{sync::Arc, time::Duration};

use logout_all_conformance::client::{Request, Response};
use tokio::task::JoinSet;

use crate::{
    history::{Outcome, Recorder, Session, What, violations},
    home::Home,
    pair::{Mode, PASSWORD},
    program::{Program, Starting},
    servers::{Framework, Store},
    talk::{bearer, json_of, login, renewal, send_owned},
};

/// How many users there are, each a client of its own.
const USERS: usize = 8;
/// Rounds of all users together, unless `NODES_ROUNDS` says otherwise.
const ROUNDS: usize = 160;

pub(crate) fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Strict => "strict",
        Mode::Cached => "cached",
    }
}

/// Three servers, of three frameworks, on one store.
pub(crate) struct Nodes {
    pub(crate) all: Vec<Program>,
    pub(crate) home: Home,
}

impl Nodes {
    pub(crate) async fn start(store: Store, mode: Mode) -> Self {
        let home = Home::new(Framework::Axum, store).await;
        let command = |framework| home.command_of(framework, mode.options());
        let starting = Framework::ALL.map(|of| Starting::new(command(of), home.folder()));
        Self { all: starting.map(Starting::ready).into(), home }
    }

    fn addresses(&self) -> Vec<std::net::SocketAddr> {
        self.all.iter().map(|node| node.address).collect()
    }
}

/// "After a logout has returned on one node, verifications that start later on any node are denied."
pub(crate) async fn are_final_on_every_node(store: Store, mode: Mode) {
    let rounds = std::env::var("NODES_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    let nodes = Nodes::start(store, mode).await;
    let recorder = Arc::new(Recorder::default());
    let mut users = JoinSet::new();
    for user in 0..USERS {
        let name = format!("user-{user}");
        nodes.home.add_user(&name).await;
        let client = Client { user, name, nodes: nodes.addresses(), recorder: recorder.clone() };
        users.spawn(async move {
            for round in 0..rounds / USERS {
                client.round(round).await;
            }
        });
    }
    while let Some(done) = users.join_next().await {
        done.unwrap();
    }
    let calls = recorder.calls();
    let let_in = |what: fn(&What) -> bool| {
        calls.iter().filter(|call| what(&call.what) && call.outcome == Outcome::Well).count()
    };
    let logouts = let_in(|what| matches!(what, What::LogOut(_) | What::LogOutEverywhere { .. }));
    let let_through = let_in(|what| matches!(what, What::Use(_)));
    // One in each round, and one more in every other.
    let wanted = (0..rounds / USERS).map(|round| 1 + round % 2).sum::<usize>() * USERS;
    assert_eq!(logouts, wanted, "each logout reports success");
    // Twice on three nodes before each logout, or the caches were never warm.
    assert!(let_through >= rounds / USERS * USERS * 12, "only {let_through} uses were let in");
    let stale = violations(&calls);
    println!("{} calls, {logouts} logouts, {} let in too late", calls.len(), stale.len());
    if let Some((end, used)) = stale.first() {
        let late = used.began.duration_since(end.ended);
        panic!(
            "node {} let in, {late:?} after node {} had reported: {used:?}",
            used.node, end.node
        );
    }
}

pub(crate) struct Client {
    pub(crate) user: usize,
    pub(crate) name: String,
    pub(crate) nodes: Vec<std::net::SocketAddr>,
    pub(crate) recorder: Arc<Recorder>,
}

impl Client {
    async fn round(&self, round: usize) {
        let sessions = [2 * round, 2 * round + 1].map(|login| Session { user: self.user, login });
        let [here, there] = sessions;
        let one = self.sign_in(round % 3, here).await;
        let two = self.sign_in((round + 1) % 3, there).await;
        let known = [(here, one.as_str()), (there, two.as_str())];
        // Filled, and found.
        for _ in 0..2 {
            self.used_on_all(&known).await;
        }
        let node = (round + 2) % 3;
        // Now and then while others of the same user's requests are under way.
        let busy = self.used_on_all(&known);
        let logout = async {
            tokio::time::sleep(Duration::from_micros(300)).await;
            if round.is_multiple_of(2) {
                let what = What::LogOutEverywhere { user: self.user };
                self.ask(node, what, "/auth/sessions", &one).await;
            } else {
                self.ask(node, What::LogOut(here), "/auth/session", &one).await;
            }
        };
        tokio::join!(busy, logout);
        self.used_on_all(&known).await;
        self.renewed_on_all(&known).await;
        if !round.is_multiple_of(2) {
            self.ask(node, What::LogOut(there), "/auth/session", &two).await;
            self.used_on_all(&known).await;
        }
    }

    pub(crate) async fn sign_in(&self, node: usize, session: Session) -> String {
        let mut token = None;
        let request = send_owned(self.nodes[node], login(&self.name, PASSWORD));
        let call = async {
            let answer = request.await;
            token = json_of(&answer)["token"].as_str().map(str::to_owned);
            outcome(&answer)
        };
        self.recorder.call(node, What::Login(session), call).await;
        token.expect("a login gives a token")
    }

    /// On every node at once.
    pub(crate) async fn used_on_all(&self, known: &[(Session, &str)]) {
        self.on_all(known, |token| bearer(token, Request::new("GET", "/me"))).await;
    }

    async fn renewed_on_all(&self, known: &[(Session, &str)]) {
        self.on_all(known, renewal).await;
    }

    async fn on_all(&self, known: &[(Session, &str)], request: impl Fn(&str) -> Request) {
        let mut under_way = JoinSet::new();
        for (session, token) in known {
            for (node, address) in self.nodes.iter().enumerate() {
                let (recorder, what) = (self.recorder.clone(), What::Use(*session));
                let request = send_owned(*address, request(token));
                under_way.spawn(async move {
                    recorder.call(node, what, async { outcome(&request.await) }).await;
                });
            }
        }
        while let Some(done) = under_way.join_next().await {
            done.unwrap();
        }
    }

    async fn ask(&self, node: usize, what: What, target: &str, token: &str) {
        let request = bearer(token, Request::new("DELETE", target));
        let answer = send_owned(self.nodes[node], request);
        self.recorder.call(node, what, async { outcome(&answer.await) }).await;
    }
}

fn outcome(answer: &Response) -> Outcome {
    match answer.status() {
        200 | 204 => Outcome::Well,
        401 => Outcome::Denied,
        503 => Outcome::Failed,
        other => panic!("{other}: {answer}"),
    }
}
