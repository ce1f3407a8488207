//! The servers that tests need, brought by this program: found or installed, started on loopback
//! in a folder of their own, and gone when this program ends, however it ends.
//!
//! Here stands which store needs which server. What is the same for any server is in [`guarded`]
//! and [`owner`], what is one server's own in a module of its name.

mod fetch;
mod guarded;
mod owner;
mod postgres;
mod redis;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use clap::ValueEnum;

use fetch::Source;
pub(crate) use guarded::end_all;

use crate::cargo::Workspace;
use crate::cells::LAYOUTS;
use crate::interrupt;
use crate::parts::{Part, Selection};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// A PostgreSQL server.
    Postgres,
    /// A Redis or Valkey server, and a cluster of three.
    Redis,
}

impl Service {
    /// The name of its store.
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }

    /// The variable that names a server of the caller's.
    fn url(self) -> &'static str {
        match self {
            Self::Postgres => postgres::URL,
            Self::Redis => redis::URL,
        }
    }

    fn start(self, sources: Sources, target: &Path, purpose: Purpose) -> Result<Server, String> {
        match self {
            Self::Postgres => postgres::start(sources.postgres_from, target, purpose),
            Self::Redis => redis::start(sources.redis_from, target),
        }
    }
}

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be quick.
    Testing,
    /// To be as it would be run.
    Measuring,
}

/// The stores that need a server. A store gets its server as soon as it is one of
/// [`cells::STORES`](crate::cells::STORES) too; until then nothing is started for it.
const NEEDS: &[(&str, Service)] = &[("postgres", Service::Postgres), ("redis", Service::Redis)];

/// Where servers come from, as both tasks with servers take it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Sources {
    /// Start a PostgreSQL of this origin, whatever else there is.
    #[arg(long, value_enum, value_name = "SOURCE")]
    postgres_from: Option<Source>,
    /// Start a Redis or Valkey of this origin, whatever else there is.
    #[arg(long, value_enum, value_name = "SOURCE")]
    redis_from: Option<Source>,
}

impl Sources {
    fn of(self, service: Service) -> Option<Source> {
        match service {
            Service::Postgres => self.postgres_from,
            Service::Redis => self.redis_from,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The server to start.
    service: Service,
    #[command(flatten)]
    sources: Sources,
}

/// `cargo xtask services NAME`: one server, until Ctrl-C.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    interrupt::watch()?;
    let target = Workspace::read()?.target_folder();
    let server = arguments.service.start(arguments.sources, &target, Purpose::Testing)?;
    println!("{}: process {}, in {}", server.title(), server.pid, server.home.folder().display());
    for (name, value) in &server.environment {
        println!("export {name}='{}'", value.display());
    }
    println!("Ctrl-C stops it and removes its data");
    loop {
        for home in std::iter::once(&server.home).chain(&server.beside) {
            if let Some(status) = home.ended()? {
                return Err(format!("a server ended by itself with {status}"));
            }
        }
        sleep(Duration::from_millis(200));
    }
}

/// The servers of one `test-all`. They end with this value.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    running: Vec<Server>,
}

impl Servers {
    pub(crate) fn start(
        needed: &[Service],
        sources: Sources,
        workspace: &Workspace,
        purpose: Purpose,
    ) -> Result<Self, String> {
        let mut servers = Self::default();
        for service in needed {
            let (name, url) = (service.name(), service.url());
            // What is measured is emptied and tuned: never a server that somebody else may use.
            let may_be_given = purpose == Purpose::Testing && sources.of(*service).is_none();
            if may_be_given && env::var_os(url).is_some() {
                println!("{url} is set: its server is used, and none started");
                continue;
            }
            let target = workspace.target_folder();
            let server = service
                .start(sources, &target, purpose)
                .map_err(|error| format!("{error}; or leave it out: `--without {name}`"))?;
            println!("{} is started", server.title());
            servers.running.push(server);
        }
        Ok(servers)
    }

