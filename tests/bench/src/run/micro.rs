//! Signature and claims of one token, and a verification from memory, from what divan printed of
//! `core/benches/token.rs` and `cached.rs`.

use std::path::Path;

use anyhow::Context;

use super::{Bench, Extent, turns::Rounds};
use crate::report::{Row, Target};

/// The name, and what the ratio may be.
const ALGORITHMS: [(&str, Option<f64>); 4] =
    [("HS256", Some(0.40)), ("EdDSA", None), ("ES256", None), ("RS256", None)];

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let Some(file) = &bench.arguments.token_bench else {
        return Ok(vec![Row::new("signature and claims", Rounds::default(), "NOT RUN")]);
    };
    let row = |(name, most): &(&str, Option<f64>)| {
        let row =
            beside_decode(file, "opened_by_us", name, format!("signature and claims, {name}"))?;
        Ok(match most {
            Some(most) => row.target(Target::AtMost(*most)),
            None => row,
        })
    };
    ALGORITHMS.iter().map(row).collect()
}

/// A verification from memory, by the number of sessions that are in it.
pub(super) fn from_memory(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let Some(file) = &bench.arguments.cached_bench else {
        return Ok(vec![Row::new("a verification from memory", Rounds::default(), "NOT RUN")]);
    };
    let row = |sessions: &&str| {
        // Of ten million, as the benchmark says.
        let used = if *sessions == "10000000" { ", a million in use" } else { "" };
        let what = format!("a verification from memory, {sessions} sessions{used}");
        let row = beside_decode(file, "verified_from_memory", sessions, what)?;
        Ok(row.target(Target::AtMost(0.15)))
    };
    let sizes = match bench.plan.extent {
        Extent::Quick => 1,
        Extent::Full => 2,
        Extent::Huge => 3,
    };
    ["10000", "1000000", "10000000"].iter().take(sizes).map(row).collect()
}

/// One case of a group against the same case of decoding alone.
fn beside_decode(file: &Path, group: &str, case: &str, what: String) -> anyhow::Result<Row> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let of = |group: &str| {
        median(&text, group, case)
            .with_context(|| format!("{} has no {group} {case}", file.display()))
    };
    let (ours, theirs) = (of(group)?, of("decoded_by_jsonwebtoken")?);
    let row = Row::new(what, Rounds(vec![ours]), "µs");
    Ok(row.against("jsonwebtoken::decode", &Rounds(vec![theirs])))
}

/// The median of one line of a group of divan's, in microseconds.
fn median(text: &str, group: &str, name: &str) -> Option<f64> {
    let of_group = text.lines().skip_while(|line| !line.contains(group)).skip(1);
    let mut lines = of_group.take_while(|line| !line.starts_with(['├', '╰']));
    let line = lines.find(|line| line.contains(&format!("─ {name} ")))?;
    // fastest │ slowest │ median │ mean │ samples │ iters; the first has the name before it.
    let mut words =
        line.split('│').filter(|cell| !cell.trim().is_empty()).nth(2)?.split_whitespace();
    let (number, unit): (f64, _) = (words.next()?.parse().ok()?, words.next()?);
    Some(match unit {
        "ns" => number / 1e3,
        "µs" => number,
        "ms" => number * 1e3,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
token                       fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ decoded_by_jsonwebtoken                │               │               │               │         │
│  ├─ HS256                 2.1 µs        │ 9.9 µs        │ 2.2 µs        │ 2.3 µs        │ 500     │ 16000
│  ╰─ RS256                 16 µs         │ 20 µs         │ 17 µs         │ 17 µs         │ 500     │ 16000
╰─ opened_by_us                           │               │               │               │         │
   ├─ HS256                 700 ns        │ 1.2 µs        │ 731.5 ns      │ 740 ns        │ 500     │ 16000
   ╰─ RS256                 13 µs         │ 20 µs         │ 14 µs         │ 14 µs         │ 500     │ 16000
";

    #[test]
    fn the_median_is_that_of_the_group_and_the_algorithm() {
        assert_eq!(median(PRINTED, "decoded_by_jsonwebtoken", "HS256"), Some(2.2));
        assert_eq!(median(PRINTED, "opened_by_us", "HS256"), Some(0.7315));
        assert_eq!(median(PRINTED, "opened_by_us", "RS256"), Some(14.0));
        assert_eq!(median(PRINTED, "opened_by_us", "ES256"), None);
    }
}
