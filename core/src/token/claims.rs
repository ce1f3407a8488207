//! The claims of a token, typed, and their one form as a payload (RFC 7519, section 4).

use super::{
    AppClaims, issued,
    json::{self, MAX_NATURAL, quoted},
};
use crate::scheme::{Guid, RefTokId, UserId};

/// What one token says. Times are whole seconds since 1970, from the store's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// Whose session (`sub`).
    pub user: UserId,
    /// Which session (`guid`).
    pub guid: Guid,
    /// Which token of it (`refTokID`).
    pub ref_tok_id: RefTokId,
    /// When it was made (`iat`). Never compared with a node's clock.
    pub issued_at: u64,
    /// From when on it is spent (`exp`).
    pub expires_at: u64,
    /// When the user last signed in (`auth_time`, `OpenID` Connect Core, section 2).
    pub auth_time: u64,
    /// The application's own.
    pub app: AppClaims,
}

/// Whose tokens these are: `iss`, and `aud` if there is one; with the text that stands around the
/// user id in each of their payloads.
#[derive(Debug)]
pub(super) struct Parties {
    issuer: String,
    audience: Option<String>,
    before_sub: String,
    after_sub: String,
}

impl Parties {
    pub(super) fn new(issuer: &str, audience: Option<&str>) -> Self {
        let aud = audience.map(|aud| format!(r#","aud":{}"#, quoted(aud))).unwrap_or_default();
        Self {
            issuer: issuer.to_owned(),
            audience: audience.map(str::to_owned),
            before_sub: format!(r#"{{"iss":{},"sub":"#, quoted(issuer)),
            after_sub: format!(r#"{aud},"iat":"#),
        }
    }

    pub(super) fn before_sub(&self) -> &str {
        &self.before_sub
    }

    pub(super) fn after_sub(&self) -> &str {
        &self.after_sub
    }
}

/// Whether [`read`] would take these times back.
pub(super) fn times_hold(claims: &TokenClaims) -> bool {
    let TokenClaims { issued_at, expires_at, auth_time, .. } = claims;
    issued_at < expires_at && *expires_at <= MAX_NATURAL && *auth_time <= MAX_NATURAL
}

/// The payload: always the same order, so that the same claims make the same token where the
/// algorithm is deterministic.
pub(super) fn write(claims: &TokenClaims, parties: &Parties) -> String {
    let TokenClaims { user, guid, ref_tok_id, issued_at, expires_at, auth_time, app } = claims;
    let Parties { before_sub, after_sub, .. } = parties;
    let sub = quoted(user.as_str());
    let ref_tok_id = ref_tok_id.expose().hyphenated();
    let app = app.as_more_members();
    let times = format!(r#"{issued_at},"exp":{expires_at},"auth_time":{auth_time}"#);
    let ids = format!(r#""guid":"{guid}","refTokID":"{ref_tok_id}""#);
    format!("{before_sub}{sub}{after_sub}{times},{ids}{app}}}")
}

/// Reads a payload whose signature has been verified. None unless we could have written it: every
/// claim there, of its type and once, `aud` if and only if it is configured and then this one
/// string, no `nbf` and no `jti`. Whether it is spent is another question.
pub(super) fn read(payload: &str, parties: &Parties) -> Option<TokenClaims> {
    issued::read(payload, parties).or_else(|| read_any(payload, parties))
}

/// The same claims in any order, with white space and escapes.
pub(super) fn read_any(payload: &str, parties: &Parties) -> Option<TokenClaims> {
    let mut members = json::members(payload).ok()?;
    let mut take = |name| members.remove(name);

    let iss = take("iss").and_then(json::text)?;
    let aud = match take("aud") {
        Some(aud) => Some(json::text(aud)?),
        None => None,
    };
    if iss != parties.issuer || aud != parties.audience {
        return None;
    }
    let user = take("sub").and_then(json::text)?;
    let guid = take("guid").and_then(json::text)?;
    let ref_tok_id = take("refTokID").and_then(json::text)?;
    let issued_at = take("iat").and_then(json::natural)?;
    let expires_at = take("exp").and_then(json::natural)?;
    let auth_time = take("auth_time").and_then(json::natural)?;

    let claims = TokenClaims {
        user: UserId::of_text(&user)?,
        guid: Guid::parse(&guid)?,
        ref_tok_id: RefTokId::parse(&ref_tok_id)?,
        issued_at,
        expires_at,
        auth_time,
        app: AppClaims::from_payload(&members)?,
    };
    times_hold(&claims).then_some(claims)
}
