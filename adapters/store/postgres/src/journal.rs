//! The journal, read by sequence or by user.

use logout_all::{
    By, EndReason, Guid, JournalEntry, StoreError, StoreErrorKind, UserId,
    store::{JournalPage, Polled},
};
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use crate::{
    db::{self, Db},
    fault::Fault,
    instant::Instant,
    lane::Work,
    lease,
    row::column,
};

macro_rules! entry {
    () => {
        "seq, entry_id, user_id, guid, reason, by_whom, at"
    };
}

/// The counter and the entries of one snapshot; one row at least, for the counter.
pub(crate) const PAGE: &str = concat!(
    "SELECT c.last_seq, j.* FROM {s}.journal_counter AS c LEFT JOIN (SELECT ",
    entry!(),
    " FROM {s}.journal WHERE seq > $1 ORDER BY seq LIMIT $2) AS j ON true \
     WHERE c.id = 1 ORDER BY j.seq"
);

/// A poll (`V5__leases.sql`). It needs nothing of its connection: neither a statement prepared earlier
/// nor a setting.
pub(crate) const POLL: &str = concat!(
    "SELECT pg_is_in_recovery(), given_us, waited_us, last, ",
    entry!(),
    " FROM {s}.poll($1, $2)"
);

/// Two walks down the index by user, each with its own limit, then a merge.
pub(crate) const HISTORY: &str = concat!(
    "(SELECT ",
    entry!(),
    " FROM {s}.journal WHERE user_id = $1 ORDER BY seq DESC LIMIT $2) UNION ALL (SELECT ",
    entry!(),
    " FROM {s}.journal WHERE user_id IS NULL ORDER BY seq DESC LIMIT $2) \
     ORDER BY seq DESC LIMIT $2"
);

pub(crate) fn page<'a>(db: Db<'a>, (after, limit): &'a (u64, usize)) -> Work<'a, JournalPage> {
    Box::pin(async move {
        let after = i64::try_from(*after).unwrap_or(i64::MAX);
        let rows = db.query(&db.sql.page, &[&after, &rows_at_most(*limit)]).await?;
        let entries = entries(&rows, 1)?;
        Ok(JournalPage { last_seq: counter(&db::one(rows)?, 0)?, entries })
    })
}

pub(crate) fn poll<'a>(db: Db<'a>, (after, limit): &'a (Option<u64>, usize)) -> Work<'a, Polled> {
    Box::pin(async move {
        let known = after.map(|seq| i64::try_from(seq).unwrap_or(i64::MAX));
        let most = rows_at_most(*limit).saturating_add(1);
        let values: db::Typed<'_> = &[(&known, Type::INT8), (&most, Type::INT8)];
        let rows = db.client.query_typed(&db.sql.poll, values).await?;
        let mut entries = entries(&rows, 4)?;
        // Room was asked for the known entry; without it there may be one too many.
        if after.is_some() && entries.first().map(|entry| entry.seq) != *after {
            entries.truncate(*limit);
        }
        let row = db::one(rows)?;
        if column(&row, 0)? {
            return Err(Fault::Replica);
        }
        Ok(Polled { lease: lease::lengths(&row, 1)?, last_seq: counter(&row, 3)?, entries })
    })
}

fn counter(row: &Row, at: usize) -> Result<u64, Fault> {
    Ok(u64::try_from(column::<i64>(row, at)?).unwrap_or(0))
}

/// The entries of rows that begin with something else; where there is none, one row has no entry.
fn entries(rows: &[Row], first: usize) -> Result<Vec<JournalEntry>, Fault> {
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        if column::<Option<i64>>(row, first)?.is_some() {
            entries.push(decode(row, first)?);
        }
    }
    Ok(entries)
}

pub(crate) fn history<'a>(
    db: Db<'a>,
    (user, limit): &'a (UserId, usize),
) -> Work<'a, Vec<JournalEntry>> {
    Box::pin(async move {
        let values: crate::db::Params<'_> = &[&user.as_str(), &rows_at_most(*limit)];
        let rows = db.query(&db.sql.history, values).await?;
        rows.iter().map(|row| decode(row, 0)).collect()
    })
}

pub(crate) fn rows_at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn decode(row: &Row, first: usize) -> Result<JournalEntry, Fault> {
    let seq: i64 = column(row, first)?;
    let damaged = || {
        let message = format!(
            "the journal's entry {seq} is damaged: it holds what no version of logout-all writes"
        );
        Fault::from(StoreError::new(StoreErrorKind::Corrupt, message))
    };
    // A user or a guid that cannot be read must not become none: none means everybody, or all.
    let user = match column::<Option<String>>(row, first + 2)? {
        Some(text) => Some(UserId::new(&text).map_err(|_| damaged())?),
        None => None,
    };
    let guid = match column::<Option<Uuid>>(row, first + 3)? {
        Some(uuid) => Some(Guid::from_uuid(uuid).ok_or_else(damaged)?),
        None => None,
    };
    Ok(JournalEntry {
        seq: u64::try_from(seq).map_err(|_| damaged())?,
        id: column(row, first + 1)?,
        user,
        guid,
        reason: EndReason::parse(column(row, first + 4)?),
        by: By::parse(column(row, first + 5)?),
        at: column::<Instant>(row, first + 6)?.0,
    })
}
