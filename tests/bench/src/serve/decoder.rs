//! `jsonwebtoken::decode`, as an application without this library calls it.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use uuid::Uuid;

use crate::world::{ISSUER, SECRET};

/// What stands in a token, typed.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    pub(super) guid: Uuid,
    #[serde(rename = "refTokID")]
    pub(super) ref_tok_id: Uuid,
}

pub(super) struct Decoder {
    key: DecodingKey,
    validation: Validation,
}

impl Decoder {
    pub(super) fn new() -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        Self { key: DecodingKey::from_secret(SECRET), validation }
    }

    /// The claims of an `Authorization` value.
    pub(super) fn claims(&self, authorization: &[u8]) -> Option<Claims> {
        let token = authorization.strip_prefix(b"Bearer ")?;
        Some(decode::<Claims>(token, &self.key, &self.validation).ok()?.claims)
    }
}
