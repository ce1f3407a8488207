//! The keys that both sides have, each with its id, and those of somebody who has none of them.

use std::time::Duration;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::DecodingKey;
use logout_all::token::{Algorithm, Keys, SigningKey, TokenCodec};

pub(crate) const ISSUER: &str = "https://app.example";
pub(crate) const AUDIENCE: &str = "api";

/// Half of the tokens are judged with none, and half with these seconds after `exp`.
pub(crate) const LEEWAY: u64 = 60;

/// A key file that was made for tests.
macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../tests-data/", $name, ".pem"))
    };
}

/// One key, as each side needs it.
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) signer: Signer,
    /// The one that `jsonwebtoken` verifies with.
    pub(crate) theirs: DecodingKey,
    /// The one that we sign with.
    ours: SigningKey,
}

/// Signs what the library never would, with the provider itself.
pub(crate) enum Signer {
    Hmac(Box<hmac::Key>),
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    pub(crate) fn hmac(secret: &[u8]) -> Self {
        Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
            Self::Ecdsa(key) => key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// One of each algorithm, and a second secret.
pub(crate) fn all() -> Vec<Key> {
    let (ed25519, es256, rs256) = (pem!("ed25519"), pem!("es256"), pem!("rs256"));
    let es256_der = der(es256);
    let asymmetric = [
        (
            SigningKey::ed25519_from_pem(ed25519),
            Signer::Ed25519(Ed25519KeyPair::from_pkcs8(&der(ed25519)).unwrap()),
            DecodingKey::from_ed_pem(pem!("ed25519.pub").as_bytes()),
        ),
        (
            SigningKey::es256_from_pem(es256),
            Signer::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &es256_der).unwrap(),
            ),
            DecodingKey::from_ec_pem(pem!("es256.pub").as_bytes()),
        ),
        (
            SigningKey::rs256_from_pem(rs256),
            Signer::Rsa(RsaKeyPair::from_pkcs8(&der(rs256)).unwrap()),
            DecodingKey::from_rsa_pem(pem!("rs256.pub").as_bytes()),
        ),
    ];
    let secrets: [&[u8]; 2] =
        [b"0123456789abcdef0123456789abcdef", b"fedcba9876543210fedcba9876543210"];
    let symmetric = secrets.map(|secret| {
        let theirs = Ok(DecodingKey::from_secret(secret));
        (SigningKey::hs256(secret), Signer::hmac(secret), theirs)
    });
    let all = symmetric.into_iter().chain(asymmetric).map(|(ours, signer, theirs)| {
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        let kid = ours.kid().to_owned();
        Key { kid, algorithm: ours.algorithm(), signer, theirs, ours }
    });
    all.collect()
}

/// What an attacker knows of the public keys, as secrets.
pub(crate) fn public_bytes(keys: &[Key]) -> Vec<Vec<u8>> {
    let pems = [pem!("ed25519.pub"), pem!("es256.pub"), pem!("rs256.pub"), pem!("rs256.pkcs1.pub")];
    let mut all: Vec<Vec<u8>> = pems.map(|pem| pem.as_bytes().to_vec()).into();
    all.extend(pems.map(|pem| pem.trim_end().as_bytes().to_vec()));
    all.extend(pems.map(der));
    all.extend(keys.iter().filter_map(|key| ring(&key.ours, &[]).jwks().map(String::into_bytes)));
    all
}

/// Signs with one, verifies with all.
pub(crate) fn codec(own: &Key, all: &[Key], audience: Option<&str>, leeway: u64) -> TokenCodec {
    let leeway = Duration::from_secs(leeway);
    TokenCodec::new(ring(&own.ours, all), ISSUER, audience, leeway).unwrap()
}

fn ring(own: &SigningKey, all: &[Key]) -> Keys {
    let ring = Keys::new(own.clone());
    for key in all {
        ring.also_verify(key.ours.verifying_key()).unwrap();
    }
    ring
}

pub(crate) fn encode(part: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

pub(crate) fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn der(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(lines).unwrap()
}
