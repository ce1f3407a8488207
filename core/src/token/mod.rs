//! The token: keys, header, claims and signature. This folder knows the scheme's ids and nothing
//! of stores, sessions or HTTP; a token that it opens is authentic, and only the store says
//! whether it still holds.

mod algorithm;
mod app_claims;
mod claims;
mod codec;
mod header;
mod issued;
mod json;
mod jwt;
mod key;
mod key_error;
mod keys;
mod pem;
mod rest;
mod source;
mod verifier;

#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use app_claims::AppClaims;
pub use claims::TokenClaims;
pub use codec::{Freshness, IssueError, MAX_TOKEN_BYTES, Opened, Token, TokenCodec};
pub use key::{SigningKey, VerifyingKey};
pub use key_error::KeyError;
pub use keys::Keys;