    /// Tells the tests of a part where the servers are.
    pub(crate) fn tell(&self, command: &mut Command) {
        for server in &self.running {
            command.envs(server.environment.iter().map(|(name, value)| (*name, value)));
        }
    }

    /// The name and the version of each server that was started.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.running.iter().map(|server| (server.name, server.version.as_str()))
    }
}

/// A server that takes connections.
#[derive(Debug)]
struct Server {
    /// The name of its store.
    name: &'static str,
    version: String,
    /// The folder of its programs.
    programs: PathBuf,
    pid: u32,
    environment: Vec<(&'static str, OsString)>,
    home: guarded::Guarded,
    /// Others that it came with.
    beside: Vec<guarded::Guarded>,
}

impl Server {
    fn title(&self) -> String {
        format!("{} {} from {}", self.name, self.version, self.programs.display())
    }
}

/// The servers that the chosen parts need for these stores. A filter that names another store
/// needs none, nor does a store that was left out by name.
pub(crate) fn needed(stores: &[&str], parts: &[Part], selection: Selection<'_>) -> Vec<Service> {
    let named = selection.filter.into_iter().flat_map(|filter| filter.split("::"));
    let store_of = |name| LAYOUTS.iter().find(|(layout, _)| *layout == name);
    let segments: Vec<&str> =
        named.map(|name| store_of(name).map_or(name, |(_, store)| *store)).collect();
    let any_part = parts.iter().any(|part| part.may_use_servers());
    NEEDS
        .iter()
        .filter(|(store, _)| any_part && stores.contains(store))
        .filter(|(store, _)| !selection.without.iter().any(|name| name == store))
        .filter(|(store, _)| {
            segments.contains(store) || !segments.iter().any(|name| stores.contains(name))
        })
        .map(|(_, service)| *service)
        .collect()
}

fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port on 127.0.0.1: {error}"))
}

/// The end of a server's log, for an error.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// What a command prints, if it is there and ends well.
fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORES: &[&str] = &["memory", "sqlite", "postgres", "redis"];

    /// The names of the servers that are started.
    fn of(parts: &[Part], filter: Option<&str>, without: &[&str]) -> Vec<&'static str> {
        let without: Vec<String> = without.iter().map(|name| (*name).to_owned()).collect();
        let needed = needed(STORES, parts, Selection { filter, without: &without });
        needed.into_iter().map(Service::name).collect()
    }

    #[test]
    fn a_server_is_started_only_for_a_part_that_may_use_it() {
        for part in [Part::Unit, Part::Laws, Part::Cases, Part::System] {
            assert_eq!(of(&[Part::Fmt, part], None, &[]), ["postgres", "redis"], "{part}");
        }
        let others = [Part::Fmt, Part::Lint, Part::Docs, Part::Doctests, Part::Package];
        assert!(of(&others, None, &[]).is_empty());
    }

    #[test]
    fn no_server_is_started_for_a_store_left_out_by_name() {
        assert_eq!(of(&[Part::Laws], None, &["postgres"]), ["redis"]);
        assert_eq!(of(&[Part::Laws], None, &["redis", "axum::postgres"]), ["postgres"]);
    }

    #[test]
    fn a_filter_for_another_store_starts_none() {
        assert!(of(&[Part::Cases], Some("axum::sqlite::cookie"), &[]).is_empty());
        assert_eq!(of(&[Part::Cases], Some("axum::postgres"), &[]), ["postgres"]);
        assert_eq!(of(&[Part::Cases], Some("axum::redis"), &[]), ["redis"]);
        assert_eq!(of(&[Part::Laws], Some("redis-cluster::l01"), &[]), ["redis"]);
        assert_eq!(of(&[Part::Cases], Some("renew_is_replayed"), &[]), ["postgres", "redis"]);
    }

    #[test]
    fn a_store_that_is_not_in_the_table_gets_no_server() {
        let selection = Selection { filter: None, without: &[] };

        assert_eq!(needed(&["memory"], &[Part::Laws], selection), []);
    }
}
