//! The sweep: dead rows are found without the write lock, then deleted in short transactions that
//! look again. So one node deletes at a time, and what two have found, one removes.

use std::time::SystemTime;

use deadpool_sqlite::rusqlite::{Connection, params};
use logout_all::scheme::to_micros;

use crate::{end::by_the_library, fault::Fault, journal::rows_at_most, lookup};

/// How many are deleted in one transaction.
pub(crate) const PART: usize = 100;

/// The primary key of a row.
pub(crate) type Key = (String, [u8; 16]);

/// Rows that expired, and rows that `logout_everyone` left behind: each by its index. Those that
/// a user's own ending left behind went with it.
pub(crate) fn dead(
    connection: &Connection,
    now: SystemTime,
    limit: usize,
) -> Result<Vec<Key>, Fault> {
    const SQL: &str = "\
        SELECT * FROM (SELECT user_id, guid FROM logout_all_sessions \
            WHERE expires_at <= ?1 LIMIT ?3) \
        UNION \
        SELECT * FROM (SELECT user_id, guid FROM logout_all_sessions \
            WHERE global_epoch < ?2 LIMIT ?3) \
        LIMIT ?3";
    let epochs = lookup::epochs(connection, None)?;
    let mut statement = connection.prepare_cached(SQL)?;
    let values = params![to_micros(now), epochs.global, rows_at_most(limit)];
    let keys = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Deletes those that are dead still (the clock may have been set back, or another node was here).
pub(crate) fn remove(
    connection: &Connection,
    now: SystemTime,
    dead: &[Key],
) -> Result<usize, Fault> {
    const SQL: &str = "DELETE FROM logout_all_sessions WHERE user_id = ?1 AND guid = ?2 \
                       AND (expires_at <= ?3 OR global_epoch < ?4)";
    let global = lookup::epochs(connection, None)?.global;
    by_the_library(connection, || {
        let mut statement = connection.prepare_cached(SQL)?;
        let mut removed = 0;
        for (user, guid) in dead {
            removed += statement.execute(params![user, guid, to_micros(now), global])?;
        }
        Ok(removed)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::SqliteStore;

    /// What was dead at the first look, and is not at the second, stays: the clock was set back
    /// between the two.
    #[tokio::test]
    async fn the_deletion_looks_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        SqliteStore::builder(&path).migrate().await.unwrap();
        let db = Connection::open(&path).unwrap();
        let now = std::time::SystemTime::now();
        db.execute(
            "INSERT INTO logout_all_sessions
             SELECT 'ada', x'0102030405060708090a0b0c0d0e0f10', x'0102030405060708090a0b0c0d0e0f10',
                NULL, 0, 0, global_epoch, 0, 0, NULL, 0, 0, NULL, 0, NULL, NULL, NULL, 0, 0, 0, ?1
             FROM logout_all_meta",
            [to_micros(now)],
        )
        .unwrap();
        let (before, after) = (now - Duration::from_secs(1), now + Duration::from_secs(1));
        assert!(dead(&db, before, 9).unwrap().is_empty());
        let keys = dead(&db, after, 9).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(remove(&db, before, &keys).unwrap(), 0);
        assert_eq!(remove(&db, after, &keys).unwrap(), 1);
    }
}
