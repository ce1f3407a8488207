//! Our rules beyond `jsonwebtoken`'s, each a class of difference: a token that `jsonwebtoken` takes
//! and we refuse breaks one of them at least, and one that breaks none we take. The names are
//! those of the table in `docs/security.md`, which has the reasons.

use std::collections::HashSet;

use crate::{json::Json, keys::AUDIENCE};

/// A token that `jsonwebtoken` took.
pub(crate) struct Seen {
    /// Its length.
    pub(crate) bytes: usize,
    pub(crate) header: Json,
    pub(crate) payload: Json,
    pub(crate) audience: Audience,
}

/// What is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    None,
    One,
}

/// A name, and whether a token is in the class.
pub(crate) type Class = (&'static str, fn(&Seen) -> bool);

pub(crate) const CLASSES: [Class; 14] = [
    ("more than 4096 bytes", |seen| seen.bytes > 4096),
    ("another header parameter", |seen| {
        let known = |name: &Option<String>| matches!(name.as_deref(), Some("alg" | "typ" | "kid"));
        !seen.header.members().iter().all(|(name, _)| known(name))
    }),
    ("another `typ`, or none", |seen| text(&seen.header, "typ") != Some("JWT")),
    ("`alg` that is no text", |seen| text(&seen.header, "alg").is_none()),
    ("a name that stands twice", |seen| seen.payload.any(names_one_twice)),
    ("text that is no Unicode", |seen| seen.payload.any(is_no_unicode)),
    ("more than 32 levels", |seen| seen.payload.depth() > 32),
    ("a time of 2^53 or above", |seen| {
        ["iat", "exp", "auth_time"].iter().any(|name| time(seen, name).is_none())
    }),
    ("`exp` that is not after `iat`", |seen| number(seen, "exp") <= number(seen, "iat")),
    ("`iss` as a list", |seen| text(&seen.payload, "iss").is_none()),
    ("`aud` that is not as configured", |seen| match seen.audience {
        Audience::None => seen.payload.get("aud").is_some(),
        Audience::One => text(&seen.payload, "aud") != Some(AUDIENCE),
    }),
    ("`nbf` or `jti`", |seen| ["nbf", "jti"].iter().any(|name| seen.payload.get(name).is_some())),
    ("`sub` that is no user id", |seen| {
        let sub = text(&seen.payload, "sub").unwrap_or_default();
        !(1..=255).contains(&sub.len()) || sub.chars().any(char::is_control)
    }),
    ("`guid` or `refTokID` in another form", |seen| {
        ["guid", "refTokID"].iter().any(|name| !text(&seen.payload, name).is_some_and(is_canonical))
    }),
];

/// Judged apart from the others: we take such a token as spent.
pub(crate) const AT_ITS_END: &str = "`exp` that is now";
/// The same, where a leeway is configured.
pub(crate) const AFTER_LEEWAY: &str = "`exp` that is now with the leeway";

fn text<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object.get(name)?.text()
}

fn number(seen: &Seen, name: &str) -> Option<u64> {
    let Json::Plain(digits) = seen.payload.get(name)? else { return None };
    digits.parse().ok()
}

fn time(seen: &Seen, name: &str) -> Option<u64> {
    number(seen, name).filter(|time| *time < 1 << 53)
}

fn names_one_twice(value: &Json) -> bool {
    let names: HashSet<_> = value.members().iter().map(|(name, _)| name).collect();
    names.len() < value.members().len()
}

fn is_no_unicode(value: &Json) -> bool {
    *value == Json::Text(None) || value.members().iter().any(|(name, _)| name.is_none())
}

fn is_canonical(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok_and(|uuid| !uuid.is_nil() && uuid.to_string() == text)
}
