//! Endings: what they take, the fence, the journal. The store's own operations and those in the
//! application's transaction share these functions.

use std::time::SystemTime;

use deadpool_sqlite::rusqlite::{Connection, params};
use logout_all::{
    By, EndReason, Ended, Epochs, Guid, UserId,
    scheme::{from_micros, to_micros},
    store::{Ending, Scope},
};
use uuid::Uuid;

use crate::{
    fault::Fault,
    journal::{self, Why},
    lookup,
    row::bytes,
};

/// Ends what the scope takes, inside the caller's write transaction.
pub(crate) fn end(
    connection: &Connection,
    now: SystemTime,
    ending: &Ending,
) -> Result<Ended, Fault> {
    let user = &ending.user;
    let only = match ending.scope {
        Scope::Device(guid) => Some(guid),
        _ => None,
    };
    let sessions = stored(connection, now, user, only)?;
    let takes = |session: &StoredSession| {
        ending.scope.takes(session.guid, session.created_at, session.token_born_at)
    };
    // The fence takes the dead ones with it: after it, every row of the user is current.
    let goes =
        |session: &&StoredSession| takes(session) || (ending.scope.fences() && !session.is_live());
    let doomed: Vec<Guid> = sessions.iter().filter(goes).map(|session| session.guid).collect();
    let ended = sessions.iter().filter(|session| takes(session) && session.is_live());
    let guids: Vec<Guid> = ended.map(|session| session.guid).collect();
    if ending.scope == Scope::All {
        delete_all(connection, user)?;
    } else {
        delete(connection, user, &doomed)?;
    }
    if ending.scope.fences() {
        fence(connection, now, user)?;
    }
    if matches!(ending.scope, Scope::TokenIssuedBefore(_)) {
        const FORGET: &str =
            "UPDATE logout_all_sessions SET prev_ref_tok_id = NULL WHERE user_id = ?1";
        connection.prepare_cached(FORGET)?.execute([user.as_str()])?;
    }
    let why = Why { reason: ending.reason, by: &ending.by, at: now };
    if ending.scope == Scope::All {
        journal::append(connection, Some(user), None, why)?;
    } else {
        for guid in &guids {
            journal::append(connection, Some(user), Some(*guid), why)?;
        }
    }
    Ok(Ended { guids })
}

/// Bumps the global epoch: one row, however many sessions there are.
pub(crate) fn end_everyone(
    connection: &Connection,
    now: SystemTime,
    reason: EndReason,
    by: &By,
) -> Result<(), Fault> {
    const SQL: &str = "UPDATE logout_all_meta SET global_epoch = ?1 WHERE id = 1";
    let current = lookup::epochs(connection, None)?.global;
    connection.prepare_cached(SQL)?.execute([Epochs::bumped(current, to_micros(now))])?;
    journal::append(connection, None, None, Why { reason, by, at: now })
}

pub(crate) fn announce_changed(
    connection: &Connection,
    now: SystemTime,
    user: &UserId,
    by: &By,
) -> Result<(), Fault> {
    let why = Why { reason: EndReason::Changed, by, at: now };
    journal::append(connection, Some(user), None, why)
}

/// What an ending needs to know of a session. Read apart from the whole row, so that a damaged
/// one can be ended.
pub(crate) struct StoredSession {
    pub(crate) guid: Guid,
    created_at: SystemTime,
    token_born_at: SystemTime,
    live: Live,
}

#[derive(PartialEq)]
enum Live {
    Yes,
    No,
}

impl StoredSession {
    pub(crate) fn is_live(&self) -> bool {
        self.live == Live::Yes
    }
}

