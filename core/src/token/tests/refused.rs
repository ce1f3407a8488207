//! Contents that are refused although the signature over them is right.

use super::*;
use crate::token::MAX_TOKEN_BYTES;

/// Each payload, correctly signed, is refused under every algorithm.
fn payloads_are_refused<'a>(payloads: impl IntoIterator<Item = &'a str>) {
    let keys = ALL.map(|algorithm| (signing_key(algorithm), codec_of(algorithm)));
    for payload in payloads {
        for (key, codec) in &keys {
            let token = forged(key, good_header(key).as_bytes(), payload.as_bytes());
            assert!(token.len() <= MAX_TOKEN_BYTES, "refused for its size: {payload}");
            assert!(is_refused(codec, &token), "{} {payload}", key.algorithm());
        }
    }
}

/// Each header, correctly signed, is refused under every algorithm.
fn headers_are_refused(headers: impl Fn(&SigningKey) -> Vec<String>) {
    for algorithm in ALL {
        let (key, codec) = (signing_key(algorithm), codec_of(algorithm));
        for header in headers(&key) {
            let token = forged(&key, header.as_bytes(), good_payload().as_bytes());
            assert!(is_refused(&codec, &token), "{algorithm} {header}");
        }
    }
}

/// The payload with one member's text replaced by another.
fn with(member: &str, replacement: &str) -> String {
    let payload = good_payload();
    assert!(payload.contains(member), "{member} is in no payload");
    payload.replacen(member, replacement, 1)
}

/// Without this, every other test here could pass because of a slip in its forgeries.
#[test]
fn the_forgeries_are_right_but_for_their_fault() {
    for algorithm in ALL {
        let (key, codec) = (signing_key(algorithm), codec_of(algorithm));
        let token = forged(&key, good_header(&key).as_bytes(), good_payload().as_bytes());
        assert_eq!(codec.open(token.as_bytes(), at(IAT)).unwrap().claims, claims());
    }
}

#[test]
fn claims_that_are_missing_or_null_are_refused() {
    let payload: serde_json::Value = serde_json::from_str(&good_payload()).unwrap();
    for name in payload.as_object().unwrap().keys() {
        let (mut missing, mut null) = (payload.clone(), payload.clone());
        missing.as_object_mut().unwrap().remove(name);
        null[name] = serde_json::Value::Null;
        payloads_are_refused([&*missing.to_string(), &*null.to_string()]);
    }
}

#[test]
fn claims_of_another_type_are_refused() {
    let payload: serde_json::Value = serde_json::from_str(&good_payload()).unwrap();
    for (name, value) in payload.as_object().unwrap() {
        let other = |value: serde_json::Value| {
            let mut payload = payload.clone();
            payload[name] = value;
            payload.to_string()
        };
        let wrapped = [serde_json::json!([value]), serde_json::json!({ "a": value }), true.into()];
        for wrapped in wrapped {
            payloads_are_refused([&*other(wrapped)]);
        }
        let swapped = if value.is_string() { 1.into() } else { value.to_string().into() };
        payloads_are_refused([&*other(swapped)]);
    }
}

