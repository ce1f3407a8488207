//! A payload exactly as [`claims::write`](super::claims::write) makes it, read in one pass: every
//! token of ours has this form, and one of another program that signs with our key need not.
//!
//! It takes only what, written again, is the same text. So it takes nothing that the general
//! reader would not, and the two never differ in what they read.

use super::{
    AppClaims, TokenClaims,
    claims::{Parties, times_hold},
    rest::Rest,
};
use crate::scheme::{Guid, RefTokId, UserId};

/// The claims; none if the form is another, or if the claims would be refused anyway.
pub(super) fn read(payload: &str, parties: &Parties) -> Option<TokenClaims> {
    let mut rest = Rest::of(payload);
    rest.literal(parties.before_sub())?;
    let user = rest.text()?;
    rest.literal(parties.after_sub())?;
    let issued_at = rest.natural()?;
    rest.literal(r#","exp":"#)?;
    let expires_at = rest.natural()?;
    rest.literal(r#","auth_time":"#)?;
    let auth_time = rest.natural()?;
    rest.literal(r#","guid":"#)?;
    let guid = rest.text()?;
    rest.literal(r#","refTokID":"#)?;
    let ref_tok_id = rest.text()?;
    let app = match rest.as_str() {
        "}" => AppClaims::none(),
        more => AppClaims::from_issued(more.strip_prefix(',')?.strip_suffix('}')?)?,
    };
    let claims = TokenClaims {
        user: UserId::of_text(user)?,
        guid: Guid::parse(guid)?,
        ref_tok_id: RefTokId::parse(ref_tok_id)?,
        issued_at,
        expires_at,
        auth_time,
        app,
    };
    times_hold(&claims).then_some(claims)
}
