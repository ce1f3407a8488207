//! Tokens that are wrong in what they claim, and correctly signed (`docs/security.md`, "Token
//! inputs that must be refused").

use serde_json::Value;

use super::{
    Outcome, Violation, ensure,
    forgery::Bench,
    site::Site,
    token::Jwt,
};

const OURS: [&str; 7] = ["iss", "sub", "iat", "exp", "auth_time", "guid", "refTokID"];

fn claims(bench: &Bench) -> Result<Value, Violation> {
    Ok(Jwt::read(&bench.device.token)?.payload)
}

/// "Missing, null or of another type."
pub(super) async fn claims_missing_or_of_another_type_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let good = claims(&bench)?;
    let mut payloads = Vec::new();
    for name in OURS {
        let value = good[name].clone();
        let mut missing = good.clone();
        missing.as_object_mut().map(|claims| claims.remove(name));
        payloads.push(missing.to_string());
        let swapped = if value.is_string() { 1.into() } else { value.to_string().into() };
        for other in [
            Value::Null,
            true.into(),
            serde_json::json!([value]),
            serde_json::json!({ "a": value }),
            swapped,
        ] {
            let mut wrong = good.clone();
            wrong[name] = other;
            payloads.push(wrong.to_string());
        }
    }
    bench.refuse_payloads(payloads).await
}

/// "Fractions, signs, exponents, text, 2^53 and above; `exp` not after `iat`."
pub(super) async fn times_that_are_no_times_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let good = claims(&bench)?;
    let mut payloads = Vec::new();
    for name in ["iat", "exp", "auth_time"] {
        let value = &good[name];
        for bad in [
            "-1",
            "-0",
            "1.8e9",
            "1800000000.0",
            "4000000000.5",
            "9007199254740992",
            "18446744073709551615",
            "18446744073709551616",
            "1e999",
            "01",
            "NaN",
            "Infinity",
        ] {
            let (found, other) = (format!("\"{name}\":{value}"), format!("\"{name}\":{bad}"));
            payloads.push(bench.payload_with(&found, &other)?);
        }
    }
    let iat = good["iat"].as_u64().unwrap_or_default();
    for exp in [iat, iat - 1, 0] {
        payloads.push(bench.payload_with(&format!("\"exp\":{}", good["exp"]), &format!("\"exp\":{exp}"))?);
    }
    bench.refuse_payloads(payloads).await
}

/// "GUIDs in any but the canonical lower-case hyphenated form; nil UUIDs."
pub(super) async fn ids_in_another_form_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let good = claims(&bench)?;
    let mut payloads = Vec::new();
    for name in ["guid", "refTokID"] {
        let id = good[name].as_str().unwrap_or_default();
        for bad in [
            String::new(),
            "00000000-0000-0000-0000-000000000000".to_owned(),
            id.to_uppercase(),
            id.replace('-', ""),
            id.replace('-', "_"),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            format!("{id} "),
            format!(" {id}"),
            format!("{id}\\u0000"),
            id[..35].to_owned(),
        ] {
            payloads.push(bench.payload_with(id, &bad)?);
        }
    }
    bench.refuse_payloads(payloads).await
}

/// Another issuer, also beside ours; "`nbf`, `jti`: absent: we never write them"; an audience where
/// none is configured; "user ids out of bounds".
pub(super) async fn claims_that_we_never_make_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let good = claims(&bench)?;
    let (iss, sub) = (format!("\"iss\":{}", good["iss"]), format!("\"sub\":{}", good["sub"]));
    let mut payloads = Vec::new();
    for other in ["\"https://evil.example\"", "\"https://app.example/\"", "\"HTTPS://app.example\"", "\"\""] {
        payloads.push(bench.payload_with(&iss, &format!("\"iss\":{other}"))?);
    }
    let beside = format!("\"iss\":[{},\"https://evil.example\"]", good["iss"]);
    payloads.push(bench.payload_with(&iss, &beside)?);
    for more in ["\"aud\":\"api\"", "\"aud\":null", "\"aud\":[]", "\"nbf\":0", "\"jti\":\"a\""] {
        payloads.push(bench.payload_and(more));
    }
    let long = "a".repeat(256);
    for bad in ["", "a\\u0000", "a\\nb", "\\ud800", &long] {
        payloads.push(bench.payload_with(&sub, &format!("\"sub\":\"{bad}\""))?);
    }
    bench.refuse_payloads(payloads).await
}

