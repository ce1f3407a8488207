//! Changes to the header, each signed with the right key afterwards.

use crate::{
    claims::spelling,
    dice::Dice,
    draft::{Draft, quoted},
    keys::Key,
};

/// Changes the header once.
pub(crate) fn change(dice: &mut Dice, draft: &mut Draft<'_>, keys: &[Key]) {
    let header = &mut draft.header;
    match dice.below(7) {
        0 => {
            let (name, value) = dice.one_of(&MORE);
            header.add(dice, name, value);
        }
        1 => header.set("typ", dice.one_of(&TYPES)),
        2 => {
            let name = dice.one_of(&["alg", "typ", "kid"]);
            header.remove(name);
        }
        3 => {
            let own = header.get("alg").unwrap_or("null").to_owned();
            let new = match dice.below(4) {
                0 => format!("{{{own}:null}}"),
                1 => format!("[{own}]"),
                _ => quoted(dice.one_of(&ALGORITHMS)),
            };
            header.set("alg", new);
        }
        4 => {
            let own = header.get("kid").unwrap_or("null").to_owned();
            let new = match dice.below(5) {
                0 => quoted(&dice.pick(keys).kid),
                1 => format!("[{own}]"),
                2 => "null".to_owned(),
                3 => "1".to_owned(),
                _ => quoted("unknown"),
            };
            header.set("kid", new);
        }
        _ => spelling(dice, header),
    }
}

const TYPES: [&str; 8] =
    ["\"JWT\"", "\"jwt\"", "\"at+jwt\"", "\"JWE\"", "\"\"", "null", "1", "[\"JWT\"]"];

const ALGORITHMS: [&str; 18] = [
    "none", "None", "", "HS256", "HS384", "HS512", "hs256", "EdDSA", "Ed25519", "ES256", "ES384",
    "ES256K", "RS256", "RS384", "RS512", "PS256", "RSA1_5", "HS256 ",
];

const MORE: [(&str, &str); 30] = [
    ("crit", r#"["exp"]"#),
    ("crit", r#"["b64"]"#),
    ("crit", "[]"),
    ("crit", "null"),
    ("crit", "true"),
    ("b64", "false"),
    ("b64", "true"),
    ("jku", r#""https://evil.example/jwks.json""#),
    ("jku", "null"),
    ("jwk", r#"{"kty":"oct","k":"AAAA"}"#),
    ("jwk", r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
    ("jwk", "1"),
    ("x5u", r#""https://evil.example/cert.pem""#),
    ("x5c", r#"["AAAA"]"#),
    ("x5c", r#""AAAA""#),
    ("x5t", r#""AAAA""#),
    ("x5t#S256", r#""AAAA""#),
    ("zip", r#""DEF""#),
    ("enc", r#""A128GCM""#),
    ("cty", r#""JWT""#),
    ("cty", "null"),
    ("url", r#""a""#),
    ("nonce", r#""a""#),
    ("iss", r#""a""#),
    ("unknown", "1"),
    ("unknown", r#"{"a":[1,{"b":null}]}"#),
    ("unknown", "1e999"),
    ("ALG", r#""none""#),
    (r"\u0061lg", r#""none""#),
    ("", "\"\""),
];
