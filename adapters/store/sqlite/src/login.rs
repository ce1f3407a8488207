//! The insert of a login, under the write lock: so of any number of logins at once each counts
//! what the others stored.

use std::time::SystemTime;

use deadpool_sqlite::rusqlite::{Connection, params};
use logout_all::{
    By, EndReason, Guid, StoreError, StoreErrorKind, UserId,
    scheme::{Overflow, to_micros},
    store::{Admission, Inserted, NewSession},
};

use crate::{
    end::{self, StoredSession},
    fault::Fault,
    journal::{self, Why},
    lookup, row,
};

pub(crate) fn insert(
    connection: &Connection,
    now: SystemTime,
    login: &NewSession,
) -> Result<Inserted, Fault> {
    let epochs = lookup::epochs(connection, Some(&login.user))?;
    let Admission::Row(new) = login.admit(epochs, now) else {
        return Ok(Inserted::Overtaken);
    };
    if is_in_use(connection, &login.user, login.guid)? {
        let message = "the new session's id is in use already; nothing was stored";
        return Err(StoreError::new(StoreErrorKind::Corrupt, message).into());
    }
    // Counted without those that it replaces, and before anything changes: a refusal leaves all
    // as it was.
    let staying: Vec<Guid> = least_recently_seen(connection, now, login)?
        .into_iter()
        .filter(|guid| !login.replaces.contains(guid))
        .collect();
    let evict = match login.device_limit.overflow(staying.len()) {
        Overflow::Fits => 0,
        Overflow::Evict(count) => count,
        Overflow::Refuse => return Ok(Inserted::LimitReached),
    };
    let mut replaced = Vec::new();
    for guid in &login.replaces {
        let found = end::stored(connection, now, &login.user, Some(*guid))?;
        replaced
            .extend(found.into_iter().filter(StoredSession::is_live).map(|session| session.guid));
        end::delete(connection, &login.user, &[*guid])?;
    }
    let evicted: Vec<Guid> = staying.into_iter().take(evict).collect();
    end::delete(connection, &login.user, &evicted)?;
    let row = Box::new(row::insert(connection, &new)?);
    for (guids, reason) in [(&replaced, EndReason::Replaced), (&evicted, EndReason::Evicted)] {
        let why = Why { reason, by: &By::Policy, at: now };
        for guid in guids {
            journal::append(connection, Some(&login.user), Some(*guid), why)?;
        }
    }
    Ok(Inserted::Stored { row, evicted, replaced })
}

fn is_in_use(connection: &Connection, user: &UserId, guid: Guid) -> Result<bool, Fault> {
    const SQL: &str = "SELECT 1 FROM logout_all_sessions WHERE user_id = ?1 AND guid = ?2";
    let mut statement = connection.prepare_cached(SQL)?;
    Ok(statement.exists(params![user.as_str(), row::bytes(guid.as_uuid())])?)
}

fn least_recently_seen(
    connection: &Connection,
    now: SystemTime,
    login: &NewSession,
) -> Result<Vec<Guid>, Fault> {
    const SQL: &str = "SELECT guid FROM logout_all_sessions WHERE user_id = ?1 AND expires_at > ?2 \
                       AND epoch = ?3 AND global_epoch = ?4 \
                       ORDER BY last_seen_at, created_at, guid";
    let mut statement = connection.prepare_cached(SQL)?;
    // The ticket's epochs are the current ones: it was admitted.
    let epochs = login.epochs;
    let values = params![login.user.as_str(), to_micros(now), epochs.user, epochs.global];
    let guids = statement.query_map(values, |row| row.get::<_, [u8; 16]>(0))?;
    let guids: Vec<[u8; 16]> = guids.collect::<Result<_, _>>()?;
    Ok(guids.into_iter().filter_map(end::guid).collect())
}
