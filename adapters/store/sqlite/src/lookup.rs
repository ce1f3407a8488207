//! The reads: one statement each, by primary keys.

use std::time::SystemTime;

use deadpool_sqlite::rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use logout_all::{
    Epochs, Guid, Snapshot, StoreError, StoreErrorKind, UserId, UserState,
    scheme::to_micros,
    store::{DeviceRows, TicketEpochs},
};

use crate::{
    fault::Fault,
    row::{self, COLUMNS, columns},
    users::JoinedUsers,
};

/// The statement that answers a verification, made once for a store.
#[derive(Debug)]
pub(crate) struct Lookup {
    sql: String,
    users: Option<JoinedUsers>,
}

impl Lookup {
    pub(crate) fn new(users: Option<JoinedUsers>) -> Self {
        let selection = users.as_ref().map_or_else(String::new, JoinedUsers::selection);
        let join = users.as_ref().map_or_else(String::new, JoinedUsers::join);
        let sql = format!(
            "SELECT m.global_epoch, COALESCE(e.epoch, 0), s.guid IS NOT NULL, {}{selection} \
             FROM logout_all_meta AS m \
             LEFT JOIN logout_all_users AS e ON e.user_id = ?1 \
             LEFT JOIN logout_all_sessions AS s ON s.user_id = ?1 AND s.guid = ?2\
             {join} WHERE m.id = 1",
            columns!("s.")
        );
        Self { sql, users }
    }

    /// The statement, for one batch; or the reason why it cannot be, as a table that is not there.
    pub(crate) fn prepare<'a>(
        &self,
        connection: &'a Connection,
    ) -> Result<CachedStatement<'a>, StoreError> {
        connection.prepare_cached(&self.sql).map_err(|error| Fault::from(error).told())
    }

    pub(crate) fn run(
        &self,
        statement: &mut CachedStatement<'_>,
        now: SystemTime,
        user: &UserId,
        guid: Guid,
    ) -> Result<Snapshot, Fault> {
        statement.raw_bind_parameter(1, user.as_str())?;
        statement.raw_bind_parameter(2, row::bytes(guid.as_uuid()))?;
        if let Some(users) = &self.users {
            statement.raw_bind_parameter(3, users.id_value(user))?;
        }
        let mut rows = statement.raw_query();
        let Some(found) = rows.next()? else { return Err(damaged()) };
        let present: bool = found.get(2)?;
        Ok(Snapshot {
            now,
            epochs: Epochs { global: found.get(0)?, user: found.get(1)? },
            row: if present { Some(row::decode(found, 3)?) } else { None },
            user: match &self.users {
                Some(users) => users.decode(found, 3 + COLUMNS)?,
                None => UserState::NotAsked,
            },
        })
    }
}

/// Both epochs of a user; of nobody for none, at the same cost.
pub(crate) fn epochs(connection: &Connection, user: Option<&UserId>) -> Result<Epochs, Fault> {
    const SQL: &str = "SELECT m.global_epoch, COALESCE(e.epoch, 0) FROM logout_all_meta AS m \
                       LEFT JOIN logout_all_users AS e ON e.user_id = ?1 WHERE m.id = 1";
    // No user has the empty name.
    let name = user.map_or("", UserId::as_str);
    let mut statement = connection.prepare_cached(SQL)?;
    let epochs = |row: &Row<'_>| Ok(Epochs { global: row.get(0)?, user: row.get(1)? });
    statement.query_row([name], epochs).optional()?.ok_or_else(damaged)
}

pub(crate) fn ticket_epochs(
    connection: &Connection,
    now: SystemTime,
    user: Option<&UserId>,
) -> Result<TicketEpochs, Fault> {
    Ok(TicketEpochs { epochs: epochs(connection, user)?, now })
}

/// Live sessions, newest activity first.
pub(crate) fn devices(
    connection: &Connection,
    now: SystemTime,
    user: &UserId,
) -> Result<DeviceRows, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(""),
        " FROM logout_all_sessions WHERE user_id = ?1 AND expires_at > ?2 AND epoch = ?3 \
         AND global_epoch = ?4 ORDER BY last_seen_at DESC, created_at DESC, guid DESC"
    );
    let epochs = epochs(connection, Some(user))?;
    let mut statement = connection.prepare_cached(SQL)?;
    let values = params![user.as_str(), to_micros(now), epochs.user, epochs.global];
    let mut found = statement.query(values)?;
    let mut rows = Vec::new();
    while let Some(device) = found.next()? {
        rows.push(row::decode(device, 0)?);
    }
    Ok(DeviceRows { now, rows })
}

pub(crate) fn damaged() -> Fault {
    let message = "the one row of logout_all_meta is missing or damaged: restore the database, \
                   then end all sessions";
    StoreError::new(StoreErrorKind::Corrupt, message).into()
}

#[cfg(test)]
mod tests {
    use logout_all::Users;

    use super::*;
    use crate::SqliteStore;

    /// "One indexed read": no table is walked through, whatever is joined.
    #[tokio::test]
    async fn every_table_is_searched_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        SqliteStore::builder(&path).migrate().await.unwrap();
        let db = Connection::open(&path).unwrap();
        db.execute_batch(
            "CREATE TABLE numbers (id INTEGER PRIMARY KEY, locked INTEGER);
             CREATE TABLE names (id TEXT PRIMARY KEY COLLATE NOCASE, locked INTEGER);",
        )
        .unwrap();
        for table in ["numbers", "names"] {
            let users = Users::table(table).active("NOT locked").columns(["locked"]);
            let joined = JoinedUsers::inspect(&db, &users).unwrap();
            let sql = Lookup::new(Some(joined)).sql;
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let lines = plan.query_map(["", "", ""], |row| row.get::<_, String>(3)).unwrap();
            let lines: Vec<String> = lines.map(Result::unwrap).collect();
            let searches = lines.iter().filter(|line| line.starts_with("SEARCH")).count();
            assert_eq!(searches, 5, "{lines:#?}");
            assert!(!lines.iter().any(|line| line.contains("SCAN")), "{lines:#?}");
        }
    }
}
