//! Keys and signing. The only file of the core that names `jsonwebtoken`, and it uses no more of it
//! than the parts of a key and one signature over given bytes: its header, claims and validation
//! are laxer than `docs/security.md` allows.
//!
//! The provider is called directly and never through the process-wide default: which one that is
//! depends on the features and the start-up code of every other crate in the program, and with an
//! unlucky combination it panics at the first token.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm as JwtAlgorithm, EncodingKey,
    crypto::{CryptoProvider, KeyUtils, aws_lc},
    jwk::{EllipticCurve, ThumbprintHash},
};

use super::{
    Algorithm, KeyError, json,
    pem::{Form, Pem},
    verifier::Verifier,
};

static PROVIDER: &CryptoProvider = &aws_lc::DEFAULT_PROVIDER;
const UTILS: &KeyUtils = &PROVIDER.key_utils;

/// What an HMAC secret signs to get its name: it tells secrets apart and nothing about them.
const FINGERPRINT_LABEL: &[u8] = b"logout-all: key id of an HS256 secret";

/// A key that signs, with what verifies its signatures.
pub(super) struct PrivateKey {
    key: EncodingKey,
    public: Arc<PublicKey>,
}

/// A key that verifies; for HS256 the same secret.
pub(super) struct PublicKey {
    verifier: Verifier,
    algorithm: Algorithm,
    /// The canonical JWK of RFC 7638, section 3; none for a secret, which is never exported.
    jwk: Option<String>,
    /// Names the key and, unlike a `kid`, always says whether two keys are the same.
    fingerprint: [u8; 32],
}

impl PrivateKey {
    /// An HMAC secret.
    pub(super) fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        let public = PublicKey::hs256(secret)?;
        Self::proven(EncodingKey::from_secret(secret), public)
    }

    /// A private key in PEM form.
    pub(super) fn from_pem(algorithm: Algorithm, text: &[u8]) -> Result<Self, KeyError> {
        let pem = Pem::private(text, algorithm)?;
        let key = match (algorithm, pem.form) {
            (Algorithm::Rs256, Form::RsaPrivate) => EncodingKey::from_rsa_der(&pem.der),
            (Algorithm::Rs256, _) => EncodingKey::from_rsa_pem(pem.text).map_err(|_| DAMAGED)?,
            (Algorithm::Ed25519, _) => EncodingKey::from_ed_der(&pem.der),
            (Algorithm::Es256, _) => EncodingKey::from_ec_der(&pem.der),
            (Algorithm::Hs256, _) => return Err(KeyError::Hs256HasNoPem),
        };
        let public = PublicKey::of(algorithm, &key)?;
        Self::proven(key, public)
    }

    /// One signature, verified: a key or a provider that does not work is an error at start-up.
    fn proven(key: EncodingKey, public: PublicKey) -> Result<Self, KeyError> {
        const PROBE: &[u8] = b"logout-all: does this key sign?";
        let (algorithm, key) = (public.algorithm, Self { key, public: Arc::new(public) });
        let works = key.sign(PROBE).is_some_and(|signature| key.public.verify(PROBE, &signature));
        if works { Ok(key) } else { Err(KeyError::CannotSign { algorithm }) }
    }

    pub(super) fn public(&self) -> &Arc<PublicKey> {
        &self.public
    }

    /// The signature, or none if the provider failed (ES256 and RS256 need random numbers).
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        sign(&self.key, self.public.algorithm, message)
    }
}

