//! A key that is ready to verify. The only file that names `aws_lc_rs`.
//!
//! `jsonwebtoken` makes its verifier anew for each token, because the one that its provider hands
//! out cannot be shared between threads: for HS256 the key's own two blocks are then hashed again
//! each time, for RS256 the modulus prepared. This is the same provider, asked once for each key.

use aws_lc_rs::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RsaPublicKeyComponents,
    },
};

/// Verifies signatures of one algorithm and key. It has no `Debug`: of a secret nothing is shown.
pub(super) enum Verifier {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Verifier {
    /// HMAC with SHA-256.
    pub(super) fn hs256(secret: &[u8]) -> Self {
        Self::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Ed25519, from the 32 bytes of RFC 8032, section 5.1.5; none unless they are a key.
    pub(super) fn ed25519(x: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(&ED25519, x).ok().map(Self::Public)
    }

    /// ECDSA over P-256, from an uncompressed point; none unless it is on the curve.
    pub(super) fn es256(point: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok().map(Self::Public)
    }

    /// RSASSA-PKCS1-v1_5, from modulus and exponent; none unless they can be a key.
    pub(super) fn rs256(n: &[u8], e: &[u8]) -> Option<Self> {
        let key = RsaPublicKeyComponents { n, e };
        key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok().map(Self::Public)
    }

    /// Whether the signature over the message is this key's. An HMAC is compared in constant time.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}
