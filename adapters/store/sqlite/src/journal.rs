//! The journal: appended in the transaction that ends sessions, read by sequence or by user.

use std::time::SystemTime;

use deadpool_sqlite::rusqlite::{Connection, Params, Row, params};
use logout_all::{
    By, EndReason, Guid, JournalEntry, StoreError, StoreErrorKind, UserId,
    scheme::{from_micros, to_micros},
    store::{JournalPage, Polled},
};
use uuid::Uuid;

use crate::{fault::Fault, lease, row::bytes};

/// Why something ends, and when: the same for all entries of one ending.
#[derive(Clone, Copy)]
pub(crate) struct Why<'a> {
    pub(crate) reason: EndReason,
    pub(crate) by: &'a By,
    pub(crate) at: SystemTime,
}

/// Appends one entry. The counter belongs to the caller's transaction, and SQLite has one writer:
/// so the sequence has no gap and follows the commits.
pub(crate) fn append(
    connection: &Connection,
    user: Option<&UserId>,
    guid: Option<Guid>,
    why: Why<'_>,
) -> Result<(), Fault> {
    const COUNT: &str =
        "UPDATE logout_all_meta SET last_seq = last_seq + 1 WHERE id = 1 RETURNING last_seq";
    const APPEND: &str = "INSERT INTO logout_all_journal \
                          (seq, entry_id, user_id, guid, reason, by_whom, at) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let seq: i64 = connection.prepare_cached(COUNT)?.query_row([], |row| row.get(0))?;
    connection.prepare_cached(APPEND)?.execute(params![
        seq,
        bytes(&Uuid::new_v4()),
        user.map(UserId::as_str),
        guid.map(|guid| bytes(guid.as_uuid())),
        why.reason.as_str(),
        why.by.to_string(),
        to_micros(why.at),
    ])?;
    Ok(())
}

/// Entries after a sequence number, and where the journal ends, of one snapshot.
pub(crate) fn page(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> Result<JournalPage, Fault> {
    let first = after.saturating_add(1);
    let entries = since(connection, first, rows_at_most(limit))?;
    Ok(JournalPage { last_seq: last_seq(connection)?, entries })
}

/// What a node that follows the journal asks, of one snapshot.
pub(crate) fn poll(
    connection: &Connection,
    after: Option<u64>,
    limit: usize,
) -> Result<Polled, Fault> {
    const NEWEST: &str = "SELECT seq, entry_id, user_id, guid, reason, by_whom, at \
                          FROM logout_all_journal ORDER BY seq DESC LIMIT 1";
    let entries = match after {
        None => entries(connection, NEWEST, [])?,
        Some(seq) => {
            let mut entries = since(connection, seq, rows_at_most(limit).saturating_add(1))?;
            // Room was asked for the known entry; without it there may be one too many.
            if entries.first().is_some_and(|entry| entry.seq != seq) {
                entries.truncate(limit);
            }
            entries
        }
    };
    Ok(Polled { lease: lease::lease(connection)?, last_seq: last_seq(connection)?, entries })
}

/// The number that the journal gave out last; 0 while it gave out none.
pub(crate) fn last_seq(connection: &Connection) -> Result<u64, Fault> {
    const LAST: &str = "SELECT last_seq FROM logout_all_meta WHERE id = 1";
    let last_seq: i64 = connection.prepare_cached(LAST)?.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(last_seq).unwrap_or(0))
}

pub(crate) fn is_empty(connection: &Connection) -> Result<bool, Fault> {
    const ANY: &str = "SELECT NOT EXISTS (SELECT 1 FROM logout_all_journal)";
    Ok(connection.prepare_cached(ANY)?.query_row([], |row| row.get(0))?)
}

fn since(connection: &Connection, first: u64, rows: i64) -> Result<Vec<JournalEntry>, Fault> {
    const SINCE: &str = "SELECT seq, entry_id, user_id, guid, reason, by_whom, at \
                         FROM logout_all_journal WHERE seq >= ?1 ORDER BY seq LIMIT ?2";
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    entries(connection, SINCE, params![first, rows])
}

fn entries(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> Result<Vec<JournalEntry>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(decode(row)?);
    }
    Ok(entries)
}

/// The newest entries about a user and about everybody, newest first.
pub(crate) fn history(
    connection: &Connection,
    user: &UserId,
    limit: usize,
) -> Result<Vec<JournalEntry>, Fault> {
    // Two walks down the index by user, each with its own limit, then a merge.
    const SQL: &str = "\
        SELECT * FROM (SELECT seq, entry_id, user_id, guid, reason, by_whom, at \
            FROM logout_all_journal WHERE user_id = ?1 ORDER BY seq DESC LIMIT ?2) \
        UNION ALL \
        SELECT * FROM (SELECT seq, entry_id, user_id, guid, reason, by_whom, at \
            FROM logout_all_journal WHERE user_id IS NULL ORDER BY seq DESC LIMIT ?2) \
        ORDER BY seq DESC LIMIT ?2";
    entries(connection, SQL, params![user.as_str(), rows_at_most(limit)])
}

/// Removes the oldest entries, as far as they are past their time; never the newest.
pub(crate) fn truncate(
    connection: &Connection,
    now: SystemTime,
    limit: usize,
) -> Result<usize, Fault> {
    const OLDEST: &str = "SELECT seq, at FROM logout_all_journal \
                          WHERE seq < (SELECT last_seq FROM logout_all_meta WHERE id = 1) \
                          ORDER BY seq LIMIT ?1";
    const REMOVE: &str = "DELETE FROM logout_all_journal WHERE seq <= ?1";
    let mut past = None;
    {
        let mut statement = connection.prepare_cached(OLDEST)?;
        let mut rows = statement.query([rows_at_most(limit)])?;
        while let Some(row) = rows.next()? {
            let age = now.duration_since(from_micros(row.get(1)?)).unwrap_or_default();
            if age <= JournalEntry::KEPT {
                break;
            }
            past = Some(row.get::<_, i64>(0)?);
        }
    }
    let Some(past) = past else { return Ok(0) };
    Ok(connection.prepare_cached(REMOVE)?.execute([past])?)
}

/// SQLite takes a negative limit as none.
pub(crate) fn rows_at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn decode(row: &Row<'_>) -> Result<JournalEntry, Fault> {
    let seq: i64 = row.get(0)?;
    let damaged = || {
        let message = format!(
            "the journal's entry {seq} is damaged: it holds what no version of logout-all writes"
        );
        Fault::from(StoreError::new(StoreErrorKind::Corrupt, message))
    };
    // A user or a guid that cannot be read must not become none: none means everybody, or all.
    let user = match row.get::<_, Option<String>>(2).map_err(|_| damaged())? {
        Some(text) => Some(UserId::new(&text).map_err(|_| damaged())?),
        None => None,
    };
    let guid = match row.get::<_, Option<[u8; 16]>>(3).map_err(|_| damaged())? {
        Some(bytes) => Some(Guid::from_uuid(Uuid::from_bytes(bytes)).ok_or_else(damaged)?),
        None => None,
    };
    let reason: String = row.get(4)?;
    let by: String = row.get(5)?;
    Ok(JournalEntry {
        seq: u64::try_from(seq).map_err(|_| damaged())?,
        id: Uuid::from_bytes(row.get(1).map_err(|_| damaged())?),
        user,
        guid,
        reason: EndReason::parse(&reason),
        by: By::parse(&by),
        at: from_micros(row.get(6)?),
    })
}
