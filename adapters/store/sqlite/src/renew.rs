//! What changes a row in place, each by compare-and-swap in one UPDATE: rotation, fresh token
//! times, activity, a label. None creates a row, and none touches a dead one.

use std::time::SystemTime;

use deadpool_sqlite::rusqlite::{Connection, named_params};
use logout_all::{
    Guid, Label, SessionRow, UserAgent, UserId,
    scheme::to_micros,
    store::{Confirm, Remint, RemintOf, Rotation, Swap, Touch},
};

use crate::{
    fault::Fault,
    row::{self, bytes, columns},
};

/// Only the live row of that user and guid.
macro_rules! where_live {
    () => {
        " WHERE user_id = :user AND guid = :guid AND expires_at > :now \
         AND epoch = COALESCE((SELECT u.epoch FROM logout_all_users AS u WHERE u.user_id = :user), 0) \
         AND global_epoch = (SELECT m.global_epoch FROM logout_all_meta AS m WHERE m.id = 1)"
    };
}

pub(crate) fn rotate(
    connection: &Connection,
    now: SystemTime,
    rotation: &Rotation,
) -> Result<Swap, Fault> {
    // What `Rotation::apply` says. The assignments all see the row as it was before.
    const SQL: &str = concat!(
        "UPDATE logout_all_sessions SET prev_ref_tok_id = ref_tok_id, ref_tok_id = :next, \
         generation = generation + 1, rotated_at = :issued, token_issued_at = :issued, \
         token_expires_at = :expires, confirmed_at = NULL, \
         last_seen_at = MAX(last_seen_at, :issued), auth_time = COALESCE(:auth_time, auth_time), \
         user_agent = COALESCE(:user_agent, user_agent)",
        where_live!(),
        " AND ref_tok_id = :expected RETURNING ",
        columns!("")
    );
    let mut statement = connection.prepare_cached(SQL)?;
    let swapped = row::one(
        &mut statement,
        named_params! {
            ":user": rotation.user.as_str(),
            ":guid": bytes(rotation.guid.as_uuid()),
            ":now": to_micros(now),
            ":expected": bytes(rotation.expected.expose()),
            ":next": bytes(rotation.next.expose()),
            ":issued": to_micros(rotation.times.issued_at),
            ":expires": to_micros(rotation.times.expires_at),
            ":auth_time": rotation.auth_time.map(to_micros),
            ":user_agent": rotation.user_agent.as_ref().map(UserAgent::as_str),
        },
    )?;
    let Some(mut row) = swapped else { return Ok(Swap::Lost) };
    if let Some(end) = rotation.extension {
        extend(connection, &rotation.user, rotation.guid, end)?;
        row.expires_at = row.expires_at.max(end);
    }
    Ok(Swap::Done(Box::new(row)))
}

pub(crate) fn remint(
    connection: &Connection,
    now: SystemTime,
    remint: &Remint,
) -> Result<Swap, Fault> {
    const SQL: &str = concat!(
        "UPDATE logout_all_sessions SET token_issued_at = :issued, token_expires_at = :expires, \
         auth_time = COALESCE(:auth_time, auth_time)",
        where_live!(),
        " AND ref_tok_id = :expected AND (:any OR confirmed_at IS NULL) RETURNING ",
        columns!("")
    );
    let mut statement = connection.prepare_cached(SQL)?;
    let row = row::one(
        &mut statement,
        named_params! {
            ":user": remint.user.as_str(),
            ":guid": bytes(remint.guid.as_uuid()),
            ":now": to_micros(now),
            ":expected": bytes(remint.expected.expose()),
            ":any": remint.of == RemintOf::Any,
            ":issued": to_micros(remint.times.issued_at),
            ":expires": to_micros(remint.times.expires_at),
            ":auth_time": remint.auth_time.map(to_micros),
        },
    )?;
    Ok(row.map_or(Swap::Lost, |row| Swap::Done(Box::new(row))))
}

pub(crate) fn touch(
    connection: &Connection,
    now: SystemTime,
    touches: &[Touch],
) -> Result<(), Fault> {
    const SQL: &str = concat!(
        "UPDATE logout_all_sessions SET last_seen_at = MAX(last_seen_at, :seen), \
         user_agent = COALESCE(:user_agent, user_agent), \
         confirmed_at = CASE WHEN :confirm THEN COALESCE(confirmed_at, :seen) \
         ELSE confirmed_at END",
        where_live!(),
        " AND ref_tok_id = :ref_tok_id"
    );
    let mut statement = connection.prepare_cached(SQL)?;
    for touch in touches {
        let changed = statement.execute(named_params! {
            ":user": touch.user.as_str(),
            ":guid": bytes(touch.guid.as_uuid()),
            ":now": to_micros(now),
            ":ref_tok_id": bytes(touch.ref_tok_id.expose()),
            ":seen": to_micros(touch.seen_at),
            ":user_agent": touch.user_agent.as_ref().map(UserAgent::as_str),
            ":confirm": touch.confirm == Confirm::Yes,
        })?;
        if let (1, Some(end)) = (changed, touch.extension) {
            extend(connection, &touch.user, touch.guid, end)?;
        }
    }
    Ok(())
}

pub(crate) fn relabel(
    connection: &Connection,
    now: SystemTime,
    (user, guid): (&UserId, Guid),
    label: Option<&Label>,
) -> Result<Option<SessionRow>, Fault> {
    const SQL: &str = concat!(
        "UPDATE logout_all_sessions SET label = :label",
        where_live!(),
        " RETURNING ",
        columns!("")
    );
    let mut statement = connection.prepare_cached(SQL)?;
    row::one(
        &mut statement,
        named_params! {
            ":user": user.as_str(),
            ":guid": bytes(guid.as_uuid()),
            ":now": to_micros(now),
            ":label": label.map(Label::as_str),
        },
    )
}

/// Moves the end of a row that the caller has just changed, and never back. A statement of its
/// own: an UPDATE that names `expires_at` rewrites its index, also where the value stays.
fn extend(
    connection: &Connection,
    user: &UserId,
    guid: Guid,
    end: SystemTime,
) -> Result<(), Fault> {
    const SQL: &str = "UPDATE logout_all_sessions SET expires_at = :end \
                       WHERE user_id = :user AND guid = :guid AND expires_at < :end";
    connection.prepare_cached(SQL)?.execute(named_params! {
        ":user": user.as_str(),
        ":guid": bytes(guid.as_uuid()),
        ":end": to_micros(end),
    })?;
    Ok(())
}
