//! Tokens that are wrong in their form: parts, encoding, signature, header (`docs/security.md`,
//! "Token inputs that must be refused").

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};

use super::{Outcome, Violation, ensure, forgery::Bench, site::Site};

/// Without this, every other case of refused tokens could pass because of a slip in its forgeries.
/// And "`iat` in the future is not refused: it is the store's time, not the node's".
pub(super) async fn the_forgeries_are_right_but_for_their_fault(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    ensure!(bench.signed(&bench.header, &bench.payload) == bench.device.token, "the good token");
    let jwt = super::token::Jwt::read(&bench.device.token)?;
    let (iat, exp) = (jwt.number("iat"), jwt.number("exp"));
    let later = bench.payload_with(&format!("\"iat\":{iat}"), &format!("\"iat\":{}", exp - 1))?;
    bench.accept(&bench.signed(&bench.header, later)).await?;
    let header = bench.header_with("{", "{ ")?;
    bench.accept(&bench.signed(header, &bench.payload)).await?;
    bench.accept(&bench.signed(&bench.header, bench.payload_and("\"more\":[1,{}]"))).await
}

/// "Every `alg` trick", each under a signature that is right for the key.
pub(super) async fn alg_tricks_are_refused(site: &Site) -> Outcome {
    const NAMES: [&str; 22] = [
        "none", "None", "NONE", "nOnE", "", "hs256", "Hs256", "HS256 ", " HS256", "HS384", "HS512",
        "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES256K", "EdDSA", "Ed25519",
        "RSA1_5", "HS256\\u0000",
    ];
    let bench = Bench::new(site).await?;
    let alg = "\"alg\":\"HS256\"";
    let with = |text: &str| bench.header_with(alg, text);
    let mut headers = Vec::new();
    for name in NAMES {
        headers.push(with(&format!("\"alg\":\"{name}\""))?);
    }
    for other in ["null", "[\"HS256\"]", "{\"HS256\":1}", "256", "true"] {
        headers.push(with(&format!("\"alg\":{other}"))?);
    }
    headers.push(with("\"Alg\":\"HS256\"")?);
    headers.push(bench.header_with(&format!("{alg},"), "")?);
    bench.refuse_headers(&headers).await?;
    // Without a signature, and with one that is none.
    let unsigned = headers.iter().take(4).flat_map(|header| {
        let parts = [URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&bench.payload)];
        ["", "AAAA"].map(|signature| format!("{}.{}.{signature}", parts[0], parts[1]))
    });
    bench.refuse(unsigned.collect::<Vec<_>>()).await
}

/// "`alg` is that key's one algorithm": an HMAC with the public key for its secret is none (RFC
/// 8725, section 3.1).
pub(super) async fn a_public_key_is_no_secret(site: &Site) -> Outcome {
    let bench = Bench::over(site.fresh_with_public_key().await?).await?;
    let set = bench.site.ask_plainly("GET", "/auth/jwks.json").await?.json()?;
    let x = set["keys"][0]["x"].as_str().unwrap_or_default().to_owned();
    let raw = URL_SAFE_NO_PAD.decode(&x).map_err(|_| "x is not base64url")?;
    let header = bench.header_with("EdDSA", "HS256")?;
    let mut forged = vec![bench.signed(&bench.header, &bench.payload)];
    for key in [raw.as_slice(), x.as_bytes(), set.to_string().as_bytes()] {
        forged.push(super::token::sign_with(key, &header, &bench.payload));
    }
    let none = bench.header_with("EdDSA", "none")?;
    let parts = [URL_SAFE_NO_PAD.encode(none), URL_SAFE_NO_PAD.encode(&bench.payload)];
    forged.push(format!("{}.{}.", parts[0], parts[1]));
    // An Ed25519 signature is 64 bytes: cut, zeroed and doubled.
    let (message, signature) = bench.device.token.rsplit_once('.').unwrap_or_default();
    for signature in [&signature[..43], "", &"A".repeat(86), &format!("{signature}{signature}")] {
        forged.push(format!("{message}.{signature}"));
    }
    bench.refuse(forged).await
}

