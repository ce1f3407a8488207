//! Who answers verifications: all that wait together in one statement over one connection. A
//! second connection costs the server more than it gains; it is the spare.
//!
//! What waits, who joins it, who is told what, and how batches follow one another is the core's
//! ([`logout_all::store::Lookups`]). Here a batch becomes a statement, or a few.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use logout_all::store::{
    LookupAnswer, LookupAsked, Lookups, Pace,
    coalesce::{Asked, Batch},
};
use tokio::runtime::Handle;

use crate::{
    lane::{Lane, Repeat, Shared, VERB_WAIT},
    lookup,
};

/// The one in use, and the spare.
pub(crate) const CONNECTIONS: usize = 2;

/// Beyond some hundred sessions in one statement nothing gets cheaper. The next batch goes over the
/// spare while an answer does not come; then both connections are taken.
const PACE: Pace = Pace {
    together: 256,
    abreast: 1,
    patience: Duration::from_millis(200),
    under_way: CONNECTIONS,
};

/// So many statements of one batch may fail by one of their rows; then all that is left is told that
/// failure. Four rows in the largest batch are found with fewer. A condition of the application's
/// that fails for everybody would else cost two statements for each session.
const FAILURES: usize = 32;

/// Starts the task on the store's runtime. It ends when the lookups are dropped.
pub(crate) fn start(lane: Lane, shared: Arc<Shared>, runtime: &Handle) -> Lookups {
    Lookups::answered("PostgreSQL", VERB_WAIT, PACE, runtime, move |batch| {
        answer(lane.clone(), Arc::clone(&shared), batch)
    })
}

/// One statement, unless it fails by one of its rows: then each half by itself, until the row is
/// alone with its failure. The larger parts go first, and each is answered as soon as it is known.
async fn answer(lane: Lane, shared: Arc<Shared>, batch: Batch<LookupAsked, LookupAnswer>) {
    let mut parts: VecDeque<Vec<Asked<_, _>>> = VecDeque::from([batch.into_iter().collect()]);
    let mut failures = 0;
    while let Some(mut part) = parts.pop_front() {
        let questions: Vec<LookupAsked> =
            part.iter().map(|asked| asked.question().clone()).collect();
        let found = lane.here(&shared, Repeat::Always, &questions[..], lookup::lookups).await;
        let fault = match found {
            Ok(answers) => {
                for (asked, answer) in part.into_iter().zip(answers) {
                    asked.answer(answer);
                }
                continue;
            }
            Err(fault) => fault,
        };
        let of_a_row = fault.is_of_a_row();
        failures += usize::from(of_a_row);
        if of_a_row && failures < FAILURES && part.len() > 1 {
            let second = part.split_off(part.len() / 2);
            parts.extend([part, second]);
            continue;
        }
        let told = fault.told();
        if of_a_row && failures == FAILURES {
            part.extend(parts.drain(..).flatten());
        }
        for asked in part {
            asked.answer(Err(told.clone()));
        }
    }
}
