//! A verification that is answered from memory, revocation included, beside `jsonwebtoken::decode`
//! alone: ten thousand and a million sessions, all of them in the cache, and looked at in no order. Of ten
//! million a million are in use.
//!
//! ```sh
//! cargo bench -p logout-all --bench cached
//! LOGOUT_ALL_BENCH=huge cargo bench -p logout-all --bench cached # and ten million, in 14 GB
//! ```
//!
//! Only ratios within one run say anything. Both are given another token each time, at hand as it is
//! when a request was just read; what is known of it is not. An entry lasts ten seconds: all
//! that are in use are filled just before.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark may panic")]

mod peer;

use std::{
    pin::pin,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use divan::{Bencher, black_box};
use logout_all::{
    ClientInfo, Keys, MemoryStore, Mode, Sessions, StoreError, UserDirectory, UserId, UserState,
    Verified,
};
use peer::{EDITOR, ISSUER, Peer, SECRET};
use tokio::runtime::Runtime;

/// A million logins take a while: in a quick run ten thousand are all.
fn many() -> &'static [usize] {
    const ALL: &[usize] = &[10_000, 1_000_000, 10_000_000];
    match std::env::var("LOGOUT_ALL_BENCH").as_deref() {
        Ok("quick") => &ALL[..1],
        Ok("huge") => ALL,
        _ => &ALL[..2],
    }
}

const SAMPLES: u32 = 1500;
const SIZE: u32 = 100;
const LOOKS: u32 = SAMPLES * SIZE;

fn main() {
    divan::main();
}

#[divan::bench(args = many(), sample_count = SAMPLES, sample_size = SIZE)]
fn decoded_by_jsonwebtoken(bencher: Bencher, sessions: usize) {
    let peer = Peer::hs256();
    let node = Node::of(sessions);
    let mut order = Order::new(sessions);
    bencher
        .with_inputs(|| node.tokens[order.next()].clone())
        .bench_local_refs(|token| peer.decode(black_box(token)));
}

#[divan::bench(args = many(), sample_count = SAMPLES, sample_size = SIZE)]
fn verified_from_memory(bencher: Bencher, sessions: usize) {
    let node = Node::of(sessions);
    node.warm();
    let mut order = Order::new(sessions);
    let asked = node.asked.load(Ordering::Relaxed);
    bencher
        .with_inputs(|| node.tokens[order.next()].clone())
        .bench_local_refs(|token| node.at_once(black_box(token)));
    assert_eq!(node.asked.load(Ordering::Relaxed) - asked, 0, "so many asked the store");
    let state = node.sessions.cache_state().unwrap();
    // Not among the figures, which are read by a program.
    eprintln!("{state:?}: {} bytes each", state.bytes / state.entries);
}

struct Node {
    runtime: Runtime,
    sessions: Sessions,
    tokens: Vec<String>,
    /// How often the store was asked.
    asked: Arc<AtomicU64>,
}

/// Counts: a directory is asked with each read of the store.
struct Asked(Arc<AtomicU64>);

impl UserDirectory for Asked {
    async fn find(&self, _: &UserId) -> Result<UserState, StoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(UserState::Active(None))
    }
}

impl Node {
    /// The same for both: a million logins take a while.
    fn of(sessions: usize) -> &'static Self {
        static NODES: LazyLock<Mutex<Vec<&'static Node>>> = LazyLock::new(Mutex::default);
        let mut nodes = NODES.lock().unwrap();
        if let Some(node) = nodes.iter().find(|node| node.tokens.len() == sessions) {
            return node;
        }
        let node = Box::leak(Box::new(Self::start(sessions)));
        nodes.push(node);
        node
    }

    fn start(sessions: usize) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let (sessions, tokens) = runtime.block_on(async {
            let keys = Keys::hs256(SECRET).unwrap();
            let mode = Mode::cached()
                .lease(Duration::from_secs(5))
                .most_entries(sessions * 2)
                .most_bytes(sessions.max(1_000_000) << 10);
            // An entry lasts until activity is due: of none it is within a run.
            let builder = Sessions::builder(MemoryStore::new(), keys, ISSUER)
                .mode(mode)
                .last_seen_granularity(Duration::from_hours(1));
            let node = builder.users(Asked(asked.clone())).build().await.unwrap();
            // On the runtime's own thread, which then need not be woken for each of them.
            let signing_in = tokio::spawn(async move {
                let mut tokens = Vec::with_capacity(sessions);
                for user in 0..sessions {
                    let ticket = node.begin_login(Some(user)).await.unwrap();
                    let login = node.login(ticket, ClientInfo::default(), &EDITOR).await;
                    tokens.push(login.unwrap().issued.token.expose().to_owned());
                }
                (node, tokens)
            });
            signing_in.await.unwrap()
        });
        Self { runtime, sessions, tokens, asked }
    }

    /// Fills the cache, and last those that are looked at: a million take most of the ten seconds that
    /// an entry lasts, so more of them are never in it.
    fn warm(&self) {
        let filled = self.tokens.len().min(1_000_000);
        let mut order = Order::new(self.tokens.len());
        (0..self.tokens.len() + LOOKS as usize - filled).for_each(|_| _ = order.next());
        self.runtime.block_on(async {
            for _ in 0..filled {
                self.sessions.verify(self.tokens[order.next()].as_bytes()).await.unwrap();
            }
        });
    }

    /// What a verification that waits for nothing answers.
    fn at_once(&self, token: &str) -> Verified {
        let verification = pin!(self.sessions.verify(token.as_bytes()));
        match verification.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer.unwrap(),
            Poll::Pending => panic!("it waits for something"),
        }
    }
}

/// Each once, in no order.
struct Order {
    at: usize,
    of: usize,
}

impl Order {
    fn new(of: usize) -> Self {
        Self { at: 0, of }
    }

    fn next(&mut self) -> usize {
        // A prime that divides none of the lengths: each comes once before one comes again.
        self.at = (self.at + 611_953) % self.of;
        self.at
    }
}
