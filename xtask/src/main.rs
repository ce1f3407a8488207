//! The tasks of this repository, started with `cargo xtask`.
//!
//! This program runs cargo and reads what it prints. It links no other package of the workspace,
//! so that it builds in seconds and still runs when one of them does not compile.

mod bench;
mod cargo;
mod cells;
mod demo;
mod group;
mod interrupt;
mod lines;
mod parts;
mod report;
mod run;
mod services;
mod table;
mod test_all;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", about = "The tasks of this repository")]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build and run an example server: `cargo xtask demo [FRAMEWORK] [ARGUMENTS OF THE EXAMPLE]`.
    ///
    /// `cargo xtask demo --help` shows the arguments of the example.
    #[command(disable_help_flag = true)]
    Demo(demo::Arguments),
    /// Measure, and close with a table of figures and targets: `cargo xtask bench --quick`.
    ///
    /// Releases are built, of the peers too; real servers are started, on free ports. The table is
    /// written to `bench/` in the target folder, as Markdown, JSON and SVG.
    Bench(bench::Arguments),
    /// Run every check and test and close with a table of what ran.
    ///
    /// Servers that the tests need are brought along: PostgreSQL is the one of `TEST_DATABASE_URL`,
    /// else one that is started for the run with the programs that are installed, or that apt (as
    /// root) or `PyPI` has.
    TestAll(test_all::Arguments),
    /// Start a server for daily work, as `test-all` does, and stop it on Ctrl-C.
    Services(services::Arguments),
}

fn main() -> ExitCode {
    let ended = match CommandLine::parse().task {
        Task::Demo(arguments) => demo::run(arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::TestAll(arguments) => test_all::run(&arguments),
        Task::Services(arguments) => services::run(&arguments),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
