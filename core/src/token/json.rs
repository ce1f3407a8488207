//! JSON as strictly as a token needs it: each name once at every level, bounded depth, integers
//! that are integers. Values stay the text that they are, so that nothing is rounded on the way
//! and no feature that another crate turns on in `serde_json` changes what is accepted.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// How deep claims may nest; the payload itself is the first level.
pub(super) const MAX_DEPTH: usize = 32;

/// The members of one object, each with its unparsed value.
pub(super) type Members<'a> = BTreeMap<String, &'a RawValue>;

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("this is not an object that names each of its members once")]
    NotAnObject,
    #[error("they nest deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("this is not JSON")]
    NotJson,
}

/// Reads a text that is one object and nothing else. Values are skipped without recursion,
/// however deep they are.
pub(super) fn members(text: &str) -> Result<Members<'_>, Fault> {
    serde_json::from_str(text).map(|Unique(members)| members).map_err(|_| Fault::NotAnObject)
}

/// A string's content.
pub(super) fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// A count that every JSON reader understands exactly (RFC 7493, section 2.2): digits alone, below
/// 2^53. So no sign, no fraction, no exponent.
pub(super) fn natural(value: &RawValue) -> Option<u64> {
    let digits = value.get();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| *number <= MAX_NATURAL)
}

/// The largest [`natural`] number.
pub(super) const MAX_NATURAL: u64 = (1 << 53) - 1;

/// A string as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes an object with its members in the order of their names at every level and without white
/// space: one text for one set of claims, whatever map it came from.
fn write_object(members: &Members<'_>, levels: usize, out: &mut String) -> Result<(), Fault> {
    let inner = levels.checked_sub(1).ok_or(Fault::TooDeep)?;
    out.push('{');
    write_members(members, inner, out)?;
    out.push('}');
    Ok(())
}

/// What stands between the braces; each value has at most as many levels.
pub(super) fn write_members(
    members: &Members<'_>,
    levels: usize,
    out: &mut String,
) -> Result<(), Fault> {
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&quoted(name));
        out.push(':');
        write(value, levels, out)?;
    }
    Ok(())
}

fn write(value: &RawValue, levels: usize, out: &mut String) -> Result<(), Fault> {
    match value.get().as_bytes().first() {
        Some(b'{') => write_object(&members(value.get())?, levels, out),
        Some(b'[') => {
            let inner = levels.checked_sub(1).ok_or(Fault::TooDeep)?;
            let elements: Vec<&RawValue> =
                serde_json::from_str(value.get()).map_err(|_| Fault::NotJson)?;
            out.push('[');
            for (at, element) in elements.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(element, inner, out)?;
            }
            out.push(']');
            Ok(())
        }
        // Skipping a string does not look at its escapes: a lone surrogate is found only here.
        Some(b'"') if text(value).is_none() => Err(Fault::NotJson),
        _ => {
            out.push_str(value.get());
            Ok(())
        }
    }
}

/// An object with each name once. A derived `Deserialize` would take an array for it as well, and
/// a map the last of two equal names.
struct Unique<'a>(Members<'a>);

impl<'de> Deserialize<'de> for Unique<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Unique(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> Result<String, Fault> {
        let mut out = String::new();
        write_object(&members(text)?, MAX_DEPTH, &mut out)?;
        Ok(out)
    }

    #[test]
    fn one_set_of_members_has_one_text_and_numbers_keep_theirs() {
        let text = r#" {"b": [1.10, {"z":1, "a":"\u0041"}], "a" : 340282366920938463463374607431768211455} "#;
        let sorted =
            r#"{"a":340282366920938463463374607431768211455,"b":[1.10,{"a":"\u0041","z":1}]}"#;
        assert_eq!(rewritten(text).as_deref(), Ok(sorted));
        assert_eq!(rewritten(sorted).as_deref(), Ok(sorted));
    }

    #[test]
    fn a_name_stands_once_at_every_level() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":[{"c":1,"c":2}]}]}"#,
        ] {
            assert_eq!(rewritten(text), Err(Fault::NotAnObject), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded_and_costs_no_stack() {
        let nested =
            |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(rewritten(&nested(MAX_DEPTH - 1)).is_ok());
        assert_eq!(rewritten(&nested(MAX_DEPTH)), Err(Fault::TooDeep));
        assert_eq!(rewritten(&nested(1_000_000)), Err(Fault::TooDeep));
        let objects = format!("{}1{}", r#"{"a":"#.repeat(1500), "}".repeat(1500));
        assert_eq!(rewritten(&objects), Err(Fault::TooDeep));
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for text in
            ["", "[]", "null", "1", r#""{}""#, "{} {}", "{}x", "{", r#"{"a":1,}"#, "{'a':1}"]
        {
            assert!(members(text).is_err(), "{text}");
        }
        for text in [r#"{"a":"\ud800"}"#, r#"{"a":"\x"}"#, r#"{"a":01}"#, r#"{"a":NaN}"#] {
            assert!(rewritten(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_count_is_digits_below_two_to_the_fifty_third() {
        let natural = |text: &str| natural(&serde_json::from_str::<Box<RawValue>>(text).unwrap());
        assert_eq!(natural("0"), Some(0));
        assert_eq!(natural("9007199254740991"), Some(MAX_NATURAL));
        for text in ["9007199254740992", "18446744073709551616", "-0", "-1", "1.0", "1e3", "\"1\""]
        {
            assert_eq!(natural(text), None, "{text}");
        }
    }
}
