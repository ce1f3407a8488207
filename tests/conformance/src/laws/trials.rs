//! Runs a law over a store, with a limit on its time, and judges what it says.

use std::{
    any::Any,
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use libtest_mimic::{Failed, Trial};
use logout_all::{SessionStore, store::JournalOrder};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

use super::{
    bench::{Bench, Verdict, Violation},
    factory::{FactoryError, Fresh, StoreFactory},
};
use crate::report::{Ended, Planned};

/// A law, as the list has it.
pub(super) type Law = for<'a> fn(&'a Bench) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// No law takes longer, over whatever store.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// How long a verb may take to answer (L2).
const PATIENCE: Duration = Duration::from_secs(10);
/// The same over a broken twin, which is in memory and answers at once or never.
const PATIENCE_WITH_TWINS: Duration = Duration::from_millis(500);

/// A trial that passes if the law holds.
pub(super) fn holds<F: StoreFactory>(factory: &Arc<F>, name: &str, law: Law) -> Planned {
    let factory = Arc::clone(factory);
    Planned::new(format!("{}::{name}", factory.name()), "laws", move || {
        match run(&*factory, law, PATIENCE)? {
            Ok(()) => Ok(Ended::Passed),
            Err(Violation::NotApplicable(why)) => Ok(Ended::NotApplicable(why)),
            Err(Violation::Lacking(what)) => Ok(Ended::NotTried(what)),
            Err(Violation::Broken(why) | Violation::Failed(why)) => Err(why.into()),
        }
    })
}

/// A trial that passes if the law, by its own finding, convicts the store.
pub(super) fn convicts<F: StoreFactory>(factory: F, name: String, law: Law) -> Trial {
    Trial::test(name, move || match run(&factory, law, PATIENCE_WITH_TWINS)? {
        Err(Violation::Broken(_)) => Ok(()),
        Ok(()) => Err("the law held over a store that is broken on purpose".into()),
        Err(Violation::Failed(why)) => Err(format!("not by the law's own finding: {why}").into()),
        Err(Violation::Lacking(why) | Violation::NotApplicable(why)) => Err(why.into()),
    })
}

/// Runs something on the runtime that all trials share.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, FactoryError> {
    Ok(runtime()?.block_on(work))
}

fn run<F: StoreFactory>(factory: &F, law: Law, patience: Duration) -> Result<Verdict, Failed> {
    let runtime = runtime().map_err(|why| format!("no runtime: {why}"))?;
    let trial = async {
        let fresh = factory.fresh().await.map_err(|why| format!("no fresh store: {why}"))?;
        let (mut bench, keep_alive) = bench(fresh, factory.rounds(), patience);
        bench.journal_order = factory.journal_order();
        // In a task of its own: a panic comes back as an error.
        let mut task = JoinSet::new();
        task.spawn(async move { law(&bench).await });
        let verdict = task.join_next().await.ok_or("the law was not run")?;
        drop(keep_alive);
        verdict.map_err(|why| Failed::from(format!("the law did not end: {why}")))
    };
    let late = |_| Failed::from(format!("no verdict within {TIME_LIMIT:?}"));
    runtime.block_on(async { tokio::time::timeout(TIME_LIMIT, trial).await.map_err(late)? })
}

fn bench<S: SessionStore>(
    fresh: Fresh<S>,
    rounds: usize,
    patience: Duration,
) -> (Bench, Vec<Box<dyn Any + Send>>) {
    let bench = Bench {
        store: Arc::new(fresh.store),
        second: fresh.second.map(|second| Arc::new(second) as _),
        clock: fresh.clock,
        journal_order: JournalOrder::Common,
        users: fresh.users,
        rounds: rounds.max(1),
        patience,
    };
    (bench, fresh.keep_alive)
}

fn runtime() -> Result<&'static Runtime, FactoryError> {
    static SHARED: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let build = || {
        // More threads than a small machine has cores: so races are preempted in odd places.
        let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build();
        runtime.map_err(|why| why.to_string())
    };
    SHARED.get_or_init(build).as_ref().map_err(|why| why.clone().into())
}
