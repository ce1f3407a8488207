//! What is dead goes: rows that a user's other rows keep from vanishing by themselves, and the
//! journal's entries past their time.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use logout_all::{JournalEntry, SessionRow, UserId, scheme::to_micros, store::Swept};
use redis::Value;
use uuid::Uuid;

use crate::{
    change::{Decision, Index, Plan},
    fault::Fault,
    journal,
    keys::{Layout, Whose},
    line::Line,
    script::{self, Call},
    shared::{COMMIT_WAIT, Shared, Stored, View, Which, next, number, take},
};

/// How long one batch takes at most.
const BATCH_TIME: Duration = Duration::from_secs(5);
/// After this a sweeper that does not say that it is done, as its node died, is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

/// Nothing is removed while another sweeper is at it.
pub(crate) async fn sweep(shared: &Shared, line: &Line, limit: usize) -> Result<Swept, Fault> {
    if limit == 0 {
        return Ok(Swept::default());
    }
    let sweeper = Uuid::new_v4().to_string();
    let swept = sweep_as(shared, line, limit, &sweeper).await;
    let done = Call::new(&script::SWEPT, &[&shared.keys.sweeping]).with(&sweeper);
    // If it cannot be said, it is forgotten.
    let _ = line.call(&done, COMMIT_WAIT).await;
    swept
}

async fn sweep_as(
    shared: &Shared,
    line: &Line,
    limit: usize,
    sweeper: &str,
) -> Result<Swept, Fault> {
    let begun = Instant::now();
    let mut swept = Swept::default();
    let mut outcome = Ok(());
    let mut visited = BTreeSet::new();
    let mut journal = None;
    while let Some(due) = ask(shared, line, limit, sweeper).await? {
        let users: Vec<String> = due.users.difference(&visited).cloned().collect();
        journal.get_or_insert(due.past);
        for user in &users {
            // What cannot be an id was written by another hand.
            let Ok(user) = UserId::new(user) else { continue };
            match sweep_user(shared, line, &user, limit - swept.sessions).await {
                Ok(count) => swept.sessions += count,
                // A node of a cluster that is away keeps no other user from being swept.
                Err(fault) if shared.keys.layout == Layout::Cluster => outcome = Err(fault),
                Err(fault) => return Err(fault),
            }
            if swept.sessions == limit || begun.elapsed() > BATCH_TIME {
                break;
            }
        }
        // Most that were due may have lived on, and have another place now: there may be more.
        if swept.sessions == limit || users.len() < limit || begun.elapsed() > BATCH_TIME {
            break;
        }
        visited.extend(users);
    }
    if swept.sessions == 0 {
        outcome?;
    }
    let past = journal.unwrap_or_default();
    if !past.is_empty() {
        let mut call = Call::new(&script::FORGET, &[&shared.keys.journal]);
        for seq in past {
            call.push(format!("{seq}-0"));
        }
        swept.journal = take(line.call(&call, COMMIT_WAIT).await?)?;
    }
    Ok(swept)
}

/// What may be dead.
struct Due {
    users: BTreeSet<String>,
    /// The numbers of the journal's entries past their time.
    past: Vec<u64>,
}

/// None while another sweeper is at it.
async fn ask(
    shared: &Shared,
    line: &Line,
    limit: usize,
    sweeper: &str,
) -> Result<Option<Due>, Fault> {
    let keys = &shared.keys;
    let given =
        [&keys.store, &keys.due, &keys.stamped, &keys.journal, &keys.sweeping, &keys.nothing];
    let call = Call::new(&script::DUE, &given)
        .with(shared.clock.offset_micros())
        .with(limit)
        .with(sweeper)
        .with(FORGOTTEN_AFTER.as_millis().to_string());
    let mut values = take::<Vec<Value>>(shared.ask(line, &call).await?)?.into_iter();
    if values.len() == 0 {
        return Ok(None);
    }
    let now = shared.instant(&mut values)?;
    let last: String = next(&mut values)?;
    let (late, behind): (Vec<String>, Vec<String>) = (next(&mut values)?, next(&mut values)?);
    let oldest = journal::decoded(next(&mut values)?)?;
    let last = u64::try_from(number(&last)?).unwrap_or(0);
    let past = |entry: &&JournalEntry| {
        let age = now.duration_since(entry.at).unwrap_or_default();
        entry.seq < last && age > JournalEntry::KEPT
    };
    let past = oldest.iter().take_while(past).map(|entry| entry.seq).collect();
    Ok(Some(Due { users: late.into_iter().chain(behind).collect(), past }))
}

async fn sweep_user(
    shared: &Shared,
    line: &Line,
    user: &UserId,
    room: usize,
) -> Result<usize, Fault> {
    let (whose, layout) = (Whose::User(user), shared.keys.layout);
    let decide = |view: &_| remove_dead(view, room, layout);
    let (count, index) = shared.change(line, whose, Which::All, decide).await?;
    if layout == Layout::Cluster {
        // In another slot, and so after the rows. A login of the same moment, which took its place
        // before and stored its row since, may lose the place by this: its row, once dead, is
        // removed after the user's next login, or with the key at its time to live.
        shared.place(line, whose, index).await?;
    }
    Ok(count)
}

/// Removes so many dead rows at most, and says when to come again.
fn remove_dead(view: &View, room: usize, layout: Layout) -> Decision<(usize, Index)> {
    let lives = |stored: &Stored| match &stored.row {
        Ok(row) => row.is_live(view.epochs, view.now),
        // It denies by an error until somebody ends it; a sweep does not judge.
        Err(_) => true,
    };
    let dead = view.rows.iter().filter(|stored| !lives(stored)).take(room);
    let removals: Vec<Vec<u8>> = dead.map(|stored| stored.field.clone()).collect();
    let left: Vec<&SessionRow> = view
        .rows
        .iter()
        .filter(|stored| !removals.contains(&stored.field))
        .filter_map(|stored| stored.row.as_ref().ok())
        .collect();
    let due = left.iter().map(|row| to_micros(row.expires_at)).min();
    let stamped = left.iter().map(|row| row.global_epoch).min();
    let index = match (due, stamped) {
        (Some(due), Some(stamped)) => Index::At(due, stamped),
        _ => Index::Gone,
    };
    let answer = (removals.len(), index);
    if removals.is_empty() && layout == Layout::Cluster {
        return Decision::Answer(answer);
    }
    Decision::Write(Plan { removals, index, ..Plan::default() }, answer)
}
