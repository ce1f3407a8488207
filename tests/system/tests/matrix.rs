//! The HTTP cases over every framework and every store: one behaviour, whatever it is made of.

mod database;
mod keys;
mod servers;

use std::{process::ExitCode, time::Duration};

use database::Gone;
use libtest_mimic::{Arguments, Trial};
use logout_all::{Clock, Mode, SessionStore, SessionsBuilder};
use logout_all_conformance::cases::{Cell, Quirk, Running, Settings, trials};
use servers::{Framework, Setup, Store};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases wait for commits and leases, more than they compute.
    arguments.test_threads.get_or_insert(6);
    let _gone = Gone;
    let mut all: Vec<Trial> = Vec::new();
    let rows = Store::ALL.map(|store| (store, &Framework::ALL[..]));
    // Another layout of a store that is in the table: one framework shows that nothing differs.
    let layout = (Store::RedisCluster, &[Framework::Axum][..]);
    for (store, frameworks) in rows.into_iter().chain([layout]) {
        let cells =
            frameworks.iter().flat_map(|framework| Example::in_each_mode(*framework, store));
        let trials: Vec<Trial> = cells.flat_map(trials).collect();
        // Nothing is asked of a server that no trial of this run needs.
        if !arguments.list && trials.iter().any(|trial| is_chosen(&arguments, trial.name())) {
            match version(store) {
                Ok(version) => println!("version: {} {version}", store.name()),
                // The trials will fail, each with the reason.
                Err(why) => println!("version: {} unknown: {why}", store.name()),
            }
        }
        all.extend(trials);
    }
    libtest_mimic::run(&arguments, all).exit_code()
}

/// Whether the run of these arguments has that trial in it.
fn is_chosen(arguments: &Arguments, trial: &str) -> bool {
    let is = |pattern: &String| {
        if arguments.exact { trial == pattern } else { trial.contains(pattern.as_str()) }
    };
    arguments.filter.iter().all(is) && !arguments.skip.iter().any(is)
}

fn version(store: Store) -> Result<String, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(store.version())
}

/// An example over one of the stores, in one mode.
struct Example {
    framework: Framework,
    store: Store,
    mode: Mode,
}

impl Example {
    fn in_each_mode(framework: Framework, store: Store) -> impl Iterator<Item = Self> {
        let cached = Mode::cached().lease(Duration::from_millis(50)).into();
        // Announcements cross the nodes of a cluster out of order.
        let modes = if store == Store::RedisCluster { 1 } else { 2 };
        let modes = [Mode::Strict, cached].into_iter().take(modes);
        modes.map(move |mode| Self { framework, store, mode })
    }
}

impl Cell for Example {
    fn name(&self) -> String {
        let name = format!("{}::{}", self.framework.name(), self.store.name());
        if self.mode == Mode::Strict { name } else { format!("{name}::cached") }
    }

    fn mode(&self) -> Mode {
        self.mode.clone()
    }

    async fn start(&self, settings: Settings) -> Result<Running, String> {
        let server = servers::start(self.framework, self.store, &settings).await?;
        let accounts = server.accounts;
        let add = move |name: String, password: String| {
            let accounts = accounts.clone();
            async move {
                let id = accounts.add(&name, &password).await.map_err(|why| format!("{why:?}"))?;
                Ok(id.to_string())
            }
        };
        let running = Running::new(server.address, server.sessions, server.admin_token, add);
        Ok(running.keeping(server.kept))
    }

    fn quirks(&self) -> &'static [Quirk] {
        match self.framework {
            Framework::Axum => &[],
            Framework::Actix => &[Quirk::NoticesLeaversLate],
            Framework::Rocket => {
                &[Quirk::DropsLinesNotInUtf8, Quirk::WaitsForBodies, Quirk::NoticesLeaversLate]
            }
        }
    }
}

impl Setup for Settings {
    fn clock(&self) -> Clock {
        self.clock()
    }

    fn sessions(&self, store: impl SessionStore) -> SessionsBuilder {
        self.sessions(store)
    }
}
