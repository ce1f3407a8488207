//! Keys that are taken, keys that are refused, and a ring that changes while it is used.

use base64::engine::general_purpose::STANDARD;

use super::*;

type Load = fn(&str) -> Result<VerifyingKey, KeyError>;

fn private(load: fn(&str) -> Result<SigningKey, KeyError>, pem: &str) -> Result<(), KeyError> {
    load(pem).map(drop)
}

#[test]
fn a_public_key_verifies_what_its_private_key_signs_under_the_same_name() {
    let publics: [(Algorithm, Load, &str); 4] = [
        (Algorithm::Ed25519, |pem| VerifyingKey::ed25519_from_pem(pem), pem!("ed25519.pub")),
        (Algorithm::Es256, |pem| VerifyingKey::es256_from_pem(pem), pem!("es256.pub")),
        (Algorithm::Rs256, |pem| VerifyingKey::rs256_from_pem(pem), pem!("rs256.pub")),
        (Algorithm::Rs256, |pem| VerifyingKey::rs256_from_pem(pem), pem!("rs256.pkcs1.pub")),
    ];
    for (algorithm, load, public) in publics {
        let public = load(public).unwrap();
        assert_eq!(public.kid(), signing_key(algorithm).kid());
        assert_eq!(public.algorithm(), algorithm);
        let elsewhere = codec(Keys::hs256(SECRET).unwrap().and_verify(public).unwrap());
        assert!(!is_refused(&elsewhere, &issued(&codec_of(algorithm))), "{algorithm}");
    }
    let secret = VerifyingKey::hs256(SECRET).unwrap();
    assert_eq!(secret.kid(), signing_key(Algorithm::Hs256).kid());
    let elsewhere = codec(Keys::hs256(OTHER_SECRET).unwrap().and_verify(secret).unwrap());
    assert!(!is_refused(&elsewhere, &issued(&codec_of(Algorithm::Hs256))));
}

#[test]
fn an_rsa_key_is_the_same_in_both_forms() {
    let pkcs1 = SigningKey::rs256_from_pem(pem!("rs256.pkcs1")).unwrap();
    assert_eq!(pkcs1.kid(), signing_key(Algorithm::Rs256).kid());
    assert!(!is_refused(&codec_of(Algorithm::Rs256), &issued(&codec(Keys::new(pkcs1)))));
}

