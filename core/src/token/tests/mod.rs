//! What is signed comes back, and nothing else does. The laws are those of `docs/security.md`,
//! "Token inputs that must be refused", each under every algorithm, and each forged token is
//! correctly signed where the fault is in its content.

mod keys;
mod one_pass;
mod opened;
mod refused;
mod signatures;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Algorithm, AppClaims, Freshness, KeyError, Keys, SigningKey, TokenClaims, TokenCodec,
    VerifyingKey,
};
use crate::scheme::{Denied, Guid, RefTokId, UserId};

const ISSUER: &str = "https://app.example";
const GUID: &str = "6c84fb90-12c4-41e1-840d-725f8ee22f0b";
const REF_TOK_ID: &str = "0b7d2f5e-3d39-4c0b-9a44-1f0f6c6b9a3c";
const IAT: u64 = 1_800_000_000;
const EXP: u64 = IAT + 3600;
const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &[u8; 32] = b"fedcba9876543210fedcba9876543210";
const ALL: [Algorithm; 4] =
    [Algorithm::Hs256, Algorithm::Ed25519, Algorithm::Es256, Algorithm::Rs256];

/// A key file of `tests-data`: made for these tests, used nowhere else.
macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../../tests-data/", $name, ".pem"))
    };
}
use pem;

fn signing_key(algorithm: Algorithm) -> SigningKey {
    match algorithm {
        Algorithm::Hs256 => SigningKey::hs256(SECRET),
        Algorithm::Ed25519 => SigningKey::ed25519_from_pem(pem!("ed25519")),
        Algorithm::Es256 => SigningKey::es256_from_pem(pem!("es256")),
        Algorithm::Rs256 => SigningKey::rs256_from_pem(pem!("rs256")),
    }
    .unwrap()
}

fn codec(keys: Keys) -> TokenCodec {
    TokenCodec::new(keys, ISSUER, None, Duration::ZERO).unwrap()
}

fn codec_of(algorithm: Algorithm) -> TokenCodec {
    codec(Keys::new(signing_key(algorithm)))
}

fn claims() -> TokenClaims {
    TokenClaims {
        user: UserId::new("user-1").unwrap(),
        guid: Guid::parse(GUID).unwrap(),
        ref_tok_id: RefTokId::parse(REF_TOK_ID).unwrap(),
        issued_at: IAT,
        expires_at: EXP,
        auth_time: IAT - 60,
        app: AppClaims::none(),
    }
}

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

fn issued(codec: &TokenCodec) -> String {
    codec.issue(&claims(), 0).unwrap().expose().to_owned()
}

fn is_refused(codec: &TokenCodec, token: &str) -> bool {
    matches!(codec.open(token.as_bytes(), at(IAT)), Err(Denied::TokenInvalid))
}

/// The header that `key` writes.
fn good_header(key: &SigningKey) -> String {
    format!(r#"{{"alg":"{}","typ":"JWT","kid":"{}"}}"#, key.algorithm(), key.kid())
}

/// The payload of [`claims`].
fn good_payload() -> String {
    format!(
        r#"{{"iss":"{ISSUER}","sub":"user-1","iat":{IAT},"exp":{EXP},"auth_time":{},"guid":"{GUID}","refTokID":"{REF_TOK_ID}"}}"#,
        IAT - 60
    )
}

/// Signs any header and payload, as only the owner of the key can.
fn forged(key: &SigningKey, header: &[u8], payload: &[u8]) -> String {
    signed(key, &URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(payload))
}

/// Signs any two parts as they are.
fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let message = format!("{header}.{payload}");
    let signature = key.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
