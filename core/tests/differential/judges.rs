//! The two judges of a token, at the same second, and what their judgements must have in common.

use std::time::{Duration, UNIX_EPOCH};

use jsonwebtoken::{TokenData, Validation, decode_header, get_current_timestamp};
use logout_all::{
    scheme::Denied,
    token::{Freshness, Opened, TokenCodec},
};
use serde::Deserialize;

use crate::{
    claims::CLAIMS,
    json::Json,
    keys::{self, AUDIENCE, ISSUER, Key},
    rules::{AFTER_LEEWAY, AT_ITS_END, Audience, CLASSES, Seen},
};

/// Both judges, for one of the algorithms, and with the same leeway on `exp`.
pub(crate) struct Judges {
    keys: Vec<Key>,
    leeway: u64,
    without_audience: TokenCodec,
    with_audience: TokenCodec,
}

/// What became of a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Both take it.
    Taken,
    /// Neither does.
    Refused,
    /// We refuse it, or call it spent, for these reasons.
    Stricter(Vec<&'static str>),
}

/// Every claim of ours, typed, as a careful application would read them.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: u64,
    exp: u64,
    auth_time: u64,
    guid: String,
    #[serde(rename = "refTokID")]
    ref_tok_id: String,
}

impl Judges {
    pub(crate) fn new(own: usize, leeway: u64) -> Self {
        let keys = keys::all();
        let without_audience = keys::codec(&keys[own], &keys, None, leeway);
        let with_audience = keys::codec(&keys[own], &keys, Some(AUDIENCE), leeway);
        Self { keys, leeway, without_audience, with_audience }
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    pub(crate) fn codec(&self, audience: Audience) -> &TokenCodec {
        match audience {
            Audience::None => &self.without_audience,
            Audience::One => &self.with_audience,
        }
    }

    /// Panics if the judgements differ in any way that is no class.
    pub(crate) fn judge(&self, token: &[u8], audience: Audience) -> Judgement {
        // Their clock cannot be set: the second must be the same before and after.
        let (now, ours, theirs, in_time) = loop {
            let now = get_current_timestamp();
            let ours = self.codec(audience).open(token, UNIX_EPOCH + Duration::from_secs(now));
            let theirs = self.decode(token, audience, Exp::Ignored);
            let in_time =
                theirs.is_some() && self.decode(token, audience, Exp::Validated).is_some();
            if get_current_timestamp() == now {
                break (now, ours, theirs, in_time);
            }
        };
        let shown = || String::from_utf8_lossy(token).into_owned();
        let Some(theirs) = theirs else {
            assert!(ours.is_err(), "we take what jsonwebtoken refuses: {}", shown());
            return Judgement::Refused;
        };
        let seen = seen(token, audience);
        let broken: Vec<_> =
            CLASSES.iter().filter(|(_, is_in)| is_in(&seen)).map(|(name, _)| *name).collect();
        let opened = match ours {
            Err(denied) => {
                assert_eq!(denied, Denied::TokenInvalid);
                assert!(!broken.is_empty(), "no class has what we refuse: {}", shown());
                return Judgement::Stricter(broken);
            }
            Ok(opened) => opened,
        };
        assert!(broken.is_empty(), "we take it in spite of {broken:?}: {}", shown());
        says_the_same(&opened, &theirs, &seen.payload);
        let fresh = opened.freshness == Freshness::Fresh;
        match (fresh, in_time) {
            (true, true) => Judgement::Taken,
            (false, false) => Judgement::Refused,
            (false, true) if opened.claims.expires_at + self.leeway == now => {
                Judgement::Stricter(vec![if self.leeway == 0 { AT_ITS_END } else { AFTER_LEEWAY }])
            }
            _ => panic!("fresh to us: {fresh}, in time to jsonwebtoken: {in_time}, {}", shown()),
        }
    }

    fn decode(&self, token: &[u8], audience: Audience, exp: Exp) -> Option<TokenData<Claims>> {
        let kid = decode_header(token).ok()?.kid?;
        let key = self.keys.iter().find(|key| key.kid == kid)?;
        let mut validation = Validation::new(key.algorithm.as_str().parse().unwrap());
        validation.set_issuer(&[ISSUER]);
        match audience {
            Audience::None => validation.set_required_spec_claims(&["exp", "iss", "sub"]),
            Audience::One => {
                validation.set_audience(&[AUDIENCE]);
                validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
            }
        }
        validation.validate_nbf = true;
        validation.validate_exp = exp == Exp::Validated;
        validation.leeway = self.leeway;
        jsonwebtoken::decode(token, &key.theirs, &validation).ok()
    }
}

/// Whether `exp` counts: a token that is only past it we open as well.
#[derive(Clone, Copy, PartialEq)]
enum Exp {
    Validated,
    Ignored,
}

fn seen(token: &[u8], audience: Audience) -> Seen {
    let mut parts = token.split(|byte| *byte == b'.');
    let mut part = || Json::read(&keys::decode(parts.next()?)?);
    let (header, payload) = (part().unwrap(), part().unwrap());
    Seen { bytes: token.len(), header, payload, audience }
}

/// The claims are the same to both, and the application's are what is left.
fn says_the_same(opened: &Opened, theirs: &TokenData<Claims>, payload: &Json) {
    let (ours, theirs) = (&opened.claims, &theirs.claims);
    assert_eq!(ours.user.as_str(), theirs.sub);
    assert_eq!(ours.guid.to_string(), theirs.guid);
    assert_eq!(ours.ref_tok_id.expose().to_string(), theirs.ref_tok_id);
    let times = (ours.issued_at, ours.expires_at, ours.auth_time);
    assert_eq!(times, (theirs.iat, theirs.exp, theirs.auth_time));

    let rest = payload.members().iter();
    let rest = rest.filter(|(name, _)| !CLAIMS.contains(&name.as_deref().unwrap_or_default()));
    let app = Json::read(ours.app.to_json().as_bytes()).unwrap();
    assert_eq!(app, Json::Object(rest.cloned().collect()).sorted());
}
