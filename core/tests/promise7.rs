//! "Cheaper than trusting the token. A cached verification, revocation included, costs less than
//! `jsonwebtoken::decode` alone": medians of both, measured in turn in one process. It fails only where
//! the promise is broken; how much cheaper it is, the benchmark `cached` says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "../benches/peer/mod.rs"]
mod peer;

use std::{
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use logout_all::{ClientInfo, Keys, MemoryStore, Mode, Sessions};
use peer::{EDITOR, ISSUER, Peer, SECRET};

const SESSIONS: usize = 1000;
const ROUNDS: usize = 41;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_cached_verification_costs_less_than_decoding_the_token() {
    let mode = Mode::cached().lease(Duration::from_secs(5));
    let keys = Keys::hs256(SECRET).unwrap();
    let sessions = Sessions::builder(MemoryStore::new(), keys, ISSUER).mode(mode);
    let sessions = sessions.build().await.unwrap();
    let mut tokens = Vec::new();
    for user in 0..SESSIONS {
        let ticket = sessions.begin_login(Some(user)).await.unwrap();
        let login = sessions.login(ticket, ClientInfo::default(), &EDITOR).await.unwrap();
        tokens.push(login.issued.token.expose().to_owned());
    }
    let peer = Peer::hs256();
    let (mut decoded, mut verified) = (Vec::new(), Vec::new());
    // The first round fills the cache.
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for token in &tokens {
            let _ = black_box(peer.decode(black_box(token)));
        }
        decoded.push(begun.elapsed());
        let begun = Instant::now();
        for token in &tokens {
            let _ = black_box(at_once(&sessions, black_box(token)));
        }
        verified.push(begun.elapsed());
    }
    let (decoded, verified) = (median(decoded), median(verified));
    let ratio = verified.as_secs_f64() / decoded.as_secs_f64();
    println!("{verified:?} for {SESSIONS}, jsonwebtoken {decoded:?}: {ratio:.3}x");
    assert!(ratio < 1.0, "{verified:?} for {SESSIONS}, jsonwebtoken {decoded:?}: {ratio:.3}x");
}

fn at_once(sessions: &Sessions, token: &str) -> logout_all::Verified {
    let verification = pin!(sessions.verify(token.as_bytes()));
    match verification.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("it waits for something"),
    }
}

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort();
    of[of.len() / 2]
}