#[test]
fn another_issuer_is_refused_also_beside_ours() {
    let iss = format!(r#""iss":"{ISSUER}""#);
    payloads_are_refused([
        &*with(&iss, r#""iss":"https://evil.example""#),
        &*with(&iss, &format!(r#""iss":"{ISSUER}/""#)),
        &*with(&iss, &format!(r#""iss":["{ISSUER}","https://evil.example"]"#)),
    ]);
}

#[test]
fn an_audience_is_refused_where_none_is_configured() {
    let sub = r#""sub":"user-1""#;
    payloads_are_refused([
        &*with(sub, r#""sub":"user-1","aud":"api""#),
        &*with(sub, r#""sub":"user-1","aud":null"#),
        &*with(sub, r#""sub":"user-1","aud":[]"#),
    ]);
}

#[test]
fn exactly_the_configured_audience_is_accepted() {
    for algorithm in ALL {
        let key = signing_key(algorithm);
        let keys = Keys::new(key.clone());
        let codec = TokenCodec::new(keys, ISSUER, Some("api"), Duration::ZERO).unwrap();
        let token = |aud: &str| {
            let payload = with(r#""sub":"user-1""#, &format!(r#""sub":"user-1"{aud}"#));
            forged(&key, good_header(&key).as_bytes(), payload.as_bytes())
        };
        assert!(codec.open(token(r#","aud":"api""#).as_bytes(), at(IAT)).is_ok());
        for aud in [
            "",
            r#","aud":null"#,
            r#","aud":"API""#,
            r#","aud":"""#,
            r#","aud":["api"]"#,
            r#","aud":["api","other"]"#,
        ] {
            assert!(is_refused(&codec, &token(aud)), "{algorithm} {aud}");
        }
    }
}

#[test]
fn nbf_and_jti_are_refused_because_we_never_issue_them() {
    payloads_are_refused([
        &*with(r#""sub""#, &format!(r#""nbf":{IAT},"sub""#)),
        &*with(r#""sub""#, r#""nbf":0,"sub""#),
        &*with(r#""sub""#, r#""jti":"a","sub""#),
    ]);
}

#[test]
fn times_are_integers_below_two_to_the_fifty_third() {
    let times = [("iat", IAT), ("exp", EXP), ("auth_time", IAT - 60)];
    for (name, value) in times {
        for bad in [
            "-1",
            "-0",
            "1.8e9",
            "1800000000.0",
            "1800000000.5",
            "9007199254740992",
            "18446744073709551615",
            "18446744073709551616",
            "1e999",
            "0x1",
            "01",
            "NaN",
            "\"1800000000\"",
        ] {
            payloads_are_refused([&*with(
                &format!(r#""{name}":{value}"#),
                &format!(r#""{name}":{bad}"#),
            )]);
        }
    }
}

#[test]
fn an_exp_that_is_not_after_iat_is_refused() {
    let exp = format!(r#""exp":{EXP}"#);
    payloads_are_refused([
        &*with(&exp, &format!(r#""exp":{IAT}"#)),
        &*with(&exp, &format!(r#""exp":{}"#, IAT - 1)),
        &*with(&exp, r#""exp":0"#),
    ]);
}

/// "GUIDs in any but the canonical lower-case hyphenated form; nil UUIDs".
#[test]
fn ids_have_one_form() {
    for id in [GUID, REF_TOK_ID] {
        let upper = id.to_uppercase();
        for bad in [
            "",
            "00000000-0000-0000-0000-000000000000",
            &upper,
            &format!("{{{id}}}"),
            &format!("urn:uuid:{id}"),
            &id.replace('-', ""),
            &format!("{id} "),
            &format!("{id}\\u0000"),
        ] {
            payloads_are_refused([&*with(id, bad)]);
        }
    }
}

#[test]
fn a_user_id_that_we_would_not_take_is_refused() {
    let long = "a".repeat(256);
    for bad in ["", "a\\u0000", "a\\nb", "\\ud800", &long] {
        payloads_are_refused([&*with("user-1", bad)]);
    }
}

/// The last of two wins with most JSON readers: whoever looks at the first would be deceived.
#[test]
fn duplicate_names_are_refused_at_every_level() {
    let payload: serde_json::Value = serde_json::from_str(&good_payload()).unwrap();
    for (name, value) in payload.as_object().unwrap() {
        payloads_are_refused([&*good_payload().replace('}', &format!(r#","{name}":{value}}}"#))]);
    }
    for app in [
        r#""a":1,"a":1"#,
        r#""a":1,"\u0061":2"#,
        r#""a":{"b":1,"b":1}"#,
        r#""a":[0,{"b":{"c":1,"c":2}}]"#,
        r#""s\u0075b":"user-2""#,
    ] {
        payloads_are_refused([&*good_payload().replace('}', &format!(",{app}}}"))]);
    }
}

#[test]
fn payloads_that_are_no_object_or_not_one_alone_are_refused() {
    let good = good_payload();
    let nested = issued(&codec_of(Algorithm::Hs256));
    payloads_are_refused([
        "",
        " ",
        "null",
        "[]",
        "\"\"",
        "1",
        &*format!("[{good}]"),
        &*format!("\"{nested}\""),
        &*nested,
        &*format!("{good}{good}"),
        &*format!("{good}x"),
        &*format!("{good}\0"),
        &*format!("x{good}"),
        &*format!("\u{feff}{good}"),
        &*good.replace('}', ""),
        &*good.replace('}', ",}"),
        &*good.replace('}', ",\"a\":\"\\ud800\"}"),
        &*good.replace('}', ",\"a\":+1}"),
        &*good.replace("\"iss\"", "iss"),
    ]);
}

#[test]
fn parts_that_are_not_utf8_are_refused() {
    for algorithm in ALL {
        let (key, codec) = (signing_key(algorithm), codec_of(algorithm));
        let payload =
            [good_payload().trim_end_matches('}').as_bytes(), b",\"a\":\"\xff\"}"].concat();
        let token = forged(&key, good_header(&key).as_bytes(), &payload);
        assert!(is_refused(&codec, &token));
        let token = forged(&key, b"\xff\xfe{\0}", good_payload().as_bytes());
        assert!(is_refused(&codec, &token));
        assert!(codec.open(b"\xff.\xff.\xff", at(IAT)).is_err());
    }
}

#[test]
fn depth_bombs_are_refused_and_cost_no_stack() {
    let bomb = |open: &str, close: &str, depth: usize| {
        let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        good_payload().replace('}', &format!(r#","a":{value}}}"#))
    };
    payloads_are_refused([
        &*bomb("[", "]", 32),
        &*bomb("[", "]", 1200),
        &*bomb("[", "", 1500),
        &*bomb(r#"{"a":"#, "}", 32),
        &*bomb(r#"{"a":"#, "}", 400),
        &*"[".repeat(1500),
        &*r#"{"a":"#.repeat(480),
    ]);
    let (key, codec) = (signing_key(Algorithm::Hs256), codec_of(Algorithm::Hs256));
    let deepest = forged(&key, good_header(&key).as_bytes(), bomb("[", "]", 31).as_bytes());
    assert!(codec.open(deepest.as_bytes(), at(IAT)).is_ok());
    let bomb = forged(&key, "[".repeat(1500).as_bytes(), good_payload().as_bytes());
    assert!(is_refused(&codec, &bomb));
}

/// "embedded keys; `crit` in any form; another `typ`", and whatever else is not `alg`, `typ`, `kid`.
#[test]
fn a_header_says_alg_typ_and_kid_and_nothing_else() {
    headers_are_refused(|key| {
        let good = good_header(key);
        let more = |member: &str| good.replace('}', &format!(",{member}}}"));
        let (alg, kid) = (key.algorithm(), key.kid());
        vec![
            more(r#""crit":["exp"]"#),
            more(r#""crit":[]"#),
            more(r#""crit":null"#),
            more(r#""crit":["b64"],"b64":false"#),
            more(r#""jku":"https://evil.example/jwks.json""#),
            more(r#""jwk":{"kty":"oct","k":"AAAA"}"#),
            more(r#""x5u":"https://evil.example/cert.pem""#),
            more(r#""x5c":["AAAA"]"#),
            more(r#""x5t":"AAAA""#),
            more(r#""zip":"DEF""#),
            more(r#""enc":"A128GCM""#),
            more(r#""cty":"JWT""#),
            more(r#""cty":null"#),
            more(r#""iss":"a""#),
            more(r#""unknown":1"#),
            more(&format!(r#""kid":"{kid}""#)),
            more(&format!(r#""alg":"{alg}""#)),
            more(r#""typ":"JWT""#),
            more(r#""\u0061lg":"none""#),
            good.replace("JWT", "jwt"),
            good.replace("JWT", "at+jwt"),
            good.replace("JWT", "JWE"),
            good.replace("\"JWT\"", "null"),
            good.replace(r#""typ":"JWT","#, ""),
            good.replace(&format!(r#","kid":"{kid}""#), ""),
            good.replace(kid, ""),
            good.replace(kid, "unknown"),
            good.replace(&format!("\"{kid}\""), "null"),
            good.replace(&format!("\"{kid}\""), "{}"),
            good.replace(&format!("\"{kid}\""), &format!("[\"{kid}\"]")),
            good.replace(&format!(r#""alg":"{alg}","#), ""),
            format!("[\"{alg}\",\"JWT\",\"{kid}\"]"),
            format!("{good}{good}"),
            format!("{good}x"),
            String::new(),
            "null".to_owned(),
        ]
    });
}

/// RFC 8725, section 3.1: one algorithm per key, and the token does not choose it.
#[test]
fn alg_is_the_key_s_own() {
    headers_are_refused(|key| {
        let own = key.algorithm().as_str();
        let names = [
            "none",
            "None",
            "NONE",
            "nOnE",
            "",
            "HS256",
            "HS384",
            "HS512",
            "hs256",
            "EdDSA",
            "Ed25519",
            "ES256",
            "ES384",
            "ES256K",
            "RS256",
            "RS384",
            "RS512",
            "PS256",
            "RSA1_5",
            "HS256 ",
            "RS256\\u0000",
        ];
        let others = names.into_iter().filter(|name| *name != own);
        others.map(|name| good_header(key).replace(own, name)).collect()
    });
}
