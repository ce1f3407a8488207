//! Short windows in strict mode, judged exactly: a user's few devices, and clients that verify, renew
//! and log them out on all nodes at once, drawn at random.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use logout_all_conformance::client::send;
use tokio::task::JoinSet;

use crate::{
    behind::three,
    client::{self, PASSWORD},
    exact::{Answered, Asked, Call, Device, is_linearizable},
    history::{Outcome, Recorder, What},
    home::Home,
    servers::{Framework, Store},
    talk::{login, token_of},
};

/// The windows of one store in the suite; `NODES_ROUNDS` says another number.
const WINDOWS: usize = 40;
const CLIENTS: usize = 4;
/// Shorter than the grace and the least interval between two rotations, which are seconds.
const SHORT: Duration = Duration::from_secs(5);
/// Each client asks one of them.
pub(crate) const NODES: usize = 3;
/// Calls of each client. The checker tries the orders of those that overlap.
const CALLS: usize = 4;
const DEVICES: usize = 2;

/// Draws what a client asks next; small and the same for one number.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// Mostly what changes nothing, so that changes have witnesses.
    fn asked(&mut self) -> Asked {
        let device = self.below(DEVICES);
        match self.below(12) {
            0..6 => Asked::Verify(device),
            6..10 => Asked::Renew(device),
            10 => Asked::LogoutDevice(device),
            _ => Asked::LogoutAll(device),
        }
    }
}

/// Plays one window and gives its calls. `ask` is told which client asks, and what.
pub(crate) async fn window<F>(
    seed: u64,
    recorder: &Recorder,
    ask: impl Fn(usize, Asked) -> F + Clone + Send + 'static,
) -> Vec<Call>
where
    F: Future<Output = Answered> + Send,
{
    let one = move |recorder: Recorder, client, asked: Asked| {
        let asking = ask(client, asked.clone());
        async move {
            let start = recorder.now();
            let answered = asking.await;
            Call { client, asked, answered, start, end: recorder.now() }
        }
    };
    let mut calls = Vec::new();
    for device in 0..DEVICES {
        calls.push(one(recorder.clone(), 0, Asked::SignIn(device)).await);
    }
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (one, recorder) = (one.clone(), recorder.clone());
        let mut dice = Dice::new(seed * CLIENTS as u64 + client as u64 + 1);
        clients.spawn(async move {
            let mut calls = Vec::new();
            for _ in 0..CALLS {
                calls.push(one(recorder.clone(), client, dice.asked()).await);
            }
            calls
        });
    }
    calls.extend(clients.join_all().await.into_iter().flatten());
    calls
}

/// Over three processes of three frameworks on one store.
pub(crate) async fn are_linearizable(store: Store) {
    let home = Home::new(Framework::Axum, store).await;
    let nodes = three(&home, &["--mode", "strict"]);
    assert_eq!(nodes.len(), NODES);
    let addresses: Arc<[_]> = nodes.iter().map(|node| node.address).collect();
    let recorder = Recorder::new();
    let windows: usize =
        std::env::var("NODES_ROUNDS").map_or(WINDOWS, |text| text.parse().expect("a number"));
    let (mut rotated, mut denied, mut longest) = (0, 0, Duration::ZERO);
    for number in 0..windows {
        let name = format!("window{number}");
        home.add_user(&name).await;
        let mut tokens = Vec::new();
        for device in 0..DEVICES {
            let answer = send(addresses[device % addresses.len()], &login(&name, PASSWORD)).await;
            let token = token_of(&answer.unwrap());
            tokens.push([token.clone(), token]);
        }
        let (tokens, nodes) = (Arc::new(Mutex::new(tokens)), Arc::clone(&addresses));
        let begun = Instant::now();
        let calls = window(number as u64, &recorder, move |client, asked| {
            over_http(client, asked, Arc::clone(&nodes), Arc::clone(&tokens))
        })
        .await;
        if begun.elapsed() > SHORT {
            // Another rotation may be due by then, and the first token too old.
            continue;
        }
        assert!(is_linearizable(&calls), "{}, window {number}: {calls:#?}", store.name());
        rotated += calls.iter().filter(|call| matches!(call.answered, Answered::Token(_))).count();
        denied += calls.iter().filter(|call| call.answered == Answered::Denied).count();
        let spans = calls[DEVICES..].iter().map(|call| call.end.saturating_sub(call.start));
        longest = longest.max(spans.max().unwrap_or_default());
    }
    println!(
        "{}: {windows} windows are linearizable: {rotated} renewals, {denied} calls denied; the \
         longest call took {longest:?}",
        store.name()
    );
    assert!(rotated > windows && denied > windows, "{rotated} renewals, {denied} calls denied");
}

/// The devices are signed in by then: what the window's first calls say.
async fn over_http(
    client: usize,
    asked: Asked,
    nodes: Arc<[std::net::SocketAddr]>,
    tokens: Arc<Mutex<Vec<[String; 2]>>>,
) -> Answered {
    let (what, device): (What, Device) = match asked {
        Asked::SignIn(_) => return Answered::Well,
        Asked::Verify(device) => (What::Verify, device),
        Asked::Renew(device) => (What::Renew, device),
        Asked::LogoutDevice(device) => (What::LogoutDevice, device),
        Asked::LogoutAll(device) => (What::LogoutAll, device),
    };
    // Two of four go on with what was renewed last, and two have the first one still.
    let which = usize::from(client < CLIENTS / 2);
    let token = tokens.lock().unwrap()[device][which].clone();
    let request = client::request(&what, &token);
    let answer = send(nodes[client % nodes.len()], &request).await.unwrap();
    match (client::outcome_of(&what, &answer), what) {
        (Outcome::Accepted, What::Renew) => {
            let renewed = token_of(&answer);
            tokens.lock().unwrap()[device][1].clone_from(&renewed);
            Answered::Token(renewed)
        }
        (Outcome::Accepted, _) => Answered::Well,
        (Outcome::Denied, _) => Answered::Denied,
        (Outcome::Failed, _) => panic!("the store is well: {answer}"),
    }
}
