//! How often a verification allocates, its store apart: "no allocation that is not needed".
//!
//! What is counted is this program's allocator, which the cryptographic library, written in C, does
//! not use.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use logout_all::{
    AppClaims, ClientInfo, Guid, Keys, MemoryStore, Mode, RefTokId, Sessions, UserId,
    scheme::{Denied, whole_seconds},
    token::{Freshness, TokenClaims, TokenCodec},
};
use serde_json::{Value, json};

/// A key file that was made for tests.
macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../tests-data/", $name, ".pem"))
    };
}

/// One for the user id: it is what the store is asked with, and outlives the token in caches and
/// events. None for header, signature, decoding, ids and times.
const USER_ID: u64 = 1;

/// One for the text of the application's claims, which the application reads after the token is
/// gone.
const CLAIMS: u64 = 1;

#[test]
fn a_good_token_costs_its_user_id_and_its_claims() {
    for codec in codecs() {
        assert_eq!(allocations(&codec, &token(&codec, &json!({}))), USER_ID);
        let nested = json!({ "role": "editor", "teams": [{ "id": 1 }, { "id": 2 }], "x": -1.5 });
        assert_eq!(allocations(&codec, &token(&codec, &nested)), USER_ID + CLAIMS);
    }
}

/// The larger a token is, the longer its two texts, and no more of them.
#[test]
fn a_large_token_costs_no_more() {
    for codec in codecs() {
        let many: Value = (0..200).map(|n| (format!("{n:03}"), json!(n))).collect();
        assert_eq!(allocations(&codec, &token(&codec, &many)), USER_ID + CLAIMS);
    }
}

/// What anybody can send without a key costs nothing.
#[test]
fn a_token_of_ours_with_another_signature_costs_nothing() {
    for codec in codecs() {
        let good = token(&codec, &json!({ "role": "editor" }));
        let (message, signature) = good.rsplit_once('.').unwrap();
        let reversed: String = signature.chars().rev().collect();
        let long = format!("{good}{}", "A".repeat(4096));
        for bad in [format!("{message}.{reversed}"), format!("{message}."), long, String::new()] {
            let counted = allocation_counter::measure(|| {
                let answer = codec.open(bad.as_bytes(), SystemTime::now());
                assert!(matches!(answer, Err(Denied::TokenInvalid)));
            });
            assert_eq!(counted.count_total, 0, "{bad}");
        }
    }
}

/// A verification that is answered from memory allocates nothing: all that it gives is kept.
#[test]
fn a_verification_from_memory_costs_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (sessions, token) = runtime.block_on(async {
        let keys = Keys::hs256(b"0123456789abcdef0123456789abcdef").unwrap();
        let mode = Mode::cached().lease(Duration::from_secs(10));
        let sessions = Sessions::builder(MemoryStore::new(), keys, "https://app.example");
        let sessions = sessions.mode(mode).build().await.unwrap();
        let ticket = sessions.begin_login(Some("ada")).await.unwrap();
        let login = sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
        // The first poll gives the lease, and the next verification is kept.
        while sessions.cache_state().unwrap().entries == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            sessions.verify(login.issued.token.expose().as_bytes()).await.unwrap();
        }
        (sessions, login.issued.token)
    });
    let mut verified = None;
    let counted = allocation_counter::measure(|| {
        let verification = pin!(sessions.verify(token.expose().as_bytes()));
        match verification.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => verified = answer.ok(),
            Poll::Pending => {}
        }
    });
    assert_eq!(verified.unwrap().user_id().as_str(), "ada");
    assert_eq!(counted.count_total, 0);
}

fn allocations(codec: &TokenCodec, token: &str) -> u64 {
    let mut opened = None;
    let counted = allocation_counter::measure(|| {
        opened = codec.open(token.as_bytes(), SystemTime::now()).ok();
    });
    assert_eq!(opened.unwrap().freshness, Freshness::Fresh);
    counted.count_total
}

fn codecs() -> [TokenCodec; 4] {
    let secret = b"0123456789abcdef0123456789abcdef";
    let keys = [
        Keys::hs256(secret),
        Keys::ed25519_from_pem(pem!("ed25519")),
        Keys::es256_from_pem(pem!("es256")),
        Keys::rs256_from_pem(pem!("rs256")),
    ];
    keys.map(|keys| {
        TokenCodec::new(keys.unwrap(), "https://app.example", Some("api"), Duration::ZERO).unwrap()
    })
}

fn token(codec: &TokenCodec, app: &Value) -> String {
    let now = whole_seconds(SystemTime::now());
    let claims = TokenClaims {
        user: UserId::new("user-1").unwrap(),
        guid: Guid::random(),
        ref_tok_id: RefTokId::random(),
        issued_at: now,
        expires_at: now + 3600,
        auth_time: now,
        app: AppClaims::from_value(app).unwrap(),
    };
    codec.issue(&claims, 0).unwrap().expose().to_owned()
}
