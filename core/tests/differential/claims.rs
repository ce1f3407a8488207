//! Changes to the claims, each signed with the right key afterwards.

use jsonwebtoken::get_current_timestamp;

use crate::{
    dice::Dice,
    draft::{Draft, Members, quoted, uuid},
    keys::{AUDIENCE, ISSUER, LEEWAY},
};

/// Changes the claims once.
pub(crate) fn change(dice: &mut Dice, draft: &mut Draft<'_>) {
    let payload = &mut draft.payload;
    match dice.below(13) {
        0 => time_in_another_form(dice, payload),
        1 => time_of_another_day(dice, payload),
        2 => user(dice, payload),
        3 => id(dice, payload),
        4 => audience(dice, payload),
        5 => issuer(dice, payload),
        6 => {
            let nbf = dice.one_of(&NBF);
            payload.add(dice, "nbf", nbf);
        }
        7 => payload.add(dice, "jti", quoted("a")),
        8 => value_of_another_type(dice, payload),
        9 => {
            let name = dice.one_of(&CLAIMS);
            payload.remove(name);
        }
        10 => of_the_application(dice, payload),
        11 => large(dice, payload),
        _ => spelling(dice, payload),
    }
}

/// What every object can suffer.
pub(crate) fn spelling(dice: &mut Dice, members: &mut Members) {
    let at = dice.below(members.all.len().max(1));
    let Some((name, value)) = members.all.get(at).cloned() else { return };
    match dice.below(6) {
        0 => members.space = dice.one_of(&[" ", "\n", "\t", "\r\n  ", "\u{a0}", "\u{c}"]),
        1 => dice.shuffle(&mut members.all),
        2 => members.add(dice, &name, value),
        3 => {
            let other = dice.one_of(&VALUES).to_owned();
            members.add(dice, &name, other);
        }
        4 => {
            let escaped = escaped(dice, &name);
            if dice.once_in(2) {
                members.add(dice, &escaped, value);
            } else {
                members.all[at].0 = escaped;
            }
        }
        _ => {
            if let Some(text) = value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                members.all[at].1 = format!("\"{}\"", escaped(dice, text));
            }
        }
    }
}

/// One letter of it as `\u…`.
fn escaped(dice: &mut Dice, text: &str) -> String {
    let places: Vec<(usize, char)> =
        text.char_indices().filter(|(_, letter)| letter.is_ascii_alphanumeric()).collect();
    if places.is_empty() {
        return text.to_owned();
    }
    let (at, letter) = dice.one_of(&places);
    format!("{}\\u{:04x}{}", &text[..at], u32::from(letter), &text[at + 1..])
}

/// What we write.
pub(crate) const CLAIMS: [&str; 8] =
    ["iss", "sub", "aud", "iat", "exp", "auth_time", "guid", "refTokID"];

const TIMES: [&str; 3] = ["iat", "exp", "auth_time"];

const VALUES: [&str; 12] = [
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "\"\"",
    "\"a\"",
    "[]",
    "{}",
    "[\"a\"]",
    "{\"a\":1}",
    "[null]",
];

const NBF: [&str; 9] =
    ["0", "1800000000", "9999999999", "1.5", "-1", "null", "\"0\"", "[]", "18446744073709551616"];

fn value_of_another_type(dice: &mut Dice, payload: &mut Members) {
    let name = dice.one_of(&CLAIMS);
    let old = payload.get(name).unwrap_or("0").to_owned();
    let new = match dice.below(4) {
        0 => format!("[{old}]"),
        1 => format!("{{\"a\":{old}}}"),
        2 if !old.contains('"') => quoted(&old),
        _ => dice.one_of(&VALUES).to_owned(),
    };
    payload.set(name, new);
}

fn time_in_another_form(dice: &mut Dice, payload: &mut Members) {
    const FORMS: [&str; 17] = [
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        "1e3",
        "1E3",
        "1e+10",
        "18e8",
        "1800000000.0",
        "1800000000.5",
        "1e999",
        "-0",
        "-1",
        "-1800000000",
        "0x1",
        "01",
        "+1",
        "NaN",
    ];
    let name = dice.one_of(&TIMES);
    let old = payload.get(name).unwrap_or("0").to_owned();
    let new = match dice.below(6) {
        0 => format!("{old}.0"),
        1 => format!("{old}e0"),
        2 => format!("0{old}"),
        3 => ((1 << 53) - 1 + dice.roll() % 3).to_string(),
        _ => dice.one_of(&FORMS).to_owned(),
    };
    payload.set(name, new);
}

