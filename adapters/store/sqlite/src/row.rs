//! Rows of the sessions table: their columns in one order, written and read.

use std::time::{Duration, SystemTime};

use deadpool_sqlite::rusqlite::{self, Connection, Params, Row, Statement, params, types::FromSql};
use logout_all::{
    Guid, Label, Limits, Persistence, RefTokId, SessionRow, StoreError, StoreErrorKind, UserAgent,
    UserId,
    scheme::{from_micros, to_micros},
};
use uuid::Uuid;

use crate::fault::Fault;

/// All columns, in the order that [`decode`] reads and [`insert`] writes, under a table's alias.
macro_rules! columns {
    ($alias:literal) => {
        concat!(
            $alias,
            "user_id, ",
            $alias,
            "guid, ",
            $alias,
            "ref_tok_id, ",
            $alias,
            "prev_ref_tok_id, ",
            $alias,
            "generation, ",
            $alias,
            "epoch, ",
            $alias,
            "global_epoch, ",
            $alias,
            "created_at, ",
            $alias,
            "auth_time, ",
            $alias,
            "rotated_at, ",
            $alias,
            "token_issued_at, ",
            $alias,
            "token_expires_at, ",
            $alias,
            "confirmed_at, ",
            $alias,
            "last_seen_at, ",
            $alias,
            "user_agent, ",
            $alias,
            "ip, ",
            $alias,
            "label, ",
            $alias,
            "idle_us, ",
            $alias,
            "absolute_us, ",
            $alias,
            "persistent, ",
            $alias,
            "expires_at"
        )
    };
}
pub(crate) use columns;

/// How many columns that is.
pub(crate) const COLUMNS: usize = 21;

/// Stores a new row and gives it as it is stored; a (user, guid) in use is SQLite's error.
pub(crate) fn insert(connection: &Connection, row: &SessionRow) -> Result<SessionRow, Fault> {
    const SQL: &str = concat!(
        "INSERT INTO logout_all_sessions (",
        columns!(""),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING ",
        columns!("")
    );
    let values = params![
        row.user.as_str(),
        bytes(row.guid.as_uuid()),
        bytes(row.ref_tok_id.expose()),
        row.prev_ref_tok_id.map(|id| bytes(id.expose())),
        i64::try_from(row.generation).unwrap_or(i64::MAX),
        row.epoch,
        row.global_epoch,
        to_micros(row.created_at),
        to_micros(row.auth_time),
        row.rotated_at.map(to_micros),
        to_micros(row.token_issued_at),
        to_micros(row.token_expires_at),
        row.confirmed_at.map(to_micros),
        to_micros(row.last_seen_at),
        row.user_agent.as_ref().map(UserAgent::as_str),
        row.ip,
        row.label.as_ref().map(Label::as_str),
        micros(row.limits.idle),
        micros(row.limits.absolute),
        row.limits.persistence == Persistence::Persistent,
        to_micros(row.expires_at),
    ];
    let mut statement = connection.prepare_cached(SQL)?;
    one(&mut statement, values)?.ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
}

/// Runs a statement that gives the columns of one session, or nothing.
pub(crate) fn one(
    statement: &mut Statement<'_>,
    parameters: impl Params,
) -> Result<Option<SessionRow>, Fault> {
    let mut rows = statement.query(parameters)?;
    let found = rows.next()?.map(|row| decode(row, 0)).transpose()?;
    // Run to its end: only then SQLite has finished the statement.
    while rows.next()?.is_some() {}
    Ok(found)
}

/// A UUID as the 16 bytes that are stored.
pub(crate) fn bytes(uuid: &Uuid) -> [u8; 16] {
    *uuid.as_bytes()
}

