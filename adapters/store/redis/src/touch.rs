//! Activity of many sessions, written beside one another over one connection.

use std::{collections::HashMap, sync::Arc};

use logout_all::{Guid, UserId, store::Touch};
use tokio::task::JoinSet;

use crate::{fault::Fault, keys::Whose, renew, shared::Which, store::Inner};

/// How many sessions are under way at once.
const AT_ONCE: usize = 32;

/// Tries every session; the first failure is told when all are done.
pub(crate) async fn touch(store: Arc<Inner>, touches: Vec<Touch>) -> Result<(), Fault> {
    let mut sessions: HashMap<(UserId, Guid), Vec<Touch>> = HashMap::new();
    for touch in touches {
        sessions.entry((touch.user.clone(), touch.guid)).or_default().push(touch);
    }
    // Dropped half way, it stops the tasks that it began.
    let mut tasks: JoinSet<Result<(), Fault>> = JoinSet::new();
    let mut outcome = Ok(());
    for ((user, guid), touches) in sessions {
        if tasks.len() == AT_ONCE {
            outcome = outcome.and(joined(&mut tasks).await);
        }
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let decide = |view: &_| renew::touch(view, &touches);
            let (whose, which) = (Whose::User(&user), Which::One(guid));
            store.shared.change(&store.writes, whose, which, decide).await
        });
    }
    while !tasks.is_empty() {
        outcome = outcome.and(joined(&mut tasks).await);
    }
    outcome
}

async fn joined(tasks: &mut JoinSet<Result<(), Fault>>) -> Result<(), Fault> {
    match tasks.join_next().await {
        None => Ok(()),
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) => {
            use logout_all::{StoreError, StoreErrorKind};
            let message = "the task of a Redis operation was stopped";
            Err(StoreError::new(StoreErrorKind::Stopped, message).with_cause(error).into())
        }
    }
}
