//! Signatures, and the text that carries them.

use super::*;
use crate::token::MAX_TOKEN_BYTES;

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn alg_none_is_refused_with_any_signature() {
    for algorithm in ALL {
        let (key, codec) = (signing_key(algorithm), codec_of(algorithm));
        for alg in ["none", "None", "NONE"] {
            let header = good_header(&key).replace(algorithm.as_str(), alg);
            let token = forged(&key, header.as_bytes(), good_payload().as_bytes());
            let [header, payload, signature] = parts(&token);
            assert!(is_refused(&codec, &format!("{header}.{payload}.")));
            assert!(is_refused(&codec, &format!("{header}.{payload}")));
            assert!(is_refused(&codec, &format!("{header}.{payload}.{signature}")));
        }
    }
}

/// RFC 8725, section 2.1: the public key is public, and an HMAC with it would be anybody's.
#[test]
fn a_public_key_as_hmac_secret_is_refused() {
    let publics = [
        (Algorithm::Rs256, pem!("rs256.pub")),
        (Algorithm::Es256, pem!("es256.pub")),
        (Algorithm::Ed25519, pem!("ed25519.pub")),
    ];
    for (algorithm, public) in publics {
        let codec = codec_of(algorithm);
        let kid = signing_key(algorithm).kid().to_owned();
        let jwks = codec.keys().jwks().unwrap();
        for secret in [public, public.trim_end(), &jwks] {
            let attacker = SigningKey::hs256(secret).unwrap().with_kid(&kid).unwrap();
            for alg in ["HS256", algorithm.as_str()] {
                let header = good_header(&attacker).replace("HS256", alg);
                let token = forged(&attacker, header.as_bytes(), good_payload().as_bytes());
                assert!(is_refused(&codec, &token), "{algorithm} as {alg}");
            }
        }
    }
}

#[test]
fn a_signature_counts_only_under_its_own_key_s_name() {
    let keys = ALL.map(signing_key);
    let verifying = keys.iter().map(SigningKey::verifying_key);
    let ring = Keys::new(SigningKey::hs256(OTHER_SECRET).unwrap());
    verifying.for_each(|key| ring.also_verify(key).unwrap());
    let codec = codec(ring);
    for signer in &keys {
        for named in &keys {
            let header = good_header(named);
            let token = forged(signer, header.as_bytes(), good_payload().as_bytes());
            let own = signer.kid() == named.kid();
            assert_eq!(!is_refused(&codec, &token), own, "{signer:?} as {named:?}");
        }
    }
}

#[test]
fn a_key_that_is_not_ours_is_refused() {
    let stranger = SigningKey::hs256(OTHER_SECRET).unwrap();
    let ours = signing_key(Algorithm::Hs256);
    let codec = codec_of(Algorithm::Hs256);
    for kid in [ours.kid(), stranger.kid()] {
        let stranger = stranger.clone().with_kid(kid).unwrap();
        assert!(is_refused(&codec, &issued(&self::codec(Keys::new(stranger)))));
    }
}

/// "empty, cut, padded, longer or re-encoded signatures".
#[test]
fn a_signature_has_one_text() {
    for algorithm in ALL {
        let codec = codec_of(algorithm);
        let token = issued(&codec);
        let [header, payload, signature] = parts(&token);
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let longer = [&bytes[..], &[0]].concat();
        let zero_first = [&[0], &bytes[..]].concat();
        for bad in [
            String::new(),
            encode(&bytes[..bytes.len() - 1]),
            encode(&bytes[1..]),
            encode(&bytes[..bytes.len() / 2]),
            encode(&longer),
            encode(&zero_first),
            encode(&vec![0; bytes.len()]),
            encode(&bytes.repeat(2)),
            signature[..signature.len() - 1].to_owned(),
            format!("{signature}="),
            format!("{signature}=="),
            format!("{signature}A"),
            format!("{signature} "),
            format!(" {signature}"),
            format!("{signature}\n"),
            format!("{signature}\0"),
            format!("{signature}%3D"),
            signature.replacen(&signature[3..4], "+", 1),
            base64::engine::general_purpose::STANDARD.encode(&bytes),
        ] {
            assert!(is_refused(&codec, &format!("{header}.{payload}.{bad}")), "{algorithm} {bad}");
        }
    }
}

