//! Activity of many sessions: one script reads them, the core's words decide, and one script writes
//! those that are as they were read. On a cluster a script cannot touch two users' slots, and each
//! session goes by itself.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use logout_all::{
    SessionRow, StoreError, StoreErrorKind,
    scheme::to_micros,
    store::{LookupAsked, Touch},
};
use tokio::task::JoinSet;

use crate::{
    change::{Contest, holds_until},
    fault::Fault,
    keys::{Layout, Whose},
    lookup::{Many, Stored},
    renew, row,
    script::{self, Call},
    shared::{COMMIT_WAIT, Read, Which, foreign, take},
    store::Inner,
};

/// How many sessions go together: their scripts hold the server up for less than a millisecond each.
const TOGETHER: usize = 64;
/// How many are under way at once on a cluster.
const AT_ONCE: usize = 32;

/// A session, and its touches in their order.
type Session = (LookupAsked, Vec<Touch>);

pub(crate) async fn touch(store: Arc<Inner>, touches: Vec<Touch>) -> Result<(), Fault> {
    let mut sessions: BTreeMap<LookupAsked, Vec<Touch>> = BTreeMap::new();
    for touch in touches {
        sessions.entry((touch.user.clone(), touch.guid)).or_default().push(touch);
    }
    match store.shared.keys.layout {
        Layout::Server => {
            let mut sessions = sessions.into_iter().peekable();
            while sessions.peek().is_some() {
                together(&store, sessions.by_ref().take(TOGETHER).collect()).await?;
            }
            Ok(())
        }
        Layout::Cluster => Ok(each(&store, sessions).await?),
    }
}

async fn together(store: &Inner, mut left: Vec<Session>) -> Result<(), Fault> {
    let mut contest = Contest::begin();
    loop {
        left = written(store, left).await?;
        if left.is_empty() {
            return Ok(());
        }
        contest.lost().await?;
    }
}

/// Gives those before whose writing another change came.
async fn written(store: &Inner, sessions: Vec<Session>) -> Result<Vec<Session>, Fault> {
    let shared = &store.shared;
    let asked: Vec<&LookupAsked> = sessions.iter().map(|(asked, _)| asked).collect();
    let Many { now, store: read, sessions: found, held } =
        shared.many(&store.writes, &asked).await?;
    let mut call = Call::new(&script::ROWS, &[&shared.keys.store])
        .with(&read.id)
        .with(&read.text)
        .with(shared.clock.offset_micros());
    let mut changed = Vec::new();
    for (session, stored) in sessions.into_iter().zip(found) {
        // Damage is told to whoever looks the session up, and holds up no other's activity.
        let Ok(stored) = stored else { continue };
        let Some((before, after)) = decided(&session, &stored, &read, now) else { continue };
        let ((user, guid), _) = &session;
        call.add(shared.keys.of_session(user), stored.epoch.unwrap_or_default());
        call.push(guid.to_string());
        call.push(stored.row);
        call.push(holds_until([&before]));
        call.push(row::pack(&after)?);
        call.push(to_micros(after.expires_at));
        changed.push(session);
    }
    if changed.is_empty() {
        return Ok(changed);
    }
    let answer = store.writes.call_over(held, &call, COMMIT_WAIT).await;
    let (answer, _) = answer.map_err(Fault::of_commit)?;
    let written: Vec<i64> = take(answer)?;
    if written.len() != changed.len() {
        return Err(foreign().into());
    }
    Ok(changed
        .into_iter()
        .zip(written)
        .filter(|(_, written)| *written == 0)
        .map(|(it, _)| it)
        .collect())
}

/// The row as it is and as it is to be; none where there is nothing to write.
fn decided(
    ((user, guid), touches): &Session,
    stored: &Stored,
    read: &Read,
    now: SystemTime,
) -> Option<(SessionRow, SessionRow)> {
    let before = row::unpack(user, *guid, stored.row.as_ref()?).ok()?;
    let lives = before.is_live(stored.epochs(read).ok()?, now);
    let after = renew::touched(&before, touches).filter(|_| lives)?;
    Some((before, after))
}

/// Tries every session; the first failure is told when all are done.
async fn each(
    store: &Arc<Inner>,
    sessions: BTreeMap<LookupAsked, Vec<Touch>>,
) -> Result<(), StoreError> {
    // Dropped half way, it stops the tasks that it began.
    let mut tasks: JoinSet<Result<(), StoreError>> = JoinSet::new();
    let mut outcome = Ok(());
    for ((user, guid), touches) in sessions {
        if tasks.len() == AT_ONCE {
            outcome = outcome.and(joined(&mut tasks).await);
        }
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let decide = |view: &_| renew::touch(view, &touches);
            let (whose, which) = (Whose::User(&user), Which::One(guid));
            let changed = store.shared.change(&store.writes, whose, which, decide).await;
            match changed.map_err(Fault::told) {
                // Told to whoever looks the session up.
                Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(()),
                changed => changed,
            }
        });
    }
    while !tasks.is_empty() {
        outcome = outcome.and(joined(&mut tasks).await);
    }
    outcome
}

async fn joined(tasks: &mut JoinSet<Result<(), StoreError>>) -> Result<(), StoreError> {
    match tasks.join_next().await {
        None => Ok(()),
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) => {
            let message = "the task of a Redis operation was stopped";
            Err(StoreError::new(StoreErrorKind::Stopped, message).with_cause(error))
        }
    }
}