/// The example keys of RFC 8037, appendices A.1 and A.3, and RFC 7638, section 3.1.
#[test]
fn the_default_name_is_the_thumbprint_of_the_rfcs() {
    let ed25519 = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    let ed25519 = SigningKey::ed25519_from_pem(ed25519).unwrap();
    assert_eq!(ed25519.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let rsa = VerifyingKey::rs256_from_pem(pem!("rfc7638.pub")).unwrap();
    assert_eq!(rsa.kid(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn a_secret_s_name_is_short_and_its_own() {
    let (one, two) = (SigningKey::hs256(SECRET).unwrap(), SigningKey::hs256(OTHER_SECRET).unwrap());
    assert_eq!((one.kid().len(), two.kid().len()), (11, 11));
    assert_ne!(one.kid(), two.kid());
}

#[test]
fn short_and_uniform_secrets_are_refused() {
    for bytes in [0, 1, 31] {
        let refusal = Keys::hs256(&SECRET[..bytes]).unwrap_err();
        assert!(matches!(refusal, KeyError::TooShort { bytes: b } if b == bytes), "{refusal}");
    }
    for filler in [0, b'a', 255] {
        let uniform = Keys::hs256([filler; 64]).unwrap_err();
        assert!(matches!(uniform, KeyError::Uniform), "{uniform}");
    }
    assert!(VerifyingKey::hs256(&SECRET[..31]).is_err());
}

#[test]
fn every_wrong_pem_is_refused_with_what_it_holds() {
    let ed = |pem| private(|pem| SigningKey::ed25519_from_pem(pem), pem);
    let ec = |pem| private(|pem| SigningKey::es256_from_pem(pem), pem);
    let rsa = |pem| private(|pem| SigningKey::rs256_from_pem(pem), pem);
    let public_ed = |pem| VerifyingKey::ed25519_from_pem(pem).map(drop);
    let public_on_p256 = |pem| VerifyingKey::es256_from_pem(pem).map(drop);
    let public_rsa = |pem| VerifyingKey::rs256_from_pem(pem).map(drop);
    let twice = [pem!("ed25519"), pem!("es256")].concat();
    let cut = pem!("ed25519").replace("-----END", "");
    for (result, words) in [
        (ed(""), "no line"),
        (ed("not a key"), "no line"),
        (ed("-----BEGIN "), "cut"),
        (ed(&cut), "last line"),
        (ed(&twice), "more than one"),
        (ed(pem!("es256")), "an EC key on P-256"),
        (ed(pem!("rs256")), "an RSA key"),
        (ed(pem!("ed25519.pub")), "a public key"),
        (ec(pem!("ed25519")), "an Ed25519 key"),
        (ec(pem!("p384")), "another curve"),
        (ec(pem!("secp256k1")), "another curve"),
        (ec(pem!("es256.sec1")), "openssl pkcs8 -topk8 -nocrypt"),
        (ec(pem!("encrypted")), "an encrypted key"),
        (rsa(pem!("es256")), "an EC key on P-256"),
        (rsa(pem!("rs256.pub")), "a public key"),
        (rsa(pem!("rs256.pkcs1.pub")), "a public key"),
        (rsa(pem!("rsa1024")), "2048"),
        (rsa(&damaged_rsa()), "damaged"),
        (public_ed(pem!("ed25519")), "a private key"),
        (public_ed(pem!("es256.pub")), "an EC key on P-256"),
        (public_on_p256(pem!("p384.pub")), "another curve"),
        (public_on_p256(pem!("secp256k1.pub")), "another curve"),
        (public_on_p256(pem!("es256.compressed.pub")), "uncompressed"),
        (public_rsa(pem!("rs256.pkcs1")), "a private key"),
        (public_rsa(pem!("rsa1024.pub")), "2048"),
        (public_rsa(pem!("ed25519.pub")), "an Ed25519 key"),
        (
            public_on_p256("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
            "certificate",
        ),
        (public_on_p256("-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----"), "not base64"),
        (public_on_p256("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"), "unknown kind"),
    ] {
        let refusal = result.expect_err(words).to_string();
        assert!(refusal.contains(words), "{refusal:?} lacks {words:?}");
    }
}

#[test]
fn a_key_whose_halves_do_not_match_is_refused() {
    // The last bytes of this PKCS#8 structure are the public point: here they are another one.
    let damaged = pem!("es256.mismatch");
    assert!(Keys::es256_from_pem(damaged).is_err());
}

/// They could verify nothing, and would be found at the first token.
#[test]
fn a_public_key_that_is_none_is_refused_when_it_is_loaded() {
    let es256: Load = |pem| VerifyingKey::es256_from_pem(pem);
    let rs256: Load = |pem| VerifyingKey::rs256_from_pem(pem);
    for (load, pem, from_end) in [
        (es256, pem!("es256.pub"), 1), // a point that is not on the curve
        (rs256, pem!("rs256.pub"), 1), // an even exponent
        (rs256, pem!("rs256.pub"), "\x02\x03\x01\x00\x01".len() + 1), // an even modulus
    ] {
        assert!(load(pem).is_ok());
        let refusal = load(&with_one_bit_changed(pem, from_end)).unwrap_err().to_string();
        assert!(refusal.contains("damaged"), "{refusal}");
    }
}

/// Another key file: of this byte, counted from the end, the last bit is changed.
fn with_one_bit_changed(pem: &str, from_end: usize) -> String {
    let lines: Vec<&str> = pem.lines().filter(|line| !line.is_empty()).collect();
    let [first, body @ .., last] = &*lines else { panic!("a key file has lines") };
    let mut der = STANDARD.decode(body.concat()).unwrap();
    let at = der.len() - from_end;
    der[at] ^= 1;
    format!("{first}\n{}\n{last}\n", STANDARD.encode(der))
}

#[test]
fn keys_come_from_files_and_a_missing_one_is_named() {
    let file = |name: &str| format!("{}/tests-data/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let keys = Keys::from_pem_file(Algorithm::Ed25519, file("ed25519")).unwrap();
    assert_eq!(keys.signing_kid(), signing_key(Algorithm::Ed25519).kid());
    assert!(VerifyingKey::from_pem_file(Algorithm::Rs256, file("rs256.pub")).is_ok());
    let secret = Keys::from_pem_file(Algorithm::Hs256, file("ed25519"));
    assert!(matches!(secret, Err(KeyError::Hs256HasNoPem)));
    let secret = VerifyingKey::from_pem_file(Algorithm::Hs256, file("ed25519.pub"));
    assert!(matches!(secret, Err(KeyError::Hs256HasNoPem)));
    let missing = Keys::from_pem_file(Algorithm::Ed25519, file("missing")).unwrap_err();
    assert!(missing.to_string().contains("missing.pem"), "{missing}");
    let missing = Keys::from_pem_env(Algorithm::Ed25519, "LOGOUT_ALL_NO_SUCH_KEY").unwrap_err();
    assert!(missing.to_string().contains("LOGOUT_ALL_NO_SUCH_KEY"), "{missing}");
    assert!(matches!(Keys::hs256_from_env("LOGOUT_ALL_NO_SUCH_KEY"), Err(KeyError::EnvMissing(_))));
}

#[test]
fn a_name_is_one_to_sixty_four_visible_characters() {
    let named = |kid: &str| signing_key(Algorithm::Hs256).with_kid(kid);
    for good in ["a", "\"\\{}", &"a".repeat(64)] {
        let codec = codec(Keys::new(named(good).unwrap()));
        assert!(!is_refused(&codec, &issued(&codec)), "{good}");
    }
    for bad in ["", "a b", "a\n", "é", "a\0", &"a".repeat(65)] {
        assert!(matches!(named(bad), Err(KeyError::Kid { .. })), "{bad:?}");
        assert!(VerifyingKey::hs256(SECRET).unwrap().with_kid(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn after_a_rotation_old_tokens_verify_until_their_key_is_forgotten() {
    for algorithm in ALL {
        let ring = Keys::new(signing_key(algorithm));
        let (codec, old_kid) = (codec(ring.clone()), ring.signing_kid());
        let old = issued(&codec);

        ring.sign_with(SigningKey::hs256(OTHER_SECRET).unwrap()).unwrap();
        let new = issued(&codec);
        assert_ne!(old, new);
        assert_eq!(ring.kids(), [ring.signing_kid(), old_kid.clone()]);
        assert!(!is_refused(&codec, &old) && !is_refused(&codec, &new), "{algorithm}");

        ring.forget(&old_kid).unwrap();
        assert!(is_refused(&codec, &old), "{algorithm}");
        assert!(!is_refused(&codec, &new), "{algorithm}");
        assert!(matches!(ring.forget(&old_kid), Err(KeyError::KidUnknown(_))));
    }
}

#[test]
fn the_signing_key_cannot_be_forgotten() {
    let ring = Keys::hs256(SECRET).unwrap();
    assert!(matches!(ring.forget(&ring.signing_kid()), Err(KeyError::KidSigns(_))));
    assert_eq!(ring.kids().len(), 1);
}

#[test]
fn a_node_that_was_told_first_verifies_before_anyone_signs() {
    let (old, new) = (signing_key(Algorithm::Hs256), signing_key(Algorithm::Ed25519));
    let (here, there) = (Keys::new(old.clone()), Keys::new(old));
    here.also_verify(new.verifying_key()).unwrap();
    there.also_verify(new.verifying_key()).unwrap();
    there.sign_with(new.clone()).unwrap();
    assert!(!is_refused(&codec(here.clone()), &issued(&codec(there))));
    here.sign_with(new).unwrap();
    assert_eq!(here.kids().len(), 2, "the same key is in the ring once");
}

#[test]
fn two_keys_under_one_name_are_refused() {
    let named = |secret: &[u8]| SigningKey::hs256(secret).unwrap().with_kid("a").unwrap();
    let ring = Keys::new(named(SECRET));
    let other = named(OTHER_SECRET);
    assert!(matches!(ring.also_verify(other.verifying_key()), Err(KeyError::KidTaken(_))));
    assert!(matches!(ring.sign_with(other), Err(KeyError::KidTaken(_))));
    let rsa = signing_key(Algorithm::Rs256).with_kid("a").unwrap();
    assert!(matches!(ring.sign_with(rsa), Err(KeyError::KidTaken(_))));
    assert!(ring.also_verify(named(SECRET).verifying_key()).is_ok(), "the same key is no other");
    assert!(!is_refused(&codec(ring.clone()), &issued(&codec(ring))));
}

/// "Only EC, OKP and RSA keys are ever exported."
#[test]
fn an_hmac_key_never_leaves() {
    let ring = Keys::hs256(SECRET).unwrap();
    assert_eq!(ring.jwks(), None);
    ring.sign_with(signing_key(Algorithm::Rs256)).unwrap();
    ring.also_verify(signing_key(Algorithm::Es256).verifying_key()).unwrap();
    ring.also_verify(signing_key(Algorithm::Ed25519).verifying_key().with_kid("\"x").unwrap())
        .unwrap();
    let text = ring.jwks().unwrap();
    let set: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys = set["keys"].as_array().unwrap();
    let kinds: Vec<_> = keys.iter().map(|key| key["kty"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["RSA", "EC", "OKP"]);
    assert_eq!(keys[2]["kid"], "\"x");
    for key in keys {
        assert_eq!(key["use"], "sig");
        assert!(key["kid"].is_string() && key["alg"].is_string());
        for secret_member in ["k", "d", "p", "q", "dp", "dq", "qi"] {
            assert!(key.get(secret_member).is_none(), "{text}");
        }
    }
    for form in forms_of(SECRET) {
        assert!(!text.contains(&form), "{text}");
    }
}

#[test]
fn no_key_shows_itself() {
    let ring = Keys::hs256(SECRET).unwrap();
    let refusals = [
        KeyError::TooShort { bytes: 3 },
        Keys::ed25519_from_pem(pem!("es256")).unwrap_err(),
        Keys::rs256_from_pem(damaged_rsa()).unwrap_err(),
    ];
    let keys = ALL.map(|algorithm| {
        let key = signing_key(algorithm);
        (key.verifying_key(), key)
    });
    let messages: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    let shown = format!("{ring:?} {keys:?} {refusals:?} {messages:?}");
    let mut hidden = forms_of(SECRET);
    for pem in [pem!("ed25519"), pem!("es256"), pem!("rs256")] {
        hidden.extend(pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
    }
    for hidden in hidden {
        assert!(!shown.contains(&hidden), "{shown}");
    }
}

/// A secret as a slip could write it: text, hexadecimal, base64, a list of numbers.
fn forms_of(secret: &[u8]) -> Vec<String> {
    let list = format!("{:?}", &secret[..4]);
    vec![
        String::from_utf8_lossy(&secret[..8]).into_owned(),
        secret[..8].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(),
        URL_SAFE_NO_PAD.encode(secret)[..16].to_owned(),
        list.trim_end_matches(']').to_owned(),
    ]
}

/// A private RSA key two of whose lines changed places.
fn damaged_rsa() -> String {
    let mut lines: Vec<&str> = pem!("rs256").lines().collect();
    lines.swap(10, 11);
    lines.join("\n")
}