/// The sessions of a user, or the one with that guid, in the order of their guids.
pub(crate) fn stored(
    connection: &Connection,
    now: SystemTime,
    user: &UserId,
    only: Option<Guid>,
) -> Result<Vec<StoredSession>, Fault> {
    const ALL: &str = "SELECT guid, created_at, COALESCE(rotated_at, token_issued_at), \
                       expires_at > ?2 AND epoch = ?3 AND global_epoch = ?4 \
                       FROM logout_all_sessions WHERE user_id = ?1";
    const ONE: &str = "SELECT guid, created_at, COALESCE(rotated_at, token_issued_at), \
                       expires_at > ?2 AND epoch = ?3 AND global_epoch = ?4 \
                       FROM logout_all_sessions WHERE user_id = ?1 AND guid = ?5";
    let epochs = lookup::epochs(connection, Some(user))?;
    let now = to_micros(now);
    let mut statement = connection.prepare_cached(if only.is_some() { ONE } else { ALL })?;
    let mut rows = match only {
        Some(guid) => {
            let guid = bytes(guid.as_uuid());
            statement.query(params![user.as_str(), now, epochs.user, epochs.global, guid])?
        }
        None => statement.query(params![user.as_str(), now, epochs.user, epochs.global])?,
    };
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(guid) = guid(row.get(0)?) else { continue };
        sessions.push(StoredSession {
            guid,
            created_at: from_micros(row.get(1)?),
            token_born_at: from_micros(row.get(2)?),
            live: if row.get(3)? { Live::Yes } else { Live::No },
        });
    }
    Ok(sessions)
}

/// The guid in 16 stored bytes. The nil one names nothing: no token can carry it.
pub(crate) fn guid(stored: [u8; 16]) -> Option<Guid> {
    Guid::from_uuid(Uuid::from_bytes(stored))
}

/// Deletes sessions without the journal entry that a deletion by hand makes: the caller journals.
pub(crate) fn delete(connection: &Connection, user: &UserId, guids: &[Guid]) -> Result<(), Fault> {
    const SQL: &str = "DELETE FROM logout_all_sessions WHERE user_id = ?1 AND guid = ?2";
    if guids.is_empty() {
        return Ok(());
    }
    by_the_library(connection, || {
        let mut statement = connection.prepare_cached(SQL)?;
        for guid in guids {
            statement.execute(params![user.as_str(), bytes(guid.as_uuid())])?;
        }
        Ok(())
    })
}

fn delete_all(connection: &Connection, user: &UserId) -> Result<(), Fault> {
    const SQL: &str = "DELETE FROM logout_all_sessions WHERE user_id = ?1";
    by_the_library(connection, || {
        connection.prepare_cached(SQL)?.execute([user.as_str()])?;
        Ok(())
    })
}

/// Marks deletions as the library's own for the trigger that journals those by hand. The mark
/// lives inside the transaction, and a failure takes it back with all else.
pub(crate) fn by_the_library<T>(
    connection: &Connection,
    delete: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    const MARK: &str = "UPDATE logout_all_meta SET library_deletes = ?1 WHERE id = 1";
    connection.prepare_cached(MARK)?.execute([1])?;
    let answer = delete()?;
    connection.prepare_cached(MARK)?.execute([0])?;
    Ok(answer)
}

/// Bumps the user's epoch, so that no login under way survives, and takes the sessions that stay
/// along.
fn fence(connection: &Connection, now: SystemTime, user: &UserId) -> Result<(), Fault> {
    const BUMP: &str = "INSERT INTO logout_all_users (user_id, epoch) VALUES (?1, ?2) \
                        ON CONFLICT (user_id) DO UPDATE SET epoch = excluded.epoch";
    const RESTAMP: &str = "UPDATE logout_all_sessions SET epoch = ?2 WHERE user_id = ?1 \
                           AND epoch = ?3 AND global_epoch = ?4 AND expires_at > ?5";
    let epochs = lookup::epochs(connection, Some(user))?;
    let now = to_micros(now);
    let bumped = Epochs::bumped(epochs.user, now);
    connection.prepare_cached(BUMP)?.execute(params![user.as_str(), bumped])?;
    connection.prepare_cached(RESTAMP)?.execute(params![
        user.as_str(),
        bumped,
        epochs.user,
        epochs.global,
        now
    ])?;
    Ok(())
}
