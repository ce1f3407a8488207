//! A token before it is signed: two objects that can be changed member by member.

use jsonwebtoken::get_current_timestamp;
use logout_all::token::Algorithm;
use uuid::Builder;

use crate::{
    dice::Dice,
    keys::{AUDIENCE, ISSUER, Key, Signer, encode},
    rules::Audience,
};

/// What will be signed, and by whom.
pub(crate) struct Draft<'a> {
    pub(crate) header: Members,
    pub(crate) payload: Members,
    pub(crate) signer: &'a Signer,
}

/// The members of an object, in their order: names as they stand between quotes, values as text.
pub(crate) struct Members {
    pub(crate) all: Vec<(String, String)>,
    /// What stands before each token of the text.
    pub(crate) space: &'static str,
}

impl<'a> Draft<'a> {
    /// A good token, as the library could have made it.
    pub(crate) fn good(dice: &mut Dice, key: &'a Key, audience: Audience) -> Self {
        let now = get_current_timestamp();
        let issued_at = now - dice.roll() % 1000;
        let left = if dice.once_in(20) { 0 } else { dice.roll() % 1_000_000 };
        let expires_at = if dice.once_in(20) { issued_at + 1 } else { now + left };
        let mut payload = vec![
            ("iss", quoted(ISSUER)),
            ("sub", dice.one_of(&USERS).to_owned()),
            ("iat", issued_at.to_string()),
            ("exp", expires_at.max(issued_at + 1).to_string()),
            ("auth_time", (issued_at - dice.roll() % 1000).to_string()),
            ("guid", quoted(&uuid(dice))),
            ("refTokID", quoted(&uuid(dice))),
        ];
        if audience == Audience::One {
            payload.insert(2, ("aud", quoted(AUDIENCE)));
        }
        payload.extend(dice.one_of(&APP).iter().map(|(name, value)| (*name, (*value).to_owned())));
        let header = [
            ("alg", quoted(key.algorithm.as_str())),
            ("typ", quoted("JWT")),
            ("kid", quoted(&key.kid)),
        ];
        Self { header: Members::of(header), payload: Members::of(payload), signer: &key.signer }
    }

    /// As the key of another algorithm would begin it.
    pub(crate) fn name(&mut self, algorithm: Algorithm, kid: &str) {
        self.header.set("alg", quoted(algorithm.as_str()));
        self.header.set("kid", quoted(kid));
    }

    pub(crate) fn token(&self) -> Vec<u8> {
        signed(self.signer, self.header.text().as_bytes(), self.payload.text().as_bytes())
    }
}

impl Members {
    fn of<'n>(all: impl IntoIterator<Item = (&'n str, String)>) -> Self {
        let all = all.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self { all: all.collect(), space: "" }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.all.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Sets the first of this name, or adds one.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.all.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.into(),
            None => self.all.push((name.to_owned(), value.into())),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.all.retain(|(known, _)| known != name);
    }

    /// One more, wherever.
    pub(crate) fn add(&mut self, dice: &mut Dice, name: &str, value: impl Into<String>) {
        let at = dice.below(self.all.len() + 1);
        self.all.insert(at, (name.to_owned(), value.into()));
    }

    pub(crate) fn text(&self) -> String {
        let Self { all, space } = self;
        let member = |(name, value): &(String, String)| {
            format!("{space}\"{name}\"{space}:{space}{value}{space}")
        };
        let members: Vec<String> = all.iter().map(member).collect();
        format!("{space}{{{}}}{space}", members.join(","))
    }
}

/// Signs any header and payload.
pub(crate) fn signed(signer: &Signer, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = encode(&signer.sign(message.as_bytes()));
    format!("{message}.{signature}").into_bytes()
}

pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(crate) fn uuid(dice: &mut Dice) -> String {
    let halves = [dice.roll(), dice.roll()].map(u64::to_le_bytes);
    let bytes = halves.concat().try_into().unwrap();
    Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// User ids that are taken, as JSON.
const USERS: [&str; 7] = [
    r#""user-1""#,
    r#""42""#,
    r#""0b7d2f5e-3d39-4c0b-9a44-1f0f6c6b9a3c""#,
    r#""some.body+tag@example.org""#,
    r#""a\"b\\c""#,
    "\"Zoë 😀\"",
    r#""\ud83d\ude00""#,
];

type App = &'static [(&'static str, &'static str)];

/// Claims of applications that are taken.
const APP: [App; 9] = [
    &[],
    &[],
    &[("role", r#""editor""#)],
    &[("a", "[]"), ("b", "{}"), ("c", "[true,false,null]")],
    &[("a", r#"{"b":[1,{"c":-1.5e-7,"d":[0]}]}"#), ("e", r#"[[2],""]"#)],
    &[("b", "1"), ("a", "2")],
    &[("n", "1.10"), ("big", "340282366920938463463374607431768211455"), ("far", "1e999")],
    &[("t", r#""\n\u0041\u00e9\ud83d\ude00\/""#), ("ü", "\"é😀\u{7f}\"")],
    &[("sub2", "null"), ("Iss", r#"{"sub":1,"exp":2}"#), ("", "0")],
];
