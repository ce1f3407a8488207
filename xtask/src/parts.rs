//! The parts of `test-all`, in their order, and the command of each.
//!
//! All of them select the whole workspace with all features: cargo then resolves the features
//! once, and a dependency is compiled at most twice, for the checks and for the tests. With
//! `--package` in their place, tokio and everything above it would be built again for each part.

use std::fmt::{self, Display, Formatter};
use std::process::Command;

use clap::ValueEnum;

use crate::cargo::{self, Workspace};
use crate::cells;

/// The test programs of the store laws, the house's own and that of `examples/outside`; their trials
/// are named `store::law`.
const LAWS: &[&str] = &["laws", "file_laws"];

/// The test programs of the HTTP cases, the house's own and that of `examples/outside`; their trials
/// are named `framework::store::transport::case`.
const CASES: &[&str] = &["matrix", "hyper_cases"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The formatting.
    Fmt,
    /// Clippy, warnings denied.
    Lint,
    /// The documentation, warnings denied.
    Docs,
    /// The unit tests of libraries, programs and examples.
    Unit,
    /// The examples in the documentation.
    Doctests,
    /// The laws, over every store.
    Laws,
    /// The HTTP cases, over every framework, store and transport.
    Cases,
    /// All other integration tests, of any package.
    System,
    /// Whether the libraries can be packaged.
    Package,
}

/// What the command line says to the test programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) filter: Option<&'a str>,
    pub(crate) without: &'a [String],
}

impl Part {
    /// Whether the part runs tests, so that a filter means something to it.
    pub(crate) fn has_tests(self) -> bool {
        matches!(self, Self::Unit | Self::Doctests | Self::Laws | Self::Cases | Self::System)
    }

    /// Whether tests of the part may talk to servers, which then must run.
    pub(crate) fn may_use_servers(self) -> bool {
        matches!(self, Self::Unit | Self::Laws | Self::Cases | Self::System)
    }

    pub(crate) fn command(
        self,
        selection: Selection<'_>,
        workspace: &Workspace,
    ) -> Result<Command, String> {
        let mut command = cargo::command();
        command.current_dir(cargo::root()?);
        match self {
            Self::Fmt => {
                command.args(["fmt", "--all", "--check"]);
            }
            Self::Lint => {
                command.args(["clippy", "--workspace", "--all-features", "--all-targets"]);
                command.args(["--", "-D", "warnings"]);
            }
            Self::Docs => {
                // Naming the examples makes cargo resolve the features of dev-dependencies too,
                // as Clippy's do: otherwise it checks half of the dependencies a second time.
                command.args(["doc", "--workspace", "--all-features", "--no-deps"]);
                command.args(["--lib", "--examples"]).env("RUSTDOCFLAGS", "-D warnings");
            }
            Self::Unit => tests(&mut command, &["--lib", "--bins", "--examples"], selection),
            Self::Doctests => tests(&mut command, &["--doc"], selection),
            Self::Laws => suite(&mut command, LAWS, selection),
            Self::Cases => suite(&mut command, CASES, selection),
            Self::System => {
                let names = workspace.integration_tests();
                let others = names.iter().filter(|name| {
                    !LAWS.contains(&name.as_str()) && !CASES.contains(&name.as_str())
                });
                // A test program that is about one store alone has the store's name in its own.
                let wanted = others.filter(|name| {
                    !selection.without.iter().any(|store| name.contains(store.as_str()))
                });
                let targets: Vec<&str> = wanted.flat_map(|name| ["--test", name]).collect();
                tests(&mut command, &targets, selection);
                skip(&mut command, selection);
            }
            Self::Package => package(&mut command, workspace)?,
        }
        Ok(command)
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        f.pad(name.as_ref().map_or("", |name| name.get_name()))
    }
}

fn tests(command: &mut Command, targets: &[&str], selection: Selection<'_>) {
    command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]).args(targets);
    command.arg("--").args(selection.filter);
}

/// One of the two conformance suites: these know the names of cells.
fn suite(command: &mut Command, programs: &[&str], selection: Selection<'_>) {
    let targets: Vec<&str> = programs.iter().flat_map(|name| ["--test", name]).collect();
    tests(command, &targets, selection);
    skip(command, selection);
}

/// Tests that have a left-out store as a part of their names.
fn skip(command: &mut Command, selection: Selection<'_>) {
    for name in selection.without {
        for pattern in cells::skip_patterns(name) {
            command.args(["--skip", &pattern]);
        }
    }
}

/// Packages all libraries in one call, so that each finds the others, which no registry may have.
/// Their code is not compiled once more from the package: `tests/system` sees to it that it
/// includes no file from outside.
fn package(command: &mut Command, workspace: &Workspace) -> Result<(), String> {
    command.args(["package", "--workspace", "--all-features", "--no-verify"]);
    for name in workspace.unpublished() {
        command.args(["--exclude", &name]);
    }
    // A clean clone needs no leave; at work on a change, the check is still wanted.
    if is_dirty()? {
        command.arg("--allow-dirty");
    }
    Ok(())
}

/// Whether git knows of changes that are not committed. Without git there is nothing to say.
fn is_dirty() -> Result<bool, String> {
    let status =
        Command::new("git").args(["status", "--porcelain"]).current_dir(cargo::root()?).output();
    Ok(status.is_ok_and(|output| !output.stdout.is_empty()))
}
