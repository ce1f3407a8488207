//! Many nodes: example servers as processes, on one store, in both modes. After a logout has returned
//! on one node, whatever starts later on any node is denied.
//!
//! - `framework::store::cached::…`: every case of `programs` that ends a session, on two processes in
//!   cached mode.
//! - `rounds::store::mode`: three processes of three frameworks, clients on all of them, every call
//!   recorded and judged by [`history`].
//!
//! ```sh
//! NODES_ROUNDS=10000 cargo test -p logout-all-system-tests --test nodes -- rounds::
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../database/mod.rs"]
mod database;
#[path = "../programs/endings.rs"]
mod endings;
mod history;
#[path = "../programs/home.rs"]
#[allow(dead_code, reason = "`programs` uses the rest")]
mod home;
#[path = "../keys/mod.rs"]
mod keys;
#[path = "../programs/pair.rs"]
#[allow(dead_code, reason = "`programs` uses the rest")]
mod pair;
#[path = "../programs/program.rs"]
#[allow(dead_code, reason = "`programs` uses the rest")]
mod program;
mod rounds;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../talk/mod.rs"]
mod talk;
mod twins;

use std::{future::Future, process::ExitCode, sync::Arc};

use database::Gone;
use libtest_mimic::{Arguments, Trial};
use pair::{Case, Ends, Mode, Pair};
use servers::{Framework, Store};

/// Those that a strict and a cached node can share.
const STORES: [Store; 2] = [Store::Postgres, Store::Redis];

fn main() -> ExitCode {
    if let Some(framework) = program::wanted() {
        return program::run(framework);
    }
    let arguments = Arguments::from_args();
    let _gone = Gone;
    let mut trials = history::trials();
    let mut pairs = Vec::new();
    for store in STORES {
        for mode in [Mode::Strict, Mode::Cached] {
            let name = format!("rounds::{}::{}", store.name(), rounds::name(mode));
            trials.push(trial(name, move || rounds::are_final_on_every_node(store, mode)));
        }
        let name = format!("rounds::{}::what_does_not_settle_is_convicted", store.name());
        trials.push(trial(name, move || twins::what_does_not_settle_is_convicted(store)));
        for framework in Framework::ALL {
            let pair = Arc::new(Pair::new(framework, store, Mode::Cached));
            trials.extend(shared(&pair, endings::CASES, Ends::ItsUsers));
            if store == Store::Postgres {
                trials.extend(shared(&pair, endings::BY_FUNCTION, Ends::ItsUsers));
                trials.extend(shared(&pair, endings::OF_EVERYBODY, Ends::Everybodys));
            }
            pairs.push(pair);
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(pairs);
    conclusion.exit_code()
}

fn shared(
    pair: &Arc<Pair>,
    cases: &'static [(&str, Case)],
    ends: Ends,
) -> impl Iterator<Item = Trial> {
    cases.iter().map(move |(case_name, case)| {
        let pair = Arc::clone(pair);
        let (framework, store) = (pair.framework().name(), pair.store().name());
        let name = format!("{framework}::{store}::cached::{case_name}");
        trial(name, move || async move { pair.run(case_name, ends, *case).await })
    })
}

fn trial<F: Future<Output = ()>>(name: String, test: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(test());
        Ok(())
    })
}