/// The last character of a part can carry bits that no byte uses: 32 or 64 bytes leave 2 or 4.
#[test]
fn unused_bits_are_refused_in_every_part() {
    for algorithm in ALL {
        let (key, codec) = (signing_key(algorithm), codec_of(algorithm));
        // White space after the JSON brings each length to one that leaves bits unused.
        for spaces in 0..3 {
            let header = good_header(&key) + &" ".repeat(spaces);
            let payload = good_payload() + &" ".repeat(spaces);
            let token = forged(&key, header.as_bytes(), payload.as_bytes());
            assert!(!is_refused(&codec, &token));
            let [header, payload, signature] = parts(&token);
            for respelt in respellings(header) {
                assert!(is_refused(&codec, &signed(&key, &respelt, payload)));
            }
            for respelt in respellings(payload) {
                assert!(is_refused(&codec, &signed(&key, header, &respelt)));
            }
            for respelt in respellings(signature) {
                assert!(is_refused(&codec, &format!("{header}.{payload}.{respelt}")));
            }
        }
    }
}

/// The other texts that a lax decoder takes for the same bytes.
fn respellings(part: &str) -> Vec<String> {
    let unused = match part.len() % 4 {
        2 => 16,
        3 => 4,
        _ => 1,
    };
    let (rest, last) = part.split_at(part.len() - 1);
    let value = ALPHABET.find(last).unwrap();
    let others = (1..unused).map(|bits| format!("{rest}{}", &ALPHABET[value + bits..][..1]));
    let padded = ["=", "==", "\n", " ", "\r\n"].map(|tail| format!("{part}{tail}"));
    others.chain(padded).collect()
}

#[test]
fn a_token_has_three_parts() {
    for algorithm in ALL {
        let codec = codec_of(algorithm);
        let token = issued(&codec);
        let [header, payload, signature] = parts(&token);
        for bad in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            "...".to_owned(),
            "....".to_owned(),
            header.to_owned(),
            format!("{header}.{payload}"),
            format!("{header}..{signature}"),
            format!(".{payload}.{signature}"),
            format!("{token}."),
            format!(".{token}"),
            format!("{token}.{signature}"),
            format!("{header}.{payload}.{signature}.."),
            format!("{header}.{header}.{payload}.{signature}.{signature}"),
            format!("{header}.{payload}.{payload}.{signature}.{signature}"),
            format!("Bearer {token}"),
            format!("\"{token}\""),
            format!(" {token}"),
            format!("{token}\n"),
        ] {
            assert!(is_refused(&codec, &bad), "{algorithm} {bad}");
        }
    }
}

#[test]
fn whatever_character_changes_the_token_is_refused() {
    for algorithm in ALL {
        let codec = codec_of(algorithm);
        let token = issued(&codec);
        assert!(!is_refused(&codec, &token));
        for at in 0..token.len() {
            let old = &token[at..=at];
            // Every other one for the fast algorithm, a neighbour in the alphabet for the rest: it
            // differs in one bit, an unused one where there is one.
            let others: Vec<&str> = match (algorithm, ALPHABET.find(old)) {
                (Algorithm::Hs256, _) => ALPHABET.split("").chain([".", "=", " ", "\0"]).collect(),
                (_, Some(value)) => vec![&ALPHABET[value ^ 1..][..1], "", "."],
                (_, None) => vec!["", "A"],
            };
            for other in others.into_iter().filter(|other| *other != old) {
                let changed = [&token[..at], other, &token[at + 1..]].concat();
                assert!(is_refused(&codec, &changed), "{algorithm}: {at}, {old} to {other:?}");
            }
        }
    }
}

/// "more than 4096 bytes (refused before any decoding)".
#[test]
fn more_than_4096_bytes_are_refused_however_well_signed() {
    for algorithm in ALL {
        let (key, codec) = (signing_key(algorithm), codec_of(algorithm));
        let sized = |bytes: usize| {
            let payload = good_payload() + &" ".repeat(bytes);
            forged(&key, good_header(&key).as_bytes(), payload.as_bytes())
        };
        let spaces = (1500..4000).rfind(|spaces| sized(*spaces).len() <= MAX_TOKEN_BYTES).unwrap();
        assert!(!is_refused(&codec, &sized(spaces)), "{algorithm}");
        assert!(is_refused(&codec, &sized(spaces + 1)), "{algorithm}");
        assert!(is_refused(&codec, &"A".repeat(1 << 20)));
    }
}

#[test]
fn a_spent_token_with_another_fault_is_refused_and_not_spent() {
    let codec = codec_of(Algorithm::Hs256);
    let token = issued(&codec);
    let late = at(EXP + 1);
    assert_eq!(codec.open(token.as_bytes(), late).unwrap().freshness, Freshness::Spent);
    let cut = &token.as_bytes()[..token.len() - 1];
    assert!(matches!(codec.open(cut, late), Err(Denied::TokenInvalid)));
}
