//! From the list of cases to trials.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use libtest_mimic::{Failed, Trial};
use logout_all::{Transport, Transports};
use tokio::{runtime::Runtime, sync::OnceCell};

use super::{
    Cell, Outcome, Violation, all,
    cell::{DynCell, Live, Settings},
    site::Site,
};
use crate::report::{Ended, Planned, Subject};

/// A case that takes longer has failed: a hang is a defect.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// One case of the list.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) scope: Scope,
    pub(super) run: Running,
}

type Running = for<'a> fn(&'a Site) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Under which transports a case runs, and how it then presents its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Under all; where both are on, over either.
    Each,
    /// Wherever Bearer is on, over it.
    Bearer,
    /// Wherever the cookie is on, over it.
    Cookie,
    /// Where Bearer alone is on.
    BearerAlone,
    /// Where the cookie alone is on.
    CookieAlone,
    /// Where both are on, once: the case says over which.
    Both,
}

/// The choices of transports, each with its word in the names of trials.
const WAYS_ON: [(Transports, &str); 3] =
    [(Transports::Bearer, "bearer"), (Transports::Cookie, "cookie"), (Transports::Both, "both")];

impl Scope {
    fn ways(self, transports: Transports) -> &'static [Transport] {
        const BEARER: &[Transport] = &[Transport::Bearer];
        const COOKIE: &[Transport] = &[Transport::Cookie];
        const EITHER: &[Transport] = &[Transport::Bearer, Transport::Cookie];
        match (self, transports) {
            (Self::Each, Transports::Both) => EITHER,
            (Self::Each | Self::Bearer | Self::BearerAlone, Transports::Bearer)
            | (Self::Bearer | Self::Both, Transports::Both) => BEARER,
            (Self::Each | Self::Cookie | Self::CookieAlone, Transports::Cookie)
            | (Self::Cookie, Transports::Both) => COOKIE,
            _ => &[],
        }
    }
}

/// The servers of one cell that cases share: one for each choice of transports, started when the
/// first case needs it, stopped when the last one is done.
struct Suite {
    cell: Arc<dyn DynCell>,
    shared: [OnceCell<Arc<Live>>; 3],
}

impl Suite {
    fn new(cell: impl Cell) -> Self {
        Self { cell: Arc::new(cell), shared: std::array::from_fn(|_| OnceCell::new()) }
    }

    async fn run(&self, case: Case, on: usize) -> Outcome {
        let (transports, _) = WAYS_ON[on];
        let start = || async {
            let settings = Settings::new(transports, self.cell.mode())?;
            Live::start(&*self.cell, settings).await.map_err(Violation::new)
        };
        let live = self.shared[on].get_or_try_init(start).await?;
        for way in case.scope.ways(transports) {
            let site = Site { cell: self.cell.clone(), live: live.clone(), way: *way };
            let outcome = tokio::time::timeout(TIME_LIMIT, (case.run)(&site)).await;
            let outcome =
                outcome.unwrap_or_else(|_| Err(format!("not done within {TIME_LIMIT:?}").into()));
            outcome.map_err(|violation| Violation::new(format!("over {way:?}: {violation}")))?;
        }
        Ok(())
    }
}

/// All cases for that cell, as trials for `libtest_mimic::run`.
pub fn trials(cell: impl Cell) -> Vec<Trial> {
    planned(cell).into_iter().map(Planned::trial).collect()
}

/// A whole run: what it is about, and its trials.
pub(crate) fn whole_run(cell: impl Cell) -> (Subject, Vec<Planned>) {
    let remarks = cell.quirks().iter().map(|quirk| format!("the server {quirk}")).collect();
    (Subject { what: "cases", over: cell.name(), remarks }, planned(cell))
}

fn planned(cell: impl Cell) -> Vec<Planned> {
    let name = cell.name();
    let suite = Arc::new(Suite::new(cell));
    let mut planned = Vec::new();
    for (on, (transports, word)) in WAYS_ON.into_iter().enumerate() {
        for case in all() {
            if case.scope.ways(transports).is_empty() {
                continue;
            }
            let suite = suite.clone();
            let trial = move || attempt(suite, case, on).map(|()| Ended::Passed);
            planned.push(Planned::new(format!("{name}::{word}::{}", case.name), word, trial));
        }
    }
    planned
}

/// Runs one case, by its name, against a server of its own: to see that the suite convicts what it
/// should.
///
/// # Errors
/// The [`Violation`] that it finds; also if there is no such case under these transports.
pub async fn run(cell: impl Cell, transports: Transports, name: &str) -> Outcome {
    let on = WAYS_ON.iter().position(|(known, _)| *known == transports);
    let case = all().into_iter().find(|case| case.name == name);
    let (Some(on), Some(case)) = (on, case) else {
        return Err(format!("there is no case {name}").into());
    };
    if case.scope.ways(transports).is_empty() {
        return Err(format!("{name} does not run under {transports:?}").into());
    }
    Suite::new(cell).run(case, on).await
}

fn attempt(suite: Arc<Suite>, case: Case, on: usize) -> Result<(), Failed> {
    let runtime = runtime().as_ref()?;
    // A task of its own: a panic in a case is a failure of that case.
    let task = runtime.spawn(async move {
        let outcome = suite.run(case, on).await;
        drop(suite);
        outcome
    });
    runtime.block_on(task).map_err(|stopped| stopped.to_string())?.map_err(Failed::from)
}

/// One runtime for all servers and clients of the process.
fn runtime() -> &'static Result<Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(4).enable_all().build().map_err(|why| why.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_runs_somewhere() {
        let cases = all();
        for (at, case) in cases.iter().enumerate() {
            assert!(cases[..at].iter().all(|other| other.name != case.name), "{}", case.name);
            assert!(WAYS_ON.iter().any(|(transports, _)| !case.scope.ways(*transports).is_empty()));
        }
    }
}
