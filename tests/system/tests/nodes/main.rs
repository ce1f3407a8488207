//! Many nodes: three processes of three frameworks on one store, every call recorded, and one law over
//! the whole history (`docs/consistency.md`). The checker is tested by histories made by hand
//! and by nodes in this process that are broken on purpose. Strict mode is judged by a stronger law
//! beside it, over short windows.
//!
//! `NODES_ROUNDS=10000` runs the long form. Trials are named `store::mode::rounds`; and
//! `framework::store::cached::case` is a case of `programs` that ends a session, on two processes in cached
//! mode.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(dead_code, reason = "what is shared is used in part")]

#[path = "../../../../core/tests/histories/checker.rs"]
mod checker;
#[path = "../database/mod.rs"]
mod database;
#[path = "../../../../core/tests/cached/store.rs"]
mod door;
#[path = "../programs/endings.rs"]
mod endings;
#[path = "../../../../core/tests/histories/history.rs"]
mod history;
#[path = "../programs/home.rs"]
mod home;
#[path = "../keys/mod.rs"]
mod keys;
#[path = "../programs/pair.rs"]
mod pair;
#[path = "../proxy/pooling.rs"]
mod pooling;
#[path = "../postgres_faults/postgres.rs"]
mod postgres;
#[path = "../programs/program.rs"]
mod program;
#[path = "../proxy/mod.rs"]
mod proxy;
#[path = "../../../../adapters/store/redis/tests/redis_store/server.rs"]
mod redis_server;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../talk/mod.rs"]
mod talk;

mod begun;
mod behind;
mod by_hand;
mod client;
mod exact;
mod faults;
mod load;
mod networks;
mod outage;
mod rounds;
mod twins;
mod windows;

use std::{future::Future, process::ExitCode, sync::Arc};

use database::Gone;
use libtest_mimic::{Arguments, Trial};
use pair::{Case, Ends, Mode, Pair};
use servers::{Framework, Store};

/// Histories made by hand.
macro_rules! by_hand {
    ($($name:ident,)*) => {
        [$((stringify!($name), by_hand::$name as fn())),*]
    };
}

/// Nodes in this process, sound and broken.
macro_rules! twins {
    ($($name:ident,)*) => {
        [$(trial(concat!("twins::", stringify!($name)).to_owned(), twins::$name)),*]
    };
}

/// Nodes in cached mode, under a fault.
macro_rules! cached {
    ($store:ident: $($module:ident::$name:ident,)*) => {
        [$(trial(format!("{}::cached::{}", $store.name(), stringify!($name)), move || {
            $module::$name($store)
        })),*]
    };
}

fn trial<F: Future<Output = ()>>(name: String, test: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(test());
        Ok(())
    })
}

fn main() -> ExitCode {
    if let Some(framework) = program::wanted() {
        return program::run(framework);
    }
    let arguments = Arguments::from_args();
    let _gone = Gone;
    let mut trials: Vec<Trial> = by_hand![
        an_acceptance_that_starts_after_the_return_is_found,
        a_call_that_overlaps_the_logout_may_be_accepted,
        a_failed_logout_promises_nothing_and_its_retry_does,
        the_first_return_counts,
        a_device_ends_alone_and_all_end_together,
        a_login_that_began_after_the_logout_is_not_covered,
        what_a_single_server_might_have_answered_is_linearizable,
        what_no_single_server_would_have_answered_is_not,
    ]
    .into_iter()
    .map(|(name, test)| {
        Trial::test(format!("by_hand::{name}"), move || {
            test();
            Ok(())
        })
    })
    .collect();
    trials.extend(twins![
        sound_nodes_are_acquitted,
        a_node_that_ignores_the_journal_is_convicted,
        a_logout_that_does_not_settle_is_convicted,
        sound_windows_are_linearizable,
        a_rotation_by_insert_and_delete_is_convicted,
        two_rotations_of_one_token_are_convicted,
    ]);
    let mut pairs = Vec::new();
    for store in [Store::Postgres, Store::Redis] {
        for mode in ["strict", "cached"] {
            let name = format!("{}::{mode}::rounds", store.name());
            trials.push(trial(name, move || rounds::run(store, mode)));
        }
        trials.extend(cached![store:
            faults::a_node_that_was_stopped_lets_nobody_in,
            faults::a_longer_lease_joins_and_is_lowered_again,
            begun::a_login_under_way_is_refused_or_over,
            networks::polls_are_delayed_lost_and_cut,
            networks::wake_ups_never_come,
            outage::the_store_is_killed_under_load,
        ]);
        if store == Store::Postgres {
            trials.extend(cached![store:
                faults::a_row_deleted_by_hand_is_final_a_lease_later,
                networks::polls_are_moved_between_connections,
            ]);
        }
    }
    for store in [Store::Sqlite, Store::Postgres, Store::Redis] {
        let name = format!("{}::strict::windows", store.name());
        trials.push(trial(name, move || windows::are_linearizable(store)));
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
    // The pairs end after the last trial, and before what they stand on.
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
