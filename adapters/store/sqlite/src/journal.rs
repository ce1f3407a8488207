//! The journal: appended in the transaction that ends sessions, read by sequence or by user.

use std::time::SystemTime;

use deadpool_sqlite::rusqlite::{Connection, Row, params};
use logout_all::{
    By, EndReason, Guid, JournalEntry, StoreError, StoreErrorKind, UserId,
    scheme::{from_micros, to_micros},
    store::JournalPage,
};
use uuid::Uuid;

use crate::{fault::Fault, row::bytes};

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
    const LAST: &str = "SELECT last_seq FROM logout_all_meta WHERE id = 1";
    const PAGE: &str = "SELECT seq, entry_id, user_id, guid, reason, by_whom, at \
                        FROM logout_all_journal WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let last_seq: i64 = connection.prepare_cached(LAST)?.query_row([], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(PAGE)?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![after, rows_at_most(limit)])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(decode(row)?);
    }
    Ok(JournalPage { last_seq: u64::try_from(last_seq).unwrap_or(0), entries })
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
    let mut statement = connection.prepare_cached(SQL)?;
    let mut rows = statement.query(params![user.as_str(), rows_at_most(limit)])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(decode(row)?);
    }
    Ok(entries)
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
        reason: EndReason::parse(&reason).ok_or_else(damaged)?,
        by: By::parse(&by),
        at: from_micros(row.get(6)?),
    })
}
