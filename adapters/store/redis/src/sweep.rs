//! What is dead goes: rows that a user's other rows keep from vanishing by themselves, and the
//! journal's entries past their time.

use std::collections::BTreeSet;

use logout_all::{JournalEntry, SessionRow, UserId, scheme::to_micros, store::Swept};
use redis::Value;

use crate::{
    change::{Decision, Index, Plan, Shared, Stored, View, Which, next, number, take},
    fault::Fault,
    journal,
    line::Line,
    script::{self, Call},
};

pub(crate) async fn sweep(shared: &Shared, line: &Line, limit: usize) -> Result<Swept, Fault> {
    let mut swept = Swept::default();
    if limit == 0 {
        return Ok(swept);
    }
    let keys = &shared.keys;
    let call = Call::new(&script::DUE, &[&keys.store, &keys.due, &keys.stamped, &keys.journal])
        .with(shared.clock.offset_micros())
        .with(limit);
    let mut values = take::<Vec<Value>>(shared.ask(line, &call).await?)?.into_iter();
    let now = shared.instant(&mut values)?;
    let last: String = next(&mut values)?;
    let (late, behind): (Vec<String>, Vec<String>) = (next(&mut values)?, next(&mut values)?);
    let oldest = journal::decoded(next(&mut values)?)?;

    let users: BTreeSet<String> = late.into_iter().chain(behind).collect();
    for user in users {
        let room = limit - swept.sessions;
        // What cannot be an id was written by another hand.
        let Ok(user) = UserId::new(&user) else { continue };
        swept.sessions +=
            shared.change(line, Some(&user), Which::All, |view| remove_dead(view, room)).await?;
        if swept.sessions == limit {
            break;
        }
    }
    let last = u64::try_from(number(&last)?).unwrap_or(0);
    let past = |entry: &&JournalEntry| {
        let age = now.duration_since(entry.at).unwrap_or_default();
        entry.seq < last && age > JournalEntry::KEPT
    };
    let past: Vec<u64> = oldest.iter().take_while(past).map(|entry| entry.seq).collect();
    if !past.is_empty() {
        let mut command = redis::cmd("XDEL");
        command.arg(&keys.journal);
        for seq in past {
            command.arg(format!("{seq}-0"));
        }
        // Not by a script: what another sweeper removed is not counted, and nothing depends on it.
        swept.journal = take(line.ask(&command, crate::store::WRITE_WAIT).await?)?;
    }
    Ok(swept)
}

/// Removes so many dead rows at most, and says when to come again.
fn remove_dead(view: &View, room: usize) -> Decision<usize> {
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
    let count = removals.len();
    Decision::Write(Plan { removals, index, ..Plan::default() }, count)
}
