//! Measures everything, in sections, and writes one table, as Markdown, JSON and a plot.
//!
//! Variants take turns within one run (A B A B …); what is compared are medians, with the spread.

mod cached;
mod callers;
mod cpu;
mod endings;
mod fill;
mod http;
mod lookups;
mod machine;
mod micro;
mod peers;
mod renewals;
mod server;
mod size;
mod sweep;
mod turns;

pub(crate) use turns::Rounds;

use std::path::PathBuf;

use anyhow::ensure;
use clap::ValueEnum;

use crate::report::{Report, Row, Section};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A PostgreSQL server that databases may be made on.
    #[arg(long, env = "TEST_DATABASE_URL")]
    postgres: String,
    /// A Redis server that may be emptied.
    #[arg(long, env = "TEST_REDIS_URL")]
    redis: String,
    /// The program with the peers; without it the table says that they did not run.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// What cargo printed of `--bench token`.
    #[arg(long)]
    token_bench: Option<PathBuf>,
    /// What cargo printed of `--bench cached`.
    #[arg(long)]
    cached_bench: Option<PathBuf>,
    /// Where the results go.
    #[arg(long)]
    out: PathBuf,
    #[arg(long, value_enum, default_value = "full")]
    extent: Extent,
    /// These sections alone.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Section>,
}

/// How much time there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Extent {
    /// Within three minutes; the figures are rough.
    Quick,
    /// Within 25 minutes.
    Full,
    /// Also with ten million sessions.
    Huge,
}

/// The numbers that follow from it.
#[derive(Clone, Copy, Debug)]
struct Plan {
    extent: Extent,
    /// How often each variant has its turn; odd, so that a median is one of them.
    rounds: usize,
    /// How long a turn is, in seconds.
    turn: f64,
    /// Sessions in PostgreSQL, where servers are under load.
    sessions: u32,
    /// Sessions in memory, Redis and SQLite, and in PostgreSQL in the other sections.
    fewer: u32,
}

impl Plan {
    fn of(extent: Extent) -> Self {
        match extent {
            Extent::Quick => {
                Self { extent, rounds: 3, turn: 0.5, sessions: 100_000, fewer: 20_000 }
            }
            Extent::Full | Extent::Huge => {
                Self { extent, rounds: 5, turn: 3.0, sessions: 1_000_000, fewer: 200_000 }
            }
        }
    }
}

/// What all sections have.
struct Bench {
    arguments: Arguments,
    plan: Plan,
    /// Files that go with the run.
    folder: tempfile::TempDir,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let plan = Plan::of(arguments.extent);
    let chosen = |section: &Section| arguments.only.is_empty() || arguments.only.contains(section);
    let sections: Vec<Section> = Section::value_variants().iter().copied().filter(chosen).collect();
    let bench = Bench { plan, folder: tempfile::tempdir()?, arguments };
    let mut failed = Vec::new();
    let mut report = Report::new(machine::describe(&bench).await?);
    for section in sections {
        println!("\n=== {section}");
        let rows = match section {
            Section::Token => micro::measure(&bench),
            Section::Http => http::measure(&bench).await,
            Section::Cached => cached::measure(&bench).await,
            Section::Lookups => lookups::measure(&bench).await,
            Section::Endings => endings::measure(&bench).await,
            Section::Renewals => renewals::measure(&bench).await,
            Section::Size => size::measure(&bench).await,
            Section::Sweep => sweep::measure(&bench).await,
        };
        // What the others measured is not lost.
        let rows = rows.unwrap_or_else(|error| {
            println!("{section} failed: {error:#}");
            failed.push(section.to_string());
            vec![Row::new("everything", Rounds::default(), "FAILED")]
        });
        report.add(section, rows);
    }
    report.write(&bench.arguments.out)?;
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}
