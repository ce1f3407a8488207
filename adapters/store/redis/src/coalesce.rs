//! Who answers verifications from one server: all that wait go together, in one call of one
//! script. On a cluster a script cannot touch two users' slots, and each lookup goes by itself.
//!
//! What waits, who joins it, who is told what, and how batches follow one another is the core's
//! ([`logout_all::store::Lookups`]). Here a batch becomes a call.

use std::{sync::Arc, time::Duration};

use logout_all::store::{LookupAnswer, LookupAsked, Lookups, Pace, coalesce::Batch};
use tokio::runtime::Handle;

use crate::{line::Line, shared::Shared, store::VERB_WAIT};

/// While one call is answered, the next is on its way, and one that is slow holds nobody up who
/// comes later. A call of so many sessions holds the server up for less than a millisecond; a server
/// that is silent is sent no more than sixteen of them.
const PACE: Pace =
    Pace { together: 64, abreast: 2, patience: Duration::from_millis(10), under_way: 16 };

/// Starts the tasks on the store's runtime. They end when the lookups are dropped.
pub(crate) fn start(line: &Line, shared: &Arc<Shared>, runtime: &Handle) -> Lookups {
    let (line, shared) = (line.clone(), Arc::clone(shared));
    Lookups::answered("Redis", VERB_WAIT, PACE, runtime, move |batch| {
        answer(line.clone(), Arc::clone(&shared), batch)
    })
}

async fn answer(line: Line, shared: Arc<Shared>, batch: Batch<LookupAsked, LookupAnswer>) {
    let asked: Vec<&LookupAsked> = batch.questions().collect();
    match shared.lookups(&line, &asked).await {
        Ok(answers) => {
            for (asked, answer) in batch.into_iter().zip(answers) {
                asked.answer(answer);
            }
        }
        Err(fault) => {
            let told = fault.told();
            for asked in batch {
                asked.answer(Err(told.clone()));
            }
        }
    }
}
