//! What is issued, and what comes back of it.

use serde_json::{Value, json};

use super::*;
use crate::{
    scheme::Usage,
    token::{IssueError, MAX_TOKEN_BYTES},
};

#[test]
fn what_is_issued_is_opened_under_every_algorithm() {
    for algorithm in ALL {
        let codec = codec_of(algorithm);
        let app = AppClaims::from_value(&json!({ "role": "editor" })).unwrap();
        let claims = TokenClaims { app, ..claims() };
        let token = codec.issue(&claims, 0).unwrap();
        let opened = codec.open(token.expose().as_bytes(), at(IAT)).unwrap();
        assert_eq!(opened.claims, claims, "{algorithm}");
        assert_eq!(opened.freshness, Freshness::Fresh);
    }
}

#[test]
fn the_parts_are_exactly_these_bytes() {
    let key = signing_key(Algorithm::Hs256);
    let codec = TokenCodec::new(Keys::new(key.clone()), ISSUER, Some("api"), Duration::ZERO);
    let app = AppClaims::from_value(&json!({ "b": 1, "a": "x" })).unwrap();
    let token = codec.unwrap().issue(&TokenClaims { app, ..claims() }, 0).unwrap();

    let payload = good_payload()
        .replace(r#""sub":"user-1","#, r#""sub":"user-1","aud":"api","#)
        .replace('}', r#","a":"x","b":1}"#);
    let expected = forged(&key, good_header(&key).as_bytes(), payload.as_bytes());
    assert_eq!(token.expose(), expected);
}

#[test]
fn the_same_claims_make_the_same_token_where_the_algorithm_is_deterministic() {
    for algorithm in [Algorithm::Hs256, Algorithm::Ed25519, Algorithm::Rs256] {
        assert_eq!(issued(&codec_of(algorithm)), issued(&codec_of(algorithm)), "{algorithm}");
    }
}

#[test]
fn claims_keep_their_text_through_any_number_of_renewals() {
    let codec = codec_of(Algorithm::Hs256);
    let key = signing_key(Algorithm::Hs256);
    let app = r#","n":1.10,"big":340282366920938463463374607431768211455}"#;
    let payload = good_payload().replace('}', app);
    let first = forged(&key, good_header(&key).as_bytes(), payload.as_bytes());
    let opened = codec.open(first.as_bytes(), at(IAT)).unwrap().claims;
    let second = codec.issue(&opened, 0).unwrap();
    let again = codec.open(second.expose().as_bytes(), at(IAT)).unwrap().claims;
    assert_eq!(again, opened);
    assert!(again.app.to_json().contains("1.10"), "{}", again.app.to_json());
}

#[test]
fn the_order_of_header_and_claims_does_not_matter() {
    let codec = codec_of(Algorithm::Hs256);
    let key = signing_key(Algorithm::Hs256);
    let header = format!(r#" {{"kid":"{}","alg":"HS256","typ":"JWT"}} "#, key.kid());
    let mut payload: Value = serde_json::from_str(&good_payload()).unwrap();
    payload.sort_all_objects();
    let token = forged(&key, header.as_bytes(), payload.to_string().as_bytes());
    assert_eq!(codec.open(token.as_bytes(), at(IAT)).unwrap().claims, claims());
}

/// RFC 7519, section 4.1.4: "the expiration time on or after which the JWT MUST NOT be accepted".
#[test]
fn a_token_is_spent_on_its_exp_and_not_before() {
    let keys = Keys::hs256(SECRET).unwrap();
    for leeway in [0, 300] {
        let leeway = Duration::from_secs(leeway);
        let codec = TokenCodec::new(keys.clone(), ISSUER, None, leeway).unwrap();
        let token = issued(&codec);
        let freshness = |now| codec.open(token.as_bytes(), now).unwrap().freshness;
        let end = at(EXP) + leeway;
        assert_eq!(freshness(end - Duration::from_nanos(1)), Freshness::Fresh);
        assert_eq!(freshness(end), Freshness::Spent);
        assert_eq!(freshness(end + Duration::from_secs(1 << 40)), Freshness::Spent);
    }
}

#[test]
fn iat_in_the_future_and_a_clock_before_1970_are_no_reason() {
    let codec = codec_of(Algorithm::Hs256);
    let token = issued(&codec);
    for now in [at(0), at(IAT - 86_400), UNIX_EPOCH - Duration::from_secs(1)] {
        assert_eq!(codec.open(token.as_bytes(), now).unwrap().freshness, Freshness::Fresh);
    }
}

#[test]
fn leeway_never_overflows() {
    let keys = Keys::hs256(SECRET).unwrap();
    let codec = TokenCodec::new(keys, ISSUER, None, Duration::from_mins(5)).unwrap();
    let claims = TokenClaims { expires_at: (1 << 53) - 1, ..claims() };
    let token = codec.issue(&claims, 0).unwrap();
    let opened = codec.open(token.expose().as_bytes(), at(IAT)).unwrap();
    assert_eq!(opened.freshness, Freshness::Fresh);
}

/// "A token that `verify`, or the cookie (4096 bytes with its name), would refuse is never
/// issued: the error names the size of the claims."
#[test]
fn a_token_that_would_be_refused_is_never_issued() {
    let codec = codec_of(Algorithm::Hs256);
    let sized = |bytes: usize| {
        let app = AppClaims::from_value(&json!({ "a": "x".repeat(bytes) })).unwrap();
        TokenClaims { app, ..claims() }
    };
    let largest = (2000..4000).rfind(|bytes| codec.issue(&sized(*bytes), 0).is_ok()).unwrap();
    let token = codec.issue(&sized(largest), 0).unwrap();
    assert!(token.expose().len() > MAX_TOKEN_BYTES - 3);
    assert!(codec.open(token.expose().as_bytes(), at(IAT)).is_ok());

    let name = "__Host-session=".len();
    let limit = MAX_TOKEN_BYTES - name;
    let bytes = sized(largest).app.to_json().len();
    let refusal = codec.issue(&sized(largest), name).unwrap_err();
    let expected = Usage::TokenTooLarge { token: token.expose().len(), claims: bytes, limit };
    assert_eq!(refusal, IssueError::Usage(expected));
    assert!(codec.issue(&claims(), usize::MAX).is_err());

    for contradiction in [
        TokenClaims { expires_at: IAT, ..claims() },
        TokenClaims { expires_at: 1 << 53, ..claims() },
        TokenClaims { auth_time: u64::MAX, ..claims() },
    ] {
        assert!(codec.issue(&contradiction, 0).is_err(), "{contradiction:?}");
    }
}

#[test]
fn contradictory_settings_are_refused() {
    let new = |issuer: &str, audience: Option<&str>, leeway| {
        TokenCodec::new(Keys::hs256(SECRET).unwrap(), issuer, audience, leeway)
    };
    assert!(new("", None, Duration::ZERO).is_err());
    assert!(new(ISSUER, Some(""), Duration::ZERO).is_err());
    assert!(new(ISSUER, None, Duration::from_secs(301)).is_err());
    assert!(new(ISSUER, None, Duration::MAX).is_err());
}

#[test]
fn nothing_secret_is_in_any_debug() {
    let codec = codec_of(Algorithm::Hs256);
    let app = AppClaims::from_value(&json!({ "mail": "someone@example.org" })).unwrap();
    let token = codec.issue(&TokenClaims { app, ..claims() }, 0).unwrap();
    let opened = codec.open(token.expose().as_bytes(), at(IAT)).unwrap();
    let shown = format!("{codec:?} {token:?} {opened:?}");
    let secret = std::str::from_utf8(SECRET).unwrap();
    for hidden in
        [secret, REF_TOK_ID, "someone@example.org", token.expose(), &format!("{SECRET:?}")]
    {
        assert!(!shown.contains(hidden), "{shown}");
    }
    for part in token.expose().split('.') {
        assert!(!shown.contains(part), "{shown}");
    }
}