/// "Empty, cut, padded, longer or re-encoded signatures."
pub(super) async fn other_signatures_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let (message, signature) = bench.device.token.rsplit_once('.').unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "the signature is not base64url")?;
    let mut longer = bytes.clone();
    longer.push(0);
    let zeros = [0_u8; 32];
    let mut flipped = bytes.clone();
    flipped[31] ^= 1;
    let hex = bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let mut signatures = vec![
        String::new(),
        signature[..42].to_owned(),
        signature[..22].to_owned(),
        signature[1..].to_owned(),
        format!("{signature}="),
        format!("{signature}A"),
        format!("{signature}AAAA"),
        format!("{signature}{signature}"),
        URL_SAFE.encode(&bytes),
        STANDARD.encode(&bytes),
        hex,
        other_spelling(signature)?,
        signature.to_lowercase(),
        signature.to_uppercase(),
    ];
    for bytes in [&longer[..], &bytes[..31], &bytes[..16], &zeros, &flipped] {
        signatures.push(URL_SAFE_NO_PAD.encode(bytes));
    }
    let unpadded = STANDARD_NO_PAD.encode(&bytes);
    if unpadded != signature {
        signatures.push(unpadded);
    }
    bench.refuse(signatures.iter().map(|signature| format!("{message}.{signature}"))).await?;
    // Another key's, and another token's.
    let stranger = super::token::Secret::random();
    let foreign = stranger.sign(&bench.header, &bench.payload);
    let other = bench.site.sign_in(&bench.user).await?;
    let (_, others) = other.token.rsplit_once('.').unwrap_or_default();
    bench.refuse([foreign, format!("{message}.{others}")]).await
}

/// "1, 2, 4 or 5 parts", correctly signed as far as there is something to sign.
pub(super) async fn other_numbers_of_parts_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let good = bench.device.token.as_str();
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let secret = bench.site.secret();
    let tokens = [
        "x".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{good}.{payload}.{signature}"),
        format!("{good}.{good}"),
        secret.sign_parts(header, &format!("{payload}.{payload}")),
        secret.sign_parts(header, &format!("{payload}.")),
        secret.sign_parts(&format!("{header}."), payload),
        secret.sign_parts("", payload),
        secret.sign_parts(header, ""),
    ];
    bench.refuse(tokens).await
}

/// "Wrong alphabet, white space, unused bits", in parts whose signature is right.
pub(super) async fn other_encodings_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let secret = bench.site.secret();
    let header = URL_SAFE_NO_PAD.encode(&bench.header);
    let payload = URL_SAFE_NO_PAD.encode(&bench.payload);
    // A claim that makes `+`, `/` and padding necessary.
    let odd = bench.payload_and("\"odd\":\"~~~???\u{fffd}>>>\"");
    let odd = [odd.clone(), format!("{odd} "), format!("{odd}  ")]
        .into_iter()
        .find(|odd| odd.len() % 3 == 1)
        .unwrap_or_default();
    bench.accept(&bench.signed(&bench.header, &odd)).await?;
    let alphabet = STANDARD_NO_PAD.encode(&odd);
    ensure!(alphabet.contains(['+', '/']), "the suite's payload needs + or /");
    let spaced = |part: &str, space: &str| format!("{}{space}{}", &part[..8], &part[8..]);
    let mut tokens = vec![
        secret.sign_parts(&header, &alphabet),
        secret.sign_parts(&header, &URL_SAFE.encode(&odd)),
        secret.sign_parts(&header, &STANDARD.encode(&odd)),
        secret.sign_parts(&header, &other_spelling(&URL_SAFE_NO_PAD.encode(&odd))?),
        secret.sign_parts(&format!("{header}="), &payload),
        secret.sign_parts(&header, &format!("{payload}=")),
        secret.sign_parts(&header, &spaced(&payload, "%41")),
        secret.sign_parts(&spaced(&header, "~"), &payload),
        secret.sign_parts(&header, &bench.payload),
    ];
    for space in [" ", "\t", "\u{a0}", "\u{ff}"] {
        tokens.push(secret.sign_parts(&spaced(&header, space), &payload));
        tokens.push(secret.sign_parts(&header, &spaced(&payload, space)));
        let (message, signature) = bench.device.token.rsplit_once('.').unwrap_or_default();
        tokens.push(format!("{message}.{}", spaced(signature, space)));
    }
    if site.by_cookie() {
        // What ends a cookie's value, or has another meaning there.
        tokens.retain(|token| !token.contains([';', '"']));
    }
    bench.refuse(tokens).await
}

