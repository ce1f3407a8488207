//! Our one pass against `jsonwebtoken::decode`, over tokens that are changed in every way: whatever
//! we take, it takes and reads the same; whatever it takes and we refuse, breaks one of our own
//! [`rules`]; and what breaks none, we take.
//!
//! By default 20,000 tokens per algorithm. More, and the same again:
//!
//! ```sh
//! LOGOUT_ALL_TOKENS=1000000 cargo test -p logout-all --release --test differential -- --nocapture
//! LOGOUT_ALL_SEED=1853519553 cargo test -p logout-all --test differential
//! ```
//!
//! The seed repeats the tokens but for the time of day, from which theirs are counted, and what is
//! random in an ES256 signature.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod claims;
mod dice;
mod draft;
mod header;
mod json;
mod judges;
mod keys;
mod rules;
mod text;

use std::{
    collections::BTreeMap,
    env, fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    dice::Dice,
    draft::{Draft, signed},
    judges::{Judgement, Judges},
    keys::{LEEWAY, Signer},
    rules::{AFTER_LEEWAY, AT_ITS_END, Audience, CLASSES},
};

/// How many, per algorithm.
const COUNT: &str = "LOGOUT_ALL_TOKENS";
const DEFAULT: u64 = 20_000;

/// A number that repeats a run.
const SEED: &str = "LOGOUT_ALL_SEED";

#[test]
fn hs256_differs_in_our_rules_alone() {
    differs_in_our_rules_alone(0);
}

#[test]
fn ed25519_differs_in_our_rules_alone() {
    differs_in_our_rules_alone(2);
}

#[test]
fn es256_differs_in_our_rules_alone() {
    differs_in_our_rules_alone(3);
}

#[test]
fn rs256_differs_in_our_rules_alone() {
    differs_in_our_rules_alone(4);
}

fn differs_in_our_rules_alone(own: usize) {
    let (count, seed) = (number(COUNT).unwrap_or(DEFAULT), number(SEED).unwrap_or_else(of_clock));
    let [strict, lenient] = [0, LEEWAY].map(|leeway| Judges::new(own, leeway));
    let algorithm = strict.keys()[own].algorithm;
    println!("{algorithm}: {SEED}={seed} repeats this run of {COUNT}={count}");
    let mut maker = Maker::new(&strict, own, seed);
    let mut tally = Tally::default();
    for _ in 0..count {
        let (token, audience) = maker.token();
        let judges = if maker.dice.once_in(2) { &strict } else { &lenient };
        tally.count(judges.judge(&token, audience));
    }
    println!("{algorithm}: {tally}");
    if count >= DEFAULT {
        tally.shows_every_class();
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap())
}

fn of_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs() ^ u64::from(now.subsec_nanos())
}

/// Makes the tokens of one run.
struct Maker<'a> {
    judges: &'a Judges,
    own: usize,
    dice: Dice,
    /// What the public keys are to somebody who takes them for secrets.
    publics: Vec<Signer>,
    /// Good tokens, to be changed after they were signed.
    good: Vec<(Vec<u8>, Audience)>,
}

impl<'a> Maker<'a> {
    fn new(judges: &'a Judges, own: usize, seed: u64) -> Self {
        let mut dice = Dice::new(seed, own as u64);
        let publics = keys::public_bytes(judges.keys());
        let publics = publics.iter().map(|bytes| Signer::hmac(bytes)).collect();
        let good = (0..64).map(|at| {
            let audience = if at % 2 == 0 { Audience::None } else { Audience::One };
            (Draft::good(&mut dice, &judges.keys()[own], audience).token(), audience)
        });
        let good = good.collect();
        Self { judges, own, dice, publics, good }
    }

    fn token(&mut self) -> (Vec<u8>, Audience) {
        let keys = self.judges.keys();
        let dice = &mut self.dice;
        let audience = if dice.once_in(2) { Audience::None } else { Audience::One };
        let mut draft = Draft::good(dice, &keys[self.own], audience);
        let times = 1 + dice.below(2);
        match dice.below(16) {
            0 => {}
            1..=6 => (0..times).for_each(|_| claims::change(dice, &mut draft)),
            7..=9 => (0..times).for_each(|_| header::change(dice, &mut draft, keys)),
            10 => {
                // Another's key under its own name, under ours, and with our algorithm.
                let other = dice.pick(keys);
                draft.signer = &other.signer;
                match dice.below(3) {
                    0 => draft.name(other.algorithm, &other.kid),
                    1 => draft.name(other.algorithm, &keys[self.own].kid),
                    _ => {}
                }
            }
            11 => {
                // A public key as a secret, under the name of any key.
                let named = dice.pick(keys);
                let algorithm = dice.one_of(&[keys[0].algorithm, named.algorithm]);
                draft.name(algorithm, &named.kid);
                draft.signer = dice.pick(&self.publics);
            }
            12..=13 => {
                let header = draft.header.text().into_bytes();
                let mut parts = [header, draft.payload.text().into_bytes()];
                (0..times).for_each(|_| {
                    let header_or_payload = usize::from(!dice.once_in(4));
                    text::change_signed(dice, &mut parts[header_or_payload]);
                });
                return (signed(draft.signer, &parts[0], &parts[1]), audience);
            }
            _ => {
                let (mut token, audience) = dice.pick(&self.good).clone();
                let (other, _) = dice.pick(&self.good);
                (0..times).for_each(|_| text::change_sent(dice, &mut token, other));
                return (token, audience);
            }
        }
        (draft.token(), audience)
    }
}

/// How many tokens had which fate.
#[derive(Default)]
struct Tally {
    taken: u64,
    refused: u64,
    stricter: u64,
    /// By class: how many were in it, and how many in no other.
    classes: BTreeMap<&'static str, (u64, u64)>,
}

impl Tally {
    fn count(&mut self, judgement: Judgement) {
        match judgement {
            Judgement::Taken => self.taken += 1,
            Judgement::Refused => self.refused += 1,
            Judgement::Stricter(classes) => {
                self.stricter += 1;
                for class in &classes {
                    let (all, alone) = self.classes.entry(class).or_default();
                    *all += 1;
                    *alone += u64::from(classes.len() == 1);
                }
            }
        }
    }

    /// A class that no token is in alone proves nothing of its rule.
    fn shows_every_class(&self) {
        for name in CLASSES.iter().map(|(name, _)| *name).chain([AT_ITS_END, AFTER_LEEWAY]) {
            let alone = self.classes.get(name).map_or(0, |(_, alone)| *alone);
            assert!(alone > 0, "no token was in the class {name:?} alone");
        }
        assert!(self.taken > 0 && self.refused > 0);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taken, refused, stricter, classes } = self;
        let all = taken + refused + stricter;
        writeln!(f, "of {all} tokens {taken} taken by both, {refused} by neither, and")?;
        writeln!(f, "{stricter} by jsonwebtoken, for us in a class (in it alone):")?;
        for (class, (all, alone)) in classes {
            writeln!(f, "{all:>9} {:>9} {class}", format!("({alone})"))?;
        }
        Ok(())
    }
}
