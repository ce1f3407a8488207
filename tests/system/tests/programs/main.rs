//! The example servers as processes, over every framework: what they print, restarts, two processes
//! on one database in every case that ends a session, the end at a signal, and clients that
//! disconnect.
//!
//! The server is this program itself, started once more with a variable that names the framework:
//! its `main` is then what `main` of every example is. Trials are named `framework::store::what`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../database/mod.rs"]
mod database;
#[path = "../keys/mod.rs"]
mod keys;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../talk/mod.rs"]
mod talk;

mod breaking;
mod dice;
mod disconnects;
mod ending;
mod endings;
mod home;
mod measured;
#[allow(dead_code, reason = "`nodes` runs them in cached mode")]
mod pair;
mod printed;
mod program;
mod records;
mod restart;
mod wanderer;

use std::{future::Future, pin::Pin, process::ExitCode, sync::Arc};

use database::Gone;
use home::Home;
use libtest_mimic::{Arguments, Trial};
use pair::{Case, Ends, Mode, Pair};
use servers::{Framework, Store};

/// A test that starts processes of its own.
type Alone = fn(Home) -> Pin<Box<dyn Future<Output = ()>>>;

/// Each with its name.
macro_rules! named {
    ($($path:path),* $(,)?) => {
        [$((stringify!($path), |home| Box::pin($path(home)))),*]
    };
}

const IN_MEMORY: [(&str, Alone); 2] = named![
    printed::the_three_printed_lines_work,
    printed::what_cannot_be_is_said_and_nothing_is_started,
];

const OUTLIVED_BY_A_STORE: [(&str, Alone); 5] = named![
    measured::a_node_measures_what_happened,
    measured::a_node_in_cached_mode_measures_cache_lease_and_lag,
    restart::sessions_and_passwords_survive_a_restart_and_a_logout_does_too,
    restart::two_processes_that_start_at_once_agree,
    restart::no_secret_is_printed_or_logged_at_any_level,
];

/// Where password and logouts change in one transaction: over Redis they are two changes.
const ON_A_DATABASE: [(&str, Alone); 1] =
    named![disconnects::clients_that_disconnect_leave_nothing_half_done];

const AT_THE_END: [(&str, Alone); 5] = named![
    ending::a_request_in_flight_finishes_after_the_signal,
    ending::logins_that_are_hashed_finish_after_the_signal,
    ending::what_is_answered_at_the_end_is_there_after_a_restart,
    ending::idle_connections_do_not_hold_up_the_end,
    ending::half_sent_requests_do_not_hold_up_the_end_for_ever,
];

fn main() -> ExitCode {
    if let Some(framework) = program::wanted() {
        return program::run(framework);
    }
    let arguments = Arguments::from_args();
    let _gone = Gone;
    let mut trials = Vec::new();
    let mut pairs = Vec::new();
    for framework in Framework::ALL {
        trials.extend(alone(framework, Store::Memory, &IN_MEMORY));
        trials.extend(alone(framework, Store::Sqlite, &AT_THE_END));
        for store in [Store::Sqlite, Store::Postgres, Store::Redis] {
            trials.extend(alone(framework, store, &OUTLIVED_BY_A_STORE));
            if store != Store::Redis {
                trials.extend(alone(framework, store, &ON_A_DATABASE));
            }
            let pair = Arc::new(Pair::new(framework, store, Mode::Strict));
            trials.extend(shared(&pair, endings::CASES, Ends::ItsUsers));
            if store == Store::Postgres {
                trials.extend(shared(&pair, endings::BY_FUNCTION, Ends::ItsUsers));
                trials.extend(shared(&pair, endings::OF_EVERYBODY, Ends::Everybodys));
            }
            pairs.push(pair);
        }
    }
    // The pairs end after the last trial, and before what they stand on.
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(pairs);
    conclusion.exit_code()
}

fn alone(
    framework: Framework,
    store: Store,
    tests: &'static [(&str, Alone)],
) -> impl Iterator<Item = Trial> {
    tests.iter().map(move |(path, test)| {
        trial(framework, store, path, move || async move {
            test(Home::new(framework, store).await).await;
        })
    })
}

/// Trials that share two processes, each with a user of its own.
fn shared(
    pair: &Arc<Pair>,
    cases: &'static [(&str, Case)],
    ends: Ends,
) -> impl Iterator<Item = Trial> {
    cases.iter().map(move |(name, case)| {
        let pair = Arc::clone(pair);
        trial(pair.framework(), pair.store(), name, move || async move {
            pair.run(name, ends, *case).await;
        })
    })
}

fn trial<F: Future<Output = ()>>(
    framework: Framework,
    store: Store,
    path: &str,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    let name = path.rsplit("::").next().unwrap_or(path);
    Trial::test(format!("{}::{}::{name}", framework.name(), store.name()), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(test());
        Ok(())
    })
}