/// "Embedded keys; `crit` in any form", and "anything but `alg`, `typ`, `kid`".
pub(super) async fn other_headers_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let more = [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":null"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":true"#,
        r#""jku":"https://evil.example/jwks.json""#,
        r#""jwk":{"kty":"oct","k":"AAAA"}"#,
        r#""x5u":"https://evil.example/cert.pem""#,
        r#""x5c":["AAAA"]"#,
        r#""x5t":"AAAA""#,
        r#""x5t#S256":"AAAA""#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""cty":"JWT""#,
        r#""iss":"a""#,
        r#""unknown":1"#,
        r#""":1"#,
    ];
    bench.refuse_headers(more.map(|member| bench.header_and(member))).await
}

/// "Another `typ`", and a `kid` that names no key of ours.
pub(super) async fn another_typ_or_kid_is_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let kid = super::token::Jwt::read(&bench.device.token)?.header["kid"].to_string();
    let mut headers = Vec::new();
    for typ in ["\"jwt\"", "\"at+jwt\"", "\"JWE\"", "\"JWT \"", "\"\"", "null", "[\"JWT\"]", "1"] {
        headers.push(bench.header_with("\"JWT\"", typ)?);
    }
    headers.push(bench.header_with("\"typ\":\"JWT\",", "")?);
    let named = format!("\"kid\":{kid}");
    let listed = format!("[{kid}]");
    for other in ["\"\"", "\"unknown\"", "\"../../dev/null\"", "\"' OR 1=1 --\"", "null", "{}", "0", &listed] {
        headers.push(bench.header_with(&named, &format!("\"kid\":{other}"))?);
    }
    headers.push(bench.header_with(&format!(",{named}"), "")?);
    bench.refuse_headers(headers).await
}

/// "Duplicate names": whoever reads the first would be deceived by whoever reads the last.
pub(super) async fn duplicate_header_names_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let header = super::token::Jwt::read(&bench.device.token)?.header;
    let mut headers = Vec::new();
    for (name, value) in header.as_object().into_iter().flatten() {
        headers.push(bench.header_and(&format!("\"{name}\":{value}")));
        let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
        headers.push(bench.header_and(&format!("\"{escaped}\":{value}")));
    }
    headers.push(bench.header_and("\"alg\":\"none\""));
    bench.refuse_headers(headers).await
}

/// "The header is one JSON object"; "trailing bytes".
pub(super) async fn headers_that_are_no_object_are_refused(site: &Site) -> Outcome {
    let bench = Bench::new(site).await?;
    let good = bench.header.as_str();
    let headers = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "\"HS256\"".to_owned(),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("{good}x"),
        format!("{good}\0"),
        format!("x{good}"),
        format!("\u{feff}{good}"),
        good.replace('}', ""),
        good.replace('}', ",}"),
        "[".repeat(2000),
        "{\"a\":".repeat(500),
    ];
    bench.refuse_headers(headers).await?;
    bench.refuse([bench.signed(b"\xff\xfe{}", &bench.payload)]).await
}

/// Another text that decodes to the same bytes, if it is decoded laxly: the last character has bits
/// that mean nothing.
fn other_spelling(text: &str) -> Result<String, Violation> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = text.bytes().last().and_then(|last| ALPHABET.iter().position(|a| *a == last));
    let unused = !text.len().is_multiple_of(4);
    let spelt = last.and_then(|at| Some(char::from(*ALPHABET.get(at ^ 1)?)));
    match spelt.filter(|_| unused) {
        Some(spelt) => Ok(format!("{}{spelt}", &text[..text.len() - 1])),
        None => Err("the suite needs a text with unused bits".into()),
    }
}
