//! What changes a row in place, each by compare-and-swap in one UPDATE: rotation, fresh token
//! times, a label. None creates a row, and none touches a dead one.

use logout_all::{
    Guid, Label, SessionRow, UserAgent, UserId,
    store::{Remint, RemintOf, Rotation, Swap},
};
use tokio_postgres::Row;

use crate::{
    db::{Db, Params},
    fault::Fault,
    instant::Instant,
    lane::Work,
    lookup::now,
    row::{self, columns},
};

/// Only a row of the table `s` that lives. `>=`: an epoch never decreases, so a row ahead of what
/// this statement's snapshot shows was re-stamped since, and lives; behind it, it is dead.
macro_rules! is_live {
    () => {
        concat!(
            "s.expires_at > ",
            now!(),
            " AND s.epoch >= coalesce(\
             (SELECT u.epoch FROM {s}.users AS u WHERE u.user_id = s.user_id), 0) \
             AND s.global_epoch >= (SELECT m.global_epoch FROM {s}.meta AS m WHERE m.id = 1)"
        )
    };
}
pub(crate) use is_live;

/// What `Rotation::apply` says. The assignments all see the row as it was before; `greatest`
/// passes over a NULL.
macro_rules! rotate {
    ($extension:literal) => {
        concat!(
            "UPDATE {s}.sessions AS s SET prev_ref_tok_id = s.ref_tok_id, ref_tok_id = $5, \
             generation = s.generation + 1, rotated_at = $6, token_issued_at = $6, \
             token_expires_at = $7, confirmed_at = NULL, \
             last_seen_at = greatest(s.last_seen_at, $6), \
             auth_time = coalesce($8, s.auth_time), user_agent = coalesce($9, s.user_agent)",
            $extension,
            " WHERE s.user_id = $2 AND s.guid = $3 AND s.ref_tok_id = $4 AND ",
            is_live!(),
            " RETURNING ",
            columns!()
        )
    };
}

pub(crate) const ROTATE: &str = rotate!("");

/// The same where the session lives longer by it, which is seldom. A statement that names
/// `expires_at` costs a tenth more: it is one that might shorten, and is looked at by a trigger.
pub(crate) const ROTATE_EXTENDING: &str = rotate!(", expires_at = greatest(s.expires_at, $10)");

pub(crate) const REMINT: &str = concat!(
    "UPDATE {s}.sessions AS s SET token_issued_at = $5, token_expires_at = $6, \
     auth_time = coalesce($7, s.auth_time) \
     WHERE s.user_id = $2 AND s.guid = $3 AND s.ref_tok_id = $4 \
     AND ($8::boolean OR s.confirmed_at IS NULL) AND ",
    is_live!(),
    " RETURNING ",
    columns!()
);

pub(crate) const RELABEL: &str = concat!(
    "UPDATE {s}.sessions AS s SET label = $4 WHERE s.user_id = $2 AND s.guid = $3 AND ",
    is_live!(),
    " RETURNING ",
    columns!()
);

pub(crate) fn rotate<'a>(db: Db<'a>, rotation: &'a Rotation) -> Work<'a, Swap> {
    Box::pin(async move {
        let values: Params<'_> = &[
            &db.offset_us,
            &rotation.user.as_str(),
            rotation.guid.as_uuid(),
            rotation.expected.expose(),
            rotation.next.expose(),
            &Instant(rotation.times.issued_at),
            &Instant(rotation.times.expires_at),
            &rotation.auth_time.map(Instant),
            &rotation.user_agent.as_ref().map(UserAgent::as_str),
            &rotation.extension.map(Instant),
        ];
        let rows = match (rotation.extension, values) {
            (None, [common @ .., _]) => db.write(&db.sql.rotate, common).await?,
            (_, all) => db.write(&db.sql.rotate_extending, all).await?,
        };
        swap(&rows)
    })
}

pub(crate) fn remint<'a>(db: Db<'a>, remint: &'a Remint) -> Work<'a, Swap> {
    Box::pin(async move {
        let rows = db
            .write(
                &db.sql.remint,
                &[
                    &db.offset_us,
                    &remint.user.as_str(),
                    remint.guid.as_uuid(),
                    remint.expected.expose(),
                    &Instant(remint.times.issued_at),
                    &Instant(remint.times.expires_at),
                    &remint.auth_time.map(Instant),
                    &(remint.of == RemintOf::Any),
                ],
            )
            .await?;
        swap(&rows)
    })
}

pub(crate) fn relabel<'a>(
    db: Db<'a>,
    (user, guid, label): &'a (UserId, Guid, Option<Label>),
) -> Work<'a, Option<SessionRow>> {
    Box::pin(async move {
        let label = label.as_ref().map(Label::as_str);
        let values: Params<'_> = &[&db.offset_us, &user.as_str(), guid.as_uuid(), &label];
        row::first(&db.write(&db.sql.relabel, values).await?)
    })
}

fn swap(rows: &[Row]) -> Result<Swap, Fault> {
    Ok(row::first(rows)?.map_or(Swap::Lost, |row| Swap::Done(Box::new(row))))
}