impl PublicKey {
    /// An HMAC secret: at least as long as the hash (RFC 7518, section 3.2), and not a filler.
    pub(super) fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < 32 {
            return Err(KeyError::TooShort { bytes: secret.len() });
        }
        if secret.windows(2).all(|pair| pair[0] == pair[1]) {
            return Err(KeyError::Uniform);
        }
        let algorithm = Algorithm::Hs256;
        let mac = sign(&EncodingKey::from_secret(secret), algorithm, FINGERPRINT_LABEL);
        let fingerprint =
            mac.and_then(|mac| mac.try_into().ok()).ok_or(KeyError::CannotSign { algorithm })?;
        Ok(Self { verifier: Verifier::hs256(secret), algorithm, jwk: None, fingerprint })
    }

    /// A public key in PEM form.
    pub(super) fn from_pem(algorithm: Algorithm, text: &[u8]) -> Result<Self, KeyError> {
        // SPKI up to the key itself: one curve, uncompressed, nothing after it.
        const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
        const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                              \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
        let pem = Pem::public(text, algorithm)?;
        match algorithm {
            Algorithm::Hs256 => Err(KeyError::Hs256HasNoPem),
            Algorithm::Ed25519 => match pem.der.strip_prefix(ED25519) {
                Some(x) if x.len() == 32 => Self::ed25519(x),
                _ => Err(DAMAGED),
            },
            Algorithm::Es256 => match pem.der.strip_prefix(P256) {
                Some(point) if point.len() == 64 => Self::es256(&point[..32], &point[32..]),
                Some(_) => Err(DAMAGED),
                None => Err(KeyError::Pem("the key must be an uncompressed point")),
            },
            Algorithm::Rs256 => {
                let (n, e) = (UTILS.rsa_pub_components_from_public_key)(&pem.der)
                    .map_err(|why| rsa_rejection(&why))?;
                Self::rs256(&n, &e)
            }
        }
    }

    /// What belongs to a private key.
    fn of(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, KeyError> {
        let der = key.as_bytes();
        match algorithm {
            Algorithm::Hs256 => Self::hs256(der),
            Algorithm::Ed25519 => {
                let curve = &EllipticCurve::Ed25519;
                let x = (UTILS.ed_pub_components_from_private_key)(der, curve);
                Self::ed25519(&x.map_err(|_| DAMAGED)?)
            }
            Algorithm::Es256 => {
                let parts = (UTILS.ec_pub_components_from_private_key)(der, JwtAlgorithm::ES256);
                let (_, x, y) = parts.map_err(|_| DAMAGED)?;
                Self::es256(&x, &y)
            }
            Algorithm::Rs256 => {
                let (n, e) = (UTILS.rsa_pub_components_from_private_key)(der)
                    .map_err(|why| rsa_rejection(&why))?;
                Self::rs256(&n, &e)
            }
        }
    }

    fn ed25519(x: &[u8]) -> Result<Self, KeyError> {
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x));
        Self::exportable(Verifier::ed25519(x), Algorithm::Ed25519, jwk)
    }

    fn es256(x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let point = [&[4], x, y].concat();
        let (x, y) = (encode(x), encode(y));
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Self::exportable(Verifier::es256(&point), Algorithm::Es256, jwk)
    }

    fn rs256(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let leading = n.first().map_or(8, |byte| byte.leading_zeros() as usize);
        if !(2048..=8192).contains(&(n.len() * 8).saturating_sub(leading)) {
            return Err(KeyError::RsaSize);
        }
        let jwk = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n));
        Self::exportable(Verifier::rs256(n, e), Algorithm::Rs256, jwk)
    }

    fn exportable(
        verifier: Option<Verifier>,
        algorithm: Algorithm,
        jwk: String,
    ) -> Result<Self, KeyError> {
        let verifier = verifier.ok_or(DAMAGED)?;
        let fingerprint = sha256(&jwk).ok_or(KeyError::CannotSign { algorithm })?;
        Ok(Self { verifier, algorithm, jwk: Some(jwk), fingerprint })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name of a key that was given none: the thumbprint of RFC 7638; of a secret's
    /// fingerprint 8 bytes are enough to tell the few keys of one ring apart.
    pub(super) fn default_kid(&self) -> String {
        match self.jwk {
            Some(_) => encode(&self.fingerprint),
            None => encode(&self.fingerprint[..8]),
        }
    }

    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.fingerprint == other.fingerprint
    }

    /// The key as one member of a JWK set (RFC 7517, section 4); none for a secret.
    pub(super) fn jwk(&self, kid: &str) -> Option<String> {
        let (algorithm, kid) = (self.algorithm, json::quoted(kid));
        let members = self.jwk.as_ref()?.strip_prefix('{')?;
        Some(format!(r#"{{"kid":{kid},"alg":"{algorithm}","use":"sig",{members}"#))
    }

    /// Whether the signature over the message is this key's.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify(message, signature)
    }
}

const DAMAGED: KeyError = KeyError::Pem("the key inside is damaged");

/// The provider's errors quote no part of a key, and these words are all that tells them apart.
fn rsa_rejection(why: &jsonwebtoken::errors::Error) -> KeyError {
    let why = why.to_string();
    let size = why.contains("TooSmall") || why.contains("TooLarge");
    if size { KeyError::RsaSize } else { DAMAGED }
}

fn sign(key: &EncodingKey, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
    (PROVIDER.signer_factory)(&jwt(algorithm), key).ok()?.try_sign(message).ok()
}

fn sha256(text: &str) -> Option<[u8; 32]> {
    let digest = (UTILS.compute_digest)(text.as_bytes(), ThumbprintHash::SHA256).ok()?;
    digest.try_into().ok()
}

fn jwt(algorithm: Algorithm) -> JwtAlgorithm {
    match algorithm {
        Algorithm::Hs256 => JwtAlgorithm::HS256,
        Algorithm::Ed25519 => JwtAlgorithm::EdDSA,
        Algorithm::Es256 => JwtAlgorithm::ES256,
        Algorithm::Rs256 => JwtAlgorithm::RS256,
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_does_not_verify_its_own_signature_is_refused() {
        let secrets = [*b"0123456789abcdef0123456789abcdef", *b"fedcba9876543210fedcba9876543210"];
        let proven = |signs: usize, verifies: usize| {
            let public = PublicKey::hs256(&secrets[verifies]).unwrap();
            PrivateKey::proven(EncodingKey::from_secret(&secrets[signs]), public).map(drop)
        };
        assert!(proven(0, 0).is_ok());
        let algorithm = Algorithm::Hs256;
        assert!(
            matches!(proven(0, 1), Err(KeyError::CannotSign { algorithm: a }) if a == algorithm)
        );

        let public = PublicKey::hs256(&secrets[0]).unwrap();
        let of_another_kind = PrivateKey::proven(EncodingKey::from_ed_der(&secrets[0]), public);
        assert!(matches!(of_another_kind.map(drop), Err(KeyError::CannotSign { .. })));
    }
}
