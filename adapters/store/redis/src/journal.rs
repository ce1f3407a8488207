//! The journal: read by number or by user. It is written by the script that ends sessions.
//!
//! On a cluster there are many: one of each user, in the user's slot, and one about everybody. They
//! have no common order, and so nobody can follow them.

use std::{collections::HashMap, time::Duration};

use logout_all::{
    By, EndReason, Guid, JournalEntry, StoreError, StoreErrorKind, UserId,
    scheme::from_micros,
    store::{JournalPage, Polled},
};
use redis::Value;
use uuid::Uuid;

use crate::{
    fault::Fault,
    keys::{Layout, Whose},
    lease,
    line::Line,
    script::{self, Call},
    shared::{Shared, next, number, take},
};

/// How many entries about one user, or about everybody, can be found again by [`history`].
pub(crate) const HISTORY: usize = 1000;

/// Entries after a number, and where the journal ends, of one instant.
pub(crate) async fn page(
    shared: &Shared,
    line: &Line,
    after: u64,
    limit: usize,
) -> Result<JournalPage, Fault> {
    let keys = &shared.keys;
    if keys.layout == Layout::Cluster {
        return Err(lease::uncached().into());
    }
    let call = Call::new(&script::JOURNAL, &[&keys.store, &keys.journal])
        .with(after.saturating_add(1))
        .with(limit.min(COUNT));
    let (last, entries): (String, Vec<Value>) = take(shared.ask(line, &call).await?)?;
    let last_seq = u64::try_from(number(&last)?).unwrap_or(0);
    // COUNT 0 means no limit to Redis.
    let entries = if limit == 0 { Vec::new() } else { decoded(entries)? };
    Ok(JournalPage { last_seq, entries })
}

/// What a node that follows the journal asks, of one instant.
pub(crate) async fn poll(
    shared: &Shared,
    line: &Line,
    after: Option<u64>,
    limit: usize,
) -> Result<Polled, Fault> {
    let keys = &shared.keys;
    if keys.layout == Layout::Cluster {
        return Err(lease::uncached().into());
    }
    let call = Call::new(&script::POLL, &[&keys.store, &keys.journal, &keys.nothing])
        .with(after.map(|seq| seq.to_string()).unwrap_or_default())
        .with(limit.saturating_add(1).min(COUNT));
    let (answer, _) = shared.ask_held(line, &call, POLL_SILENT).await?;
    let mut values = take::<Vec<Value>>(answer)?.into_iter();
    let lease = lease::read(&mut values)?;
    let last_seq: Option<String> = next(&mut values)?;
    let last_seq = last_seq.as_deref().map_or(Ok(0), number)?;
    let mut entries = decoded(next(&mut values)?)?;
    // Room was asked for the known entry; without it there may be one too many.
    if after.is_some() && entries.first().map(|entry| entry.seq) != after {
        entries.truncate(limit);
    }
    Ok(Polled { lease, last_seq: u64::try_from(last_seq).unwrap_or(0), entries })
}

/// How long one connection may be silent about a poll: what it answers is worth less with each
/// millisecond, and the next one comes.
const POLL_SILENT: Duration = Duration::from_millis(500);

/// The most that Redis takes as a count.
const COUNT: usize = 1_000_000_000;

/// The newest entries about a user and about everybody, newest first.
pub(crate) async fn history(
    shared: &Shared,
    line: &Line,
    user: &UserId,
    limit: usize,
) -> Result<Vec<JournalEntry>, Fault> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let (keys, given) = (&shared.keys, shared.keys.of(Whose::User(user)));
    let count = limit.min(HISTORY);
    // Where the user's list of numbers is in another slot, none is given.
    let list = match keys.layout {
        Layout::Server => &given.history,
        Layout::Cluster => &keys.nothing,
    };
    let call = Call::new(&script::HISTORY, &[&keys.journal, list, &keys.everybody]).with(count);
    if keys.layout == Layout::Cluster {
        let own = Call::new(&script::OWN_HISTORY, &[&given.journal])
            .with(shared.clock.offset_micros())
            .with(count);
        let (own, everybody) = tokio::try_join!(shared.ask(line, &own), shared.ask(line, &call))?;
        return Ok(merged(decoded(take(own)?)?, decoded(take(everybody)?)?, limit));
    }
    let mut entries = decoded(take(shared.ask(line, &call).await?)?)?;
    // A list may outlive a journal that was lost: its numbers then name others' entries.
    entries.retain(|entry| entry.user.as_ref().is_none_or(|of| of == user));
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.seq));
    entries.dedup_by_key(|entry| entry.seq);
    entries.truncate(limit);
    Ok(entries)
}

/// Two journals by their instants, each in its own order: those of two nodes' clocks.
fn merged(own: Vec<JournalEntry>, everybody: Vec<JournalEntry>, limit: usize) -> Vec<JournalEntry> {
    let (mut own, mut everybody) = (own.into_iter().peekable(), everybody.into_iter().peekable());
    let newest = std::iter::from_fn(|| match (own.peek(), everybody.peek()) {
        (Some(mine), Some(all)) if mine.at < all.at => everybody.next(),
        (None, _) => everybody.next(),
        _ => own.next(),
    });
    newest.take(limit).collect()
}

pub(crate) fn decoded(entries: Vec<Value>) -> Result<Vec<JournalEntry>, StoreError> {
    entries.into_iter().map(decode).collect()
}

fn decode(entry: Value) -> Result<JournalEntry, StoreError> {
    let (id, fields): (String, HashMap<String, String>) = take(entry)?;
    let seq = id.split('-').next().unwrap_or_default();
    let damaged = || {
        let message = format!(
            "the journal's entry {seq} is damaged: it holds what no version of logout-all writes"
        );
        StoreError::new(StoreErrorKind::Corrupt, message)
    };
    let field = |name: &str| fields.get(name).map(String::as_str).ok_or_else(damaged);
    // A user or a guid that cannot be read must not become none: none means everybody, or all.
    let user = match field("user")? {
        "" => None,
        text => Some(UserId::new(text).map_err(|_| damaged())?),
    };
    let guid = match field("guid")? {
        "" => None,
        text => Some(Guid::parse(text).ok_or_else(damaged)?),
    };
    Ok(JournalEntry {
        seq: seq.parse().map_err(|_| damaged())?,
        id: Uuid::try_parse(field("id")?).map_err(|_| damaged())?,
        user,
        guid,
        reason: EndReason::parse(field("reason")?),
        by: By::parse(field("by")?),
        at: from_micros(field("at")?.parse().map_err(|_| damaged())?),
    })
}