/// Reads the columns of one session, from the one at `first` on.
///
/// # Errors
/// [`StoreErrorKind::Corrupt`] for what no version of the library writes; the message names the
/// row and the column, never the value.
pub(crate) fn decode(row: &Row<'_>, first: usize) -> Result<SessionRow, Fault> {
    let mut reader = Reader { row, next: first, named: "an unnamed row".to_owned() };
    let user: String = reader.take("user_id")?;
    let user = UserId::new(&user).map_err(|_| reader.corrupt("user_id"))?;
    reader.named = format!("a session of the user {user:?}");
    let guid = reader
        .id("guid")
        .and_then(|uuid| Guid::from_uuid(uuid).ok_or_else(|| reader.corrupt("guid")))?;
    reader.named = format!("the session {guid} of the user {user:?}");
    Ok(SessionRow {
        user,
        guid,
        ref_tok_id: reader.ref_tok_id("ref_tok_id")?,
        prev_ref_tok_id: reader.optional_ref_tok_id("prev_ref_tok_id")?,
        generation: reader.natural("generation")?,
        epoch: reader.take("epoch")?,
        global_epoch: reader.take("global_epoch")?,
        created_at: reader.instant("created_at")?,
        auth_time: reader.instant("auth_time")?,
        rotated_at: reader.optional_instant("rotated_at")?,
        token_issued_at: reader.instant("token_issued_at")?,
        token_expires_at: reader.instant("token_expires_at")?,
        confirmed_at: reader.optional_instant("confirmed_at")?,
        last_seen_at: reader.instant("last_seen_at")?,
        // What people read is cleaned rather than refused: a label that was edited by hand must
        // not lock its owner out.
        user_agent: reader
            .take::<Option<String>>("user_agent")?
            .and_then(|text| UserAgent::from_bytes(text.as_bytes())),
        ip: reader.take("ip")?,
        label: reader.take::<Option<String>>("label")?.and_then(|text| Label::new(&text)),
        limits: Limits {
            idle: Duration::from_micros(reader.natural("idle_us")?),
            absolute: Duration::from_micros(reader.natural("absolute_us")?),
            persistence: reader.persistence("persistent")?,
        },
        expires_at: reader.instant("expires_at")?,
    })
}

/// Takes one column after the other, and names the row in what goes wrong.
struct Reader<'a> {
    row: &'a Row<'a>,
    next: usize,
    named: String,
}

impl Reader<'_> {
    fn corrupt(&self, column: &str) -> Fault {
        let message = format!(
            "{} is damaged: `{column}` holds what no version of logout-all writes; delete the row",
            self.named
        );
        StoreError::new(StoreErrorKind::Corrupt, message).into()
    }

    // The cause is left out: a conversion error may quote the value.
    fn take<T: FromSql>(&mut self, column: &str) -> Result<T, Fault> {
        let value = self.row.get(self.next).map_err(|_| self.corrupt(column));
        self.next += 1;
        value
    }

    fn id(&mut self, column: &str) -> Result<Uuid, Fault> {
        Ok(Uuid::from_bytes(self.take(column)?))
    }

    fn ref_tok_id(&mut self, column: &str) -> Result<RefTokId, Fault> {
        let uuid = self.id(column)?;
        RefTokId::from_uuid(uuid).ok_or_else(|| self.corrupt(column))
    }

    fn optional_ref_tok_id(&mut self, column: &str) -> Result<Option<RefTokId>, Fault> {
        let Some(bytes) = self.take(column)? else { return Ok(None) };
        let id = RefTokId::from_uuid(Uuid::from_bytes(bytes));
        id.map(Some).ok_or_else(|| self.corrupt(column))
    }

    fn natural(&mut self, column: &str) -> Result<u64, Fault> {
        let number: i64 = self.take(column)?;
        u64::try_from(number).map_err(|_| self.corrupt(column))
    }

    fn instant(&mut self, column: &str) -> Result<SystemTime, Fault> {
        Ok(from_micros(self.take(column)?))
    }

    fn optional_instant(&mut self, column: &str) -> Result<Option<SystemTime>, Fault> {
        Ok(self.take::<Option<i64>>(column)?.map(from_micros))
    }

    fn persistence(&mut self, column: &str) -> Result<Persistence, Fault> {
        match self.take::<i64>(column)? {
            0 => Ok(Persistence::BrowserSession),
            1 => Ok(Persistence::Persistent),
            _ => Err(self.corrupt(column)),
        }
    }
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
