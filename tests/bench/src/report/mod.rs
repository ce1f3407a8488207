//! What was measured, as rows of one table; and what is written of it.

mod plot;
mod table;

use std::{fmt, fs, path::Path};

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;

use crate::run::Rounds;

/// What belongs together, and can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Section {
    /// Signature and claims, without a store.
    Token,
    /// Servers under load, with the peers.
    Http,
    /// Cached mode: a verification from memory, and how fast a logout is known everywhere.
    Cached,
    /// Lookups in the stores, without HTTP.
    Lookups,
    /// Logouts.
    Endings,
    /// Renewals.
    Renewals,
    /// Bytes.
    Size,
    /// The sweeper beside traffic.
    Sweep,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        f.write_str(name.as_ref().map_or("", |name| name.get_name()))
    }
}

/// The machine and the servers.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) extent: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) postgres: String,
    pub(crate) redis: String,
}

/// One figure, what it is compared with, and what it should be.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) figure: Rounds,
    pub(crate) unit: &'static str,
    pub(crate) against: Option<Against>,
    pub(crate) target: Option<Target>,
    /// Other figures of the same measurement.
    pub(crate) note: String,
}

/// The ratio to another figure, round by round.
#[derive(Debug, Serialize)]
pub(crate) struct Against {
    pub(crate) what: String,
    pub(crate) ratio: Rounds,
}

/// What the ratio should be; without a ratio, the figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, figure: Rounds, unit: &'static str) -> Self {
        let what = what.into();
        Self { what, figure, unit, against: None, target: None, note: String::new() }
    }

    /// Compares it with another, round by round.
    pub(crate) fn against(mut self, what: impl Into<String>, base: &Rounds) -> Self {
        self.against = Some(Against { what: what.into(), ratio: self.figure.against(base) });
        self
    }

    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether the median is where it should be; none where nothing is asked.
    pub(crate) fn met(&self) -> Option<bool> {
        let judged = self.against.as_ref().map_or(&self.figure, |against| &against.ratio).median();
        Some(match self.target? {
            Target::AtLeast(least) => judged >= least,
            Target::AtMost(most) => judged <= most,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    sections: Vec<(Section, Vec<Row>)>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, sections: Vec::new() }
    }

    pub(crate) fn add(&mut self, section: Section, rows: Vec<Row>) {
        self.sections.push((section, rows));
    }

    /// Prints the table, and writes it as Markdown, JSON and SVG.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let table = table::table(self);
        println!("\n{table}");
        fs::create_dir_all(folder)?;
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            println!("written: {}", file.display());
            anyhow::Ok(())
        };
        write("bench.md", &table)?;
        write("bench.json", &serde_json::to_string_pretty(self)?)?;
        match plot::svg(self)? {
            Some(svg) => write("bench.svg", &svg),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_judged_where_there_is_one_and_the_figure_otherwise() {
        let figure = || Row::new("a", Rounds(vec![50.0]), "/s").target(Target::AtLeast(0.6));
        assert_eq!(figure().met(), Some(true));
        assert_eq!(figure().against("b", &Rounds(vec![100.0])).met(), Some(false));
        let most = Row::new("a", Rounds(vec![50.0]), "B").target(Target::AtMost(49.0));
        assert_eq!(most.met(), Some(false));
        assert_eq!(Row::new("a", Rounds(vec![50.0]), "/s").met(), None);
    }
}
