//! The application's own claims.

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    json::{self, Fault, MAX_DEPTH, Members},
    rest::Rest,
};
use crate::scheme::Usage;

/// The names that the library sets, or must never set (RFC 7519, section 4.1, and
/// `docs/scheme.md`).
const RESERVED: [&str; 10] =
    ["iss", "sub", "aud", "iat", "exp", "nbf", "jti", "guid", "refTokID", "auth_time"];

/// What the application adds to the token: small things that the client or an offline verifier
/// may read. JSON inside, typed on demand, cheap to clone; not shown in `Debug`.
///
/// Kept sorted by name, so that the same claims always make the same token.
///
/// ```
/// use logout_all::token::AppClaims;
/// # #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
/// struct Claims { role: String }
/// let claims = AppClaims::from_value(&Claims { role: "editor".into() })?;
/// assert_eq!(claims.get::<Claims>()?.role, "editor");
/// assert!(AppClaims::from_value(&())?.is_empty());
/// # Ok::<(), logout_all::Usage>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AppClaims {
    /// What stands between the braces of an object that is not empty: as in a payload, whose
    /// text can be kept as it is.
    members: Option<Arc<str>>,
}

impl AppClaims {
    /// No claims.
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes what serialises to a JSON object, or to null (`()`, `None`) for no claims.
    ///
    /// # Errors
    /// [`Usage::ReservedClaim`] for a name that the library sets; [`Usage::ClaimsNotAnObject`]
    /// for anything but an object, for a name that stands twice, and beyond 32 levels.
    pub fn from_value(value: &(impl Serialize + ?Sized)) -> Result<Self, Usage> {
        let not_an_object =
            |why: &dyn fmt::Display| Usage::ClaimsNotAnObject(why.to_string().into());
        let text = serde_json::to_string(value).map_err(|why| not_an_object(&why))?;
        if text == "null" {
            return Ok(Self::none());
        }
        let members = json::members(&text).map_err(|why| not_an_object(&why))?;
        if let Some(name) = reserved_in(&members) {
            return Err(Usage::ReservedClaim(name.into()));
        }
        Self::from_members(&members).map_err(|why| not_an_object(&why))
    }

    /// What is left of a payload when the library's own claims are taken out of it.
    pub(super) fn from_payload(rest: &Members<'_>) -> Option<Self> {
        if reserved_in(rest).is_some() {
            return None;
        }
        Self::from_members(rest).ok()
    }

    /// What follows the library's own claims in a payload of ours; none if it is not what we would
    /// write, and so for [`from_payload`](Self::from_payload) to judge.
    pub(super) fn from_issued(members: &str) -> Option<Self> {
        let mut rest = Rest::of(members);
        let mut before = None;
        loop {
            let name = rest.member(before, MAX_DEPTH - 1)?;
            if RESERVED.contains(&name) {
                return None;
            }
            before = Some(name);
            if rest.as_str().is_empty() {
                return Some(Self { members: Some(members.into()) });
            }
            rest.literal(",")?;
        }
    }

    /// The claims as the application's type. A token without claims fits `()`, an `Option`, and a
    /// struct all of whose fields have defaults: one that was signed before the application had
    /// any claims stays readable.
    ///
    /// # Errors
    /// [`Usage::WrongType`] if they do not fit.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, Usage> {
        let read = match &self.members {
            Some(_) => serde_json::from_str(&self.to_json()),
            None => serde_json::from_str("null").or_else(|_| serde_json::from_str("{}")),
        };
        read.map_err(|why| Usage::wrong_type("claims", &why))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_none()
    }

    /// The claims as a JSON object, `{}` if there are none.
    pub fn to_json(&self) -> String {
        format!("{{{}}}", self.members.as_deref().unwrap_or_default())
    }

    /// The claims as they follow others in a payload: `,"a":1`, or nothing.
    pub(super) fn as_more_members(&self) -> String {
        self.members.as_deref().map_or_else(String::new, |members| format!(",{members}"))
    }

    /// How many bytes of the payload they take.
    pub(crate) fn bytes(&self) -> usize {
        self.members.as_deref().map_or(0, |members| members.len() + "{}".len())
    }

    fn from_members(members: &Members<'_>) -> Result<Self, Fault> {
        if members.is_empty() {
            return Ok(Self::none());
        }
        let mut text = String::new();
        json::write_members(members, MAX_DEPTH - 1, &mut text)?;
        Ok(Self { members: Some(text.into()) })
    }
}

