//! The one pass over a payload of ours and the general reader: `issued` "takes only what, written
//! again, is the same text. So it takes nothing that the general reader would not, and the two
//! never differ in what they read."

use serde_json::json;

use super::*;
use crate::token::{
    claims::{self, Parties},
    issued,
};

/// What JSON, base64 and our claims are made of, and what is none of it.
const LETTERS: &str = "\"\\/{}[]:,.-+ \n\t\0\u{1f}\u{7f}\u{80}09afzAFeE_é";

#[test]
fn what_we_write_is_read_in_one_pass() {
    for (payload, claims, parties) in written() {
        assert_eq!(issued::read(&payload, &parties).as_ref(), Some(&claims), "{payload}");
        assert_eq!(claims::read_any(&payload, &parties), Some(claims), "{payload}");
    }
}

#[test]
fn escapes_are_left_to_the_general_reader() {
    let parties = Parties::new(ISSUER, None);
    for claims in [
        TokenClaims { user: UserId::new("a\"b\\c").unwrap(), ..claims() },
        TokenClaims { app: app(&json!({ "a\"": 1 })), ..claims() },
        TokenClaims { app: app(&json!({ "a": "\n" })), ..claims() },
    ] {
        let payload = claims::write(&claims, &parties);
        assert_eq!(issued::read(&payload, &parties), None, "{payload}");
        assert_eq!(claims::read(&payload, &parties), Some(claims), "{payload}");
    }
}

#[test]
fn one_pass_takes_only_what_is_written_so_and_reads_the_same() {
    let (mut taken, mut other_spellings) = (0, 0);
    for (payload, _, parties) in written() {
        for changed in neighbours(&payload) {
            let general = claims::read_any(&changed, &parties);
            let Some(claims) = issued::read(&changed, &parties) else {
                // It misses nothing of ours, but for escapes.
                if let Some(claims) = general {
                    let ours = claims::write(&claims, &parties) == changed;
                    assert!(!ours || changed.contains('\\'), "not in one pass: {changed}");
                    other_spellings += 1;
                }
                continue;
            };
            assert_eq!(claims::write(&claims, &parties), changed);
            assert_eq!(general, Some(claims), "{changed}");
            taken += 1;
        }
    }
    assert!(taken > 1000 && other_spellings > 1000, "{taken} and {other_spellings} show little");
}

/// Payloads of ours with as much of JSON in them as our claims have.
fn written() -> Vec<(String, TokenClaims, Parties)> {
    let deepest = (0..30).fold(json!([1]), |inner, _| json!([inner]));
    let all = [
        (None, AppClaims::none()),
        (Some("api"), app(&json!({ "role": "editor" }))),
        (None, app(&json!({ "a": [], "b": {}, "c": [true, false, null], "d": "é/" }))),
        (None, app(&json!({ "a": { "b": [1, { "c": -1.5e-7, "d": [0] }] }, "e": [[2], ""] }))),
        (Some("é\""), app(&deepest)),
    ];
    let written = all.into_iter().map(|(audience, app)| {
        let (parties, claims) = (Parties::new(ISSUER, audience), TokenClaims { app, ..claims() });
        (claims::write(&claims, &parties), claims, parties)
    });
    written.collect()
}

fn app(value: &serde_json::Value) -> AppClaims {
    let value = if value.is_object() { value.clone() } else { json!({ "deep": value }) };
    AppClaims::from_value(&value).unwrap()
}

/// Every text that one letter more, less or other makes of this one; two neighbouring letters that
/// changed places; a piece that stands twice or moved to the front or end of the members.
fn neighbours(text: &str) -> Vec<String> {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let mut all = vec![format!("{text} "), format!(" {text}"), format!("{text}}}")];
    for at in places {
        let letter = text[at..].chars().next().unwrap();
        let (before, after) = (&text[..at], &text[at + letter.len_utf8()..]);
        all.push([before, after].concat());
        all.push(text[..at].to_owned());
        for other in LETTERS.chars() {
            all.push(format!("{before}{other}{after}"));
            all.push(format!("{before}{other}{letter}{after}"));
        }
        if let Some(next) = after.chars().next() {
            all.push(format!("{before}{next}{letter}{}", &after[next.len_utf8()..]));
        }
    }
    let members: Vec<&str> = text.trim_matches(['{', '}']).split(',').collect();
    for at in 0..members.len() {
        let (mut twice, mut first) = (members.clone(), members.clone());
        twice.insert(at, members[at]);
        let member = first.remove(at);
        let last = [&*first, &[member]].concat();
        first.insert(0, member);
        all.extend([twice, first, last].map(|members| format!("{{{}}}", members.join(","))));
    }
    all
}
