//! `cargo xtask bench`: builds what is compared, starts the servers behind it, and lets
//! `tests/bench` measure.

use std::fs;
use std::io::{self, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::cargo::{self, Workspace};
use crate::run::{self, Ending};
use crate::services::{Purpose, Servers, Service, Sources};
use crate::{demo, interrupt};

/// A cold build, and then the measurement.
const BUILD_LIMIT: Duration = Duration::from_mins(30);
const LIMIT: Duration = Duration::from_mins(90);

/// As `tests/bench` names them.
const SECTIONS: [&str; 8] =
    ["token", "http", "cached", "lookups", "endings", "renewals", "size", "sweep"];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Finish within three minutes, with rough figures.
    #[arg(long, conflicts_with = "huge")]
    quick: bool,
    /// Measure with ten million sessions too; that takes 15 GB of disk and 16 GB of memory.
    #[arg(long)]
    huge: bool,
    /// These sections alone.
    #[arg(long, value_name = "SECTION", value_delimiter = ',', value_parser = SECTIONS)]
    only: Vec<String>,
    #[command(flatten)]
    sources: Sources,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    interrupt::watch()?;
    let workspace = Workspace::read()?;
    let (root, folder) = (cargo::root()?, workspace.target_folder().join("bench"));
    fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    // Built before anything runs: what is measured has the machine for itself.
    let program = build(&root.join("Cargo.toml"), "logout-all-bench", &workspace.target_folder())?;
    let mut bench = Command::new(program);
    bench.arg("run").arg("--out").arg(&folder);
    if arguments.measures("http") {
        let peers = root.join("tests").join("bench").join("peers").join("Cargo.toml");
        let built = workspace.target_folder().join("peers");
        bench.arg("--peers").arg(build(&peers, "logout-all-peers", &built)?);
    }
    for (section, name) in [("token", "token"), ("cached", "cached")] {
        if arguments.measures(section) {
            bench.arg(format!("--{name}-bench")).arg(printed_by(
                name,
                &root,
                &folder,
                arguments.extent(),
            )?);
        }
    }
    bench.args(["--extent", arguments.extent()]);
    bench.args(arguments.only.iter().flat_map(|section| ["--only", section]));

    let needed = [Service::Postgres, Service::Redis];
    let servers = Servers::start(&needed, arguments.sources, &workspace, Purpose::Measuring)?;
    servers.tell(&mut bench);
    finish(&mut bench, LIMIT, &mut stdout())?;
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn measures(&self, section: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|one| one == section)
    }

    fn extent(&self) -> &'static str {
        match (self.quick, self.huge) {
            (true, _) => "quick",
            (_, true) => "huge",
            _ => "full",
        }
    }
}

/// Builds a release and asks cargo where it is.
fn build(manifest: &Path, package: &str, into: &Path) -> Result<PathBuf, String> {
    println!("building {package}");
    demo::build(manifest, package, &["--release", "--target-dir", &into.to_string_lossy()])
}

/// What divan prints, kept in a file.
fn printed_by(name: &str, root: &Path, folder: &Path, extent: &str) -> Result<PathBuf, String> {
    let mut bench = cargo::command();
    bench.args(["bench", "--package", "logout-all", "--bench", name]).current_dir(root);
    bench.env("LOGOUT_ALL_BENCH", extent);
    let mut printed = Vec::new();
    finish(&mut bench, BUILD_LIMIT, &mut printed)?;
    let file = folder.join(format!("{name}.txt"));
    fs::write(&file, printed)
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    Ok(file)
}

fn finish(
    command: &mut Command,
    limit: Duration,
    output: &mut impl io::Write,
) -> Result<(), String> {
    match run::run(command, limit, output, |_| {})? {
        Ending::Well => Ok(()),
        ending => Err(format!("{} did not end well: {ending:?}", command.get_program().display())),
    }
}
