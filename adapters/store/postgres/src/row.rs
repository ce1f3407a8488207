//! Rows of the sessions table: their columns in one order, written and read.

use std::time::{Duration, SystemTime};

use logout_all::{
    Guid, Label, Limits, Persistence, RefTokId, SessionRow, StoreError, StoreErrorKind, UserAgent,
    UserId,
};
use tokio_postgres::{Row, types::FromSql};
use uuid::Uuid;

use crate::{fault::Fault, instant::Instant};

/// All columns, in the order that [`decode`] reads and the insert writes, of the table `s`.
macro_rules! columns {
    () => {
        concat!("s.user_id, s.guid, ", crate::row::columns_beside_key!())
    };
}
pub(crate) use columns;

/// Those that are not the key, in the order that [`decode_of`] reads.
macro_rules! columns_beside_key {
    () => {
        "s.ref_tok_id, s.prev_ref_tok_id, s.generation, s.epoch, \
         s.global_epoch, s.created_at, s.auth_time, s.rotated_at, s.token_issued_at, \
         s.token_expires_at, s.confirmed_at, s.last_seen_at, s.user_agent, s.ip, s.label, \
         s.idle_us, s.absolute_us, s.persistent, s.expires_at"
    };
}
pub(crate) use columns_beside_key;

/// How many these are.
pub(crate) const COLUMNS_BESIDE_KEY: usize = 19;

/// The row of a statement that gives the columns of one session, or nothing.
pub(crate) fn first(rows: &[Row]) -> Result<Option<SessionRow>, Fault> {
    rows.first().map(|row| decode(row, 0)).transpose()
}

/// Reads the columns of one session, from the one at `first` on.
///
/// # Errors
/// [`StoreErrorKind::Corrupt`] for what no version of the library writes; the message names the
/// row and the column, never the value.
pub(crate) fn decode(row: &Row, first: usize) -> Result<SessionRow, Fault> {
    let unnamed = || damaged("an unnamed row", "user_id");
    let user: &str = row.try_get(first).map_err(|_| unnamed())?;
    let user = UserId::new(user).map_err(|_| unnamed())?;
    let guid = row.try_get(first + 1).ok().and_then(Guid::from_uuid);
    let guid = guid.ok_or_else(|| damaged(&format!("a session of the user {user:?}"), "guid"))?;
    decode_of(&user, guid, row, first + 2)
}

/// The same for a session whose key is known.
pub(crate) fn decode_of(
    user: &UserId,
    guid: Guid,
    row: &Row,
    first: usize,
) -> Result<SessionRow, Fault> {
    let mut reader = Reader { row, next: first, user, guid };
    Ok(SessionRow {
        user: user.clone(),
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
            .take::<Option<&str>>("user_agent")?
            .and_then(|text| UserAgent::from_bytes(text.as_bytes())),
        ip: reader.take("ip")?,
        label: reader.take::<Option<&str>>("label")?.and_then(Label::new),
        limits: Limits {
            idle: Duration::from_micros(reader.natural("idle_us")?),
            absolute: Duration::from_micros(reader.natural("absolute_us")?),
            persistence: if reader.take("persistent")? {
                Persistence::Persistent
            } else {
                Persistence::BrowserSession
            },
        },
        expires_at: reader.instant("expires_at")?,
    })
}

/// Microseconds as they are stored.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A column of a statement of ours. A type that does not fit is a schema that is not ours.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, Fault> {
    row.try_get(at).map_err(|_| {
        let message = format!("column {at} of an answer of PostgreSQL has another type than ours");
        StoreError::new(StoreErrorKind::Corrupt, message).into()
    })
}

/// Takes one column after the other, and names the row in what goes wrong.
struct Reader<'a> {
    row: &'a Row,
    next: usize,
    user: &'a UserId,
    guid: Guid,
}

fn damaged(named: &str, column: &str) -> Fault {
    let message = format!(
        "{named} is damaged: `{column}` holds what no version of logout-all writes; delete the row"
    );
    StoreError::new(StoreErrorKind::Corrupt, message).into()
}

impl<'a> Reader<'a> {
    fn corrupt(&self, column: &str) -> Fault {
        damaged(&format!("the session {} of the user {:?}", self.guid, self.user), column)
    }

    // The cause is left out: a conversion error may quote the value.
    fn take<T: FromSql<'a>>(&mut self, column: &str) -> Result<T, Fault> {
        let value = self.row.try_get(self.next).map_err(|_| self.corrupt(column));
        self.next += 1;
        value
    }

    fn ref_tok_id(&mut self, column: &str) -> Result<RefTokId, Fault> {
        let uuid = self.take(column)?;
        RefTokId::from_uuid(uuid).ok_or_else(|| self.corrupt(column))
    }

    fn optional_ref_tok_id(&mut self, column: &str) -> Result<Option<RefTokId>, Fault> {
        let Some(uuid) = self.take::<Option<Uuid>>(column)? else { return Ok(None) };
        RefTokId::from_uuid(uuid).map(Some).ok_or_else(|| self.corrupt(column))
    }

    fn natural(&mut self, column: &str) -> Result<u64, Fault> {
        let number: i64 = self.take(column)?;
        u64::try_from(number).map_err(|_| self.corrupt(column))
    }

    fn instant(&mut self, column: &str) -> Result<SystemTime, Fault> {
        Ok(self.take::<Instant>(column)?.0)
    }

    fn optional_instant(&mut self, column: &str) -> Result<Option<SystemTime>, Fault> {
        Ok(self.take::<Option<Instant>>(column)?.map(|instant| instant.0))
    }
}