fn time_of_another_day(dice: &mut Dice, payload: &mut Members) {
    let now = get_current_timestamp();
    let issued_at: u64 = payload.get("iat").and_then(|text| text.parse().ok()).unwrap_or(now);
    let (name, time) = match dice.below(11) {
        0 => ("exp", issued_at),
        1 => ("exp", issued_at.saturating_sub(dice.roll() % 100)),
        2 => ("exp", now),
        3 => ("exp", now + 1),
        4 => ("exp", now - 1),
        5 => ("exp", now - LEEWAY),
        6 => ("exp", now - LEEWAY + 1),
        7 => ("exp", now - LEEWAY - 1),
        8 => ("iat", now + dice.roll() % 10_000_000),
        9 => ("iat", 0),
        _ => ("auth_time", now + dice.roll() % 10_000_000),
    };
    if name == "exp" && time >= now - LEEWAY - 1 {
        payload.set("iat", (time - 10).to_string());
    }
    payload.set(name, time.to_string());
}

fn user(dice: &mut Dice, payload: &mut Members) {
    const BAD: [&str; 9] = [
        "", "\\u0000", "a\\nb", "a\\u007f", "a\u{7f}", "a\u{85}", "a\\u0085", "\\ud800", "\\udc00a",
    ];
    let letter = dice.one_of(&["a", "é", "\\u00e9"]);
    let new = match dice.below(3) {
        0 => letter.repeat(dice.one_of(&[127, 128, 254, 255, 256])),
        _ => dice.one_of(&BAD).to_owned(),
    };
    payload.set("sub", format!("\"{new}\""));
}

fn id(dice: &mut Dice, payload: &mut Members) {
    let good = uuid(dice);
    let new = match dice.below(9) {
        0 => good.to_uppercase(),
        1 => format!("{{{good}}}"),
        2 => format!("urn:uuid:{good}"),
        3 => good.replace('-', ""),
        4 => "00000000-0000-0000-0000-000000000000".to_owned(),
        5 => format!("{good} "),
        6 => good[1..].to_owned(),
        7 => good.replacen('-', "+", 1),
        _ => "ffffffff-ffff-ffff-ffff-ffffffffffff".to_owned(),
    };
    payload.set(dice.one_of(&["guid", "refTokID"]), quoted(&new));
}

fn audience(dice: &mut Dice, payload: &mut Members) {
    let ours = quoted(AUDIENCE);
    let new = match dice.below(9) {
        0 => ours,
        1 => format!("[{ours}]"),
        2 => format!("[\"other\",{ours}]"),
        3 => "[]".to_owned(),
        4 => "null".to_owned(),
        5 => "5".to_owned(),
        6 => format!("{{\"a\":{ours}}}"),
        7 => "\"API\"".to_owned(),
        _ => "\"\"".to_owned(),
    };
    payload.set("aud", new);
}

fn issuer(dice: &mut Dice, payload: &mut Members) {
    let ours = quoted(ISSUER);
    let new = match dice.below(6) {
        0 => format!("[{ours}]"),
        1 => format!("[{ours},\"https://evil.example\"]"),
        2 => "\"https://evil.example\"".to_owned(),
        3 => quoted(&format!("{ISSUER}/")),
        4 => ours.to_uppercase(),
        _ => ours.replace('/', "\\/"),
    };
    payload.set("iss", new);
}

fn of_the_application(dice: &mut Dice, payload: &mut Members) {
    const FORMS: [&str; 12] = [
        r#"{"b":1,"b":1}"#,
        r#"[0,{"b":{"c":1,"c":2}}]"#,
        r#"{"b":1,"\u0062":2}"#,
        r#""\ud800""#,
        r#"{"\udc00":1}"#,
        r#"["\ud83d\u0041"]"#,
        r#"{"b":"\x"}"#,
        "01",
        "1e999",
        "-",
        "[1,]",
        "tru",
    ];
    let levels = dice.one_of(&[30, 31, 32, 126, 127, 128, 500]);
    let new = match dice.below(4) {
        0 => format!("{}{}", "[".repeat(levels), "]".repeat(levels)),
        1 => format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels)),
        _ => dice.one_of(&FORMS).to_owned(),
    };
    payload.add(dice, "z", new);
}

/// Around the largest token: 4096 bytes, less the other two parts, are some 2,500 to 3,000 here.
fn large(dice: &mut Dice, payload: &mut Members) {
    let size = 2300 + dice.below(800);
    payload.set("large", format!("\"{}\"", "x".repeat(size)));
}
