//! Signature and claims of one token, without a store: `jsonwebtoken::decode` and ours, side by
//! side under each algorithm.
//!
//! ```sh
//! cargo bench -p logout-all --bench token
//! ```
//!
//! Only ratios within one run say anything; `-- --sortr name` has the other one first. Both have
//! keys that are ready, and `jsonwebtoken` need not look one up by `kid`.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

mod peer;

use std::time::{Duration, SystemTime};

use divan::{Bencher, black_box};
use jsonwebtoken::DecodingKey;
use logout_all::{
    AppClaims, Guid, Keys, RefTokId, UserId,
    scheme::whole_seconds,
    token::{Algorithm, TokenClaims, TokenCodec},
};
use peer::{EDITOR, ISSUER, Peer, SECRET};

const ALL: [Algorithm; 4] =
    [Algorithm::Hs256, Algorithm::Ed25519, Algorithm::Es256, Algorithm::Rs256];

/// A key file that was made for tests.
macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../tests-data/", $name, ".pem"))
    };
}

fn main() {
    divan::main();
}

#[divan::bench(args = ALL, sample_count = 500, sample_size = 32)]
fn decoded_by_jsonwebtoken(bencher: Bencher, algorithm: Algorithm) {
    let peer = match algorithm {
        Algorithm::Ed25519 => {
            let key = DecodingKey::from_ed_pem(pem!("ed25519.pub").as_bytes());
            Peer::new(jsonwebtoken::Algorithm::EdDSA, key.unwrap())
        }
        Algorithm::Es256 => {
            let key = DecodingKey::from_ec_pem(pem!("es256.pub").as_bytes());
            Peer::new(jsonwebtoken::Algorithm::ES256, key.unwrap())
        }
        Algorithm::Rs256 => {
            let key = DecodingKey::from_rsa_pem(pem!("rs256.pub").as_bytes());
            Peer::new(jsonwebtoken::Algorithm::RS256, key.unwrap())
        }
        _ => Peer::hs256(),
    };
    let token = token(&codec(algorithm));
    bencher.bench_local(|| peer.decode(black_box(&token)));
}

#[divan::bench(args = ALL, sample_count = 500, sample_size = 32)]
fn opened_by_us(bencher: Bencher, algorithm: Algorithm) {
    let codec = codec(algorithm);
    let token = token(&codec);
    bencher.bench_local(|| codec.open(black_box(token.as_bytes()), SystemTime::now()).unwrap());
}

fn codec(algorithm: Algorithm) -> TokenCodec {
    let keys = match algorithm {
        Algorithm::Ed25519 => Keys::ed25519_from_pem(pem!("ed25519")),
        Algorithm::Es256 => Keys::es256_from_pem(pem!("es256")),
        Algorithm::Rs256 => Keys::rs256_from_pem(pem!("rs256")),
        _ => Keys::hs256(SECRET),
    };
    TokenCodec::new(keys.unwrap(), ISSUER, None, Duration::ZERO).unwrap()
}

fn token(codec: &TokenCodec) -> String {
    let now = whole_seconds(SystemTime::now());
    let claims = TokenClaims {
        user: UserId::new("user-1").unwrap(),
        guid: Guid::random(),
        ref_tok_id: RefTokId::random(),
        issued_at: now,
        expires_at: now + 3600,
        auth_time: now,
        app: AppClaims::from_value(&EDITOR).unwrap(),
    };
    codec.issue(&claims, 0).unwrap().expose().to_owned()
}