/// "This one string where configured; absent where not. An array is refused."
pub(super) async fn another_audience_is_refused(site: &Site) -> Outcome {
    let bench = Bench::over(site.fresh_with(|builder| builder.audience("api")).await?).await?;
    let aud = "\"aud\":\"api\"";
    let mut payloads = vec![bench.payload_with(&format!("{aud},"), "")?];
    for other in ["null", "\"\"", "\"API\"", "[\"api\"]", "[\"api\",\"other\"]", "{\"api\":1}"] {
        payloads.push(bench.payload_with(aud, &format!("\"aud\":{other}"))?);
    }
    bench.refuse_payloads(payloads).await
}

/// "Duplicate names at any level": whoever reads the first would be deceived by whoever reads the
/// last.
pub(super) async fn duplicate_claims_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let good = claims(&bench)?;
    let mut payloads = Vec::new();
    for name in OURS.into_iter().chain(["role"]) {
        payloads.push(bench.payload_and(&format!("\"{name}\":{}", good[name])));
    }
    for more in [
        r#""a":1,"a":1"#,
        r#""a":1,"\u0061":2"#,
        r#""a":{"b":1,"b":1}"#,
        r#""a":[0,{"b":{"c":1,"c":2}}]"#,
        r#""s\u0075b":"somebody-else""#,
    ] {
        payloads.push(bench.payload_and(more));
    }
    bench.refuse_payloads(payloads).await
}

/// "Payloads that are not one object"; "trailing bytes".
pub(super) async fn payloads_that_are_no_object_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let good = bench.payload.as_str();
    bench
        .refuse_payloads([
            String::new(),
            " ".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
            "1".to_owned(),
            "\"\"".to_owned(),
            format!("[{good}]"),
            format!("{good}{good}"),
            format!("{good}x"),
            format!("{good}\0"),
            format!("x{good}"),
            format!("\u{feff}{good}"),
            good.replace('}', ""),
            good.replace('}', ",}"),
            good.replace('}', ",\"a\":\"\\ud800\"}"),
            good.replace('}', ",\"a\":+1}"),
            good.replace("\"iss\"", "iss"),
            bench.device.token.clone(),
        ])
        .await?;
    let bytes = [good.trim_end_matches('}').as_bytes(), b",\"a\":\"\xff\"}"].concat();
    bench.refuse_payloads([bytes]).await
}

/// "Depth bombs."
pub(super) async fn depth_bombs_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let bomb = |open: &str, close: &str, depth: usize| {
        bench.payload_and(&format!("\"a\":{}1{}", open.repeat(depth), close.repeat(depth)))
    };
    bench
        .refuse_payloads([
            bomb("[", "]", 32),
            bomb("[", "]", 1100),
            bomb("[", "", 1500),
            bomb("{\"a\":", "}", 32),
            bomb("{\"a\":", "}", 350),
            "[".repeat(2500),
            "{\"a\":".repeat(500),
        ])
        .await?;
    bench.accept(&bench.signed(&bench.header, bomb("[", "]", 30))).await
}

/// "More than 4096 bytes (refused before any decoding)", and up to that not.
pub(super) async fn tokens_beyond_4096_bytes_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let filled = |length: usize| {
        let payload = bench.payload_and(&format!("\"a\":\"{}\"", "a".repeat(length)));
        bench.signed(&bench.header, payload)
    };
    let longest = (0..4096).rev().map(filled).find(|token| token.len() <= 4096).unwrap_or_default();
    ensure!(longest.len() >= 4094, "the longest token of the suite has {} bytes", longest.len());
    bench.accept(&longest).await?;
    let tokens = [
        (0..4096).map(filled).find(|token| token.len() > 4096).unwrap_or_default(),
        filled(5000),
        format!("{longest}{}", "A".repeat(4097 - longest.len())),
        "a".repeat(4097),
        "a".repeat(9000),
    ];
    bench.refuse(tokens).await
}
