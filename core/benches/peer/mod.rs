//! What ours is measured beside: `jsonwebtoken::decode` as an application without this library would
//! call it, every claim typed, with a key that is ready.

use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode};
use serde::{Deserialize, Serialize};

pub(crate) const ISSUER: &str = "https://app.example";
pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The application's own claims.
#[derive(Serialize)]
pub(crate) struct Role {
    role: &'static str,
}

pub(crate) const EDITOR: Role = Role { role: "editor" };

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is dropped")]
pub(crate) struct Claims {
    sub: String,
    iat: u64,
    exp: u64,
    auth_time: u64,
    guid: String,
    #[serde(rename = "refTokID")]
    ref_tok_id: String,
    role: String,
}

pub(crate) struct Peer {
    key: DecodingKey,
    validation: Validation,
}

impl Peer {
    pub(crate) fn hs256() -> Self {
        Self::new(Algorithm::HS256, DecodingKey::from_secret(SECRET))
    }

    pub(crate) fn new(algorithm: Algorithm, key: DecodingKey) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = 0;
        Self { key, validation }
    }

    pub(crate) fn decode(&self, token: &str) -> TokenData<Claims> {
        decode(token, &self.key, &self.validation).unwrap()
    }
}