fn reserved_in(members: &Members<'_>) -> Option<&'static str> {
    RESERVED.into_iter().find(|name| members.contains_key(*name))
}

impl fmt::Debug for AppClaims {
    /// They may name people, and what they say is the application's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppClaims({} bytes)", self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Claims {
        role: String,
        #[serde(default)]
        scopes: Vec<String>,
    }

    #[test]
    fn claims_come_back_as_they_went_in() {
        let claims = Claims { role: "éditor \"x\"".into(), scopes: vec!["a".into()] };
        let kept = AppClaims::from_value(&claims).unwrap();
        assert_eq!(kept.get::<Claims>().unwrap(), claims);
        assert_eq!(kept.to_json(), r#"{"role":"éditor \"x\"","scopes":["a"]}"#);
        assert!(matches!(kept.get::<u64>(), Err(Usage::WrongType { what: "claims", .. })));
        assert!(!format!("{kept:?}").contains("ditor"));
    }

    #[test]
    fn no_claims_are_unit_an_option_or_a_struct_of_defaults() {
        #[derive(Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        struct Later {
            role: String,
        }
        for none in [
            AppClaims::none(),
            AppClaims::from_value(&()).unwrap(),
            AppClaims::from_value(&None::<Claims>).unwrap(),
            AppClaims::from_value(&json!({})).unwrap(),
        ] {
            assert!(none.is_empty());
            assert_eq!(none.to_json(), "{}");
            assert_eq!(none.get::<()>(), Ok(()));
            assert_eq!(none.get::<Option<Claims>>(), Ok(None));
            assert_eq!(none.get::<Later>(), Ok(Later::default()));
            assert!(none.get::<Claims>().is_err());
        }
    }

    #[test]
    fn a_reserved_name_is_an_error_that_names_it() {
        for name in RESERVED {
            let refusal = AppClaims::from_value(&json!({ name: 1, "a": 2 })).unwrap_err();
            assert_eq!(refusal, Usage::ReservedClaim(name.into()));
        }
        assert!(AppClaims::from_value(&json!({ "a": { "sub": 1 } })).is_ok(), "only at the top");
    }

    #[test]
    fn what_is_not_an_object_is_an_error() {
        for value in [json!(1), json!("a"), json!([{ "a": 1 }]), json!(true)] {
            let refusal = AppClaims::from_value(&value).unwrap_err();
            assert!(matches!(refusal, Usage::ClaimsNotAnObject(_)), "{refusal:?}");
        }
        let no_text_keys = HashMap::from([(vec![1], 1)]);
        assert!(matches!(AppClaims::from_value(&no_text_keys), Err(Usage::ClaimsNotAnObject(_))));
    }

    #[test]
    fn a_name_that_stands_twice_is_an_error() {
        #[derive(Serialize)]
        struct Twice {
            a: u8,
            #[serde(flatten)]
            more: HashMap<&'static str, u8>,
        }
        let twice = Twice { a: 1, more: HashMap::from([("a", 2)]) };
        assert!(matches!(AppClaims::from_value(&twice), Err(Usage::ClaimsNotAnObject(_))));
    }

    #[test]
    fn more_than_thirty_two_levels_are_an_error_that_says_so() {
        let nested =
            |levels: usize| (1..levels).fold(json!({ "a": 1 }), |inner, _| json!({ "a": inner }));
        assert!(AppClaims::from_value(&nested(32)).is_ok());
        let refusal = AppClaims::from_value(&nested(33)).unwrap_err();
        assert!(refusal.to_string().contains("32 levels"), "{refusal}");
    }
}
