//! `cargo xtask test-all`: runs the parts one after the other, to the last even if some fail.

use std::io::stdout;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::cargo::Workspace;
use crate::parts::{Part, Selection};
use crate::report::Report;
use crate::services::{self, Purpose, Servers, Sources};
use crate::{cells, interrupt, run, table};

/// After this long a part is taken to hang, and is killed. A cold build is part of the first.
const LIMIT: Duration = Duration::from_mins(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Run only the tests with this in their name, and no checks: `axum::sqlite::cookie`.
    filter: Option<String>,
    /// Run these parts only.
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Run all but these parts.
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    skip: Vec<Part>,
    /// Leave out the laws and cases of a framework, a store, or `framework::store`.
    #[arg(long, value_name = "CELL", value_delimiter = ',', value_parser = cells::excludable_name)]
    without: Vec<String>,
    #[command(flatten)]
    sources: Sources,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let selection = Selection { filter: arguments.filter.as_deref(), without: &arguments.without };
    let (chosen, not_chosen): (Vec<Part>, Vec<Part>) =
        Part::value_variants().iter().partition(|part| arguments.choose(**part));
    if chosen.is_empty() {
        return Err("--only, --skip and the filter leave no part to run".into());
    }
    interrupt::watch()?;
    let workspace = Workspace::read()?;

    // First, so that a server that is missing is known before anything is built.
    let needed = services::needed(cells::STORES, &chosen, selection);
    let servers = Servers::start(&needed, arguments.sources, &workspace, Purpose::Testing)?;

    let mut report = Report::new();
    for (name, version) in servers.versions() {
        report.version(name, version);
    }
    for part in chosen {
        let mut command = part.command(selection, &workspace)?;
        if part.may_use_servers() {
            servers.tell(&mut command);
        }
        println!("\n=== {part}: {}", in_words(&command));
        let started = Instant::now();
        let ending = run::run(&mut command, LIMIT, &mut stdout(), |line| report.line(part, line));
        report.end(part, &ending, started.elapsed());
    }

    drop(servers);

    print!("\n{}", table::closing(&report, selection, &not_chosen));
    let green = report.total(selection).failed == 0;
    Ok(if green { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    /// A filter leaves the parts with tests, unless others are asked for by name.
    fn choose(&self, part: Part) -> bool {
        let wanted = if self.only.is_empty() {
            self.filter.is_none() || part.has_tests()
        } else {
            self.only.contains(&part)
        };
        wanted && !self.skip.contains(&part)
    }
}

/// The command as one would type it.
fn in_words(command: &Command) -> String {
    let own = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}='{}' ", name.display(), value.display()))
    });
    let words = command.get_args().map(|word| word.display().to_string());
    format!("{}cargo {}", own.collect::<String>(), words.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn chosen(line: &[&str]) -> Vec<Part> {
        let words = std::iter::once(&"test-all").chain(line);
        let CommandLine { arguments } = CommandLine::try_parse_from(words).unwrap();
        Part::value_variants().iter().copied().filter(|part| arguments.choose(*part)).collect()
    }

    #[test]
    fn everything_runs_unless_parts_are_chosen() {
        assert_eq!(chosen(&[]), Part::value_variants());
        assert_eq!(chosen(&["--only", "laws,cases"]), [Part::Laws, Part::Cases]);
        assert_eq!(chosen(&["--only", "laws", "--only", "fmt"]), [Part::Fmt, Part::Laws]);
        assert!(!chosen(&["--skip", "package"]).contains(&Part::Package));
    }

    #[test]
    fn a_filter_leaves_the_parts_with_tests() {
        assert!(chosen(&["axum::sqlite"]).iter().all(|part| part.has_tests()));
        assert_eq!(chosen(&["axum::sqlite", "--only", "cases"]), [Part::Cases]);
    }

    #[test]
    fn an_unknown_cell_is_refused() {
        let error = CommandLine::try_parse_from(["test-all", "--without", "sqlit"]).unwrap_err();

        assert!(error.to_string().contains("axum::sqlite"), "{error}");
    }
}
