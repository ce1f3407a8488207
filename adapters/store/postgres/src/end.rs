//! Endings: one call of a function of the schema each (`migrations/V2__endings.sql`), which fences,
//! deletes and journals. The store's own operations, those in the application's transaction and
//! plain SQL all come this way.

use std::time::SystemTime;

use logout_all::{
    By, EndReason, Ended, Guid, UserId,
    store::{Ending, Scope},
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{db::Db, fault::Fault, instant::Instant, lane::Work, row::column};

pub(crate) const END: &str =
    "SELECT {s}.end_sessions($2::text, $3, $4, $5, $6::text, $7::text, $1)";
pub(crate) const END_EVERYONE: &str = "SELECT {s}.end_everyone($2::text, $3::text, $1)";
pub(crate) const ANNOUNCE_CHANGED: &str = "SELECT {s}.announce_changed($2::text, $3::text, $1)";

pub(crate) fn end<'a>(db: Db<'a>, ending: &'a Ending) -> Work<'a, Ended> {
    Box::pin(async move {
        let (word, device, instant) = scope(ending.scope);
        let rows = db
            .write(
                &db.sql.end,
                &[
                    &db.offset_us,
                    &ending.user.as_str(),
                    &word,
                    &device,
                    &instant.map(Instant),
                    &ending.reason.as_str(),
                    &ending.by.to_string(),
                ],
            )
            .await?;
        ended(&rows)
    })
}

pub(crate) fn end_everyone<'a>(db: Db<'a>, (reason, by): &'a (EndReason, By)) -> Work<'a, ()> {
    Box::pin(async move {
        let values: crate::db::Params<'_> = &[&db.offset_us, &reason.as_str(), &by.to_string()];
        db.write(&db.sql.end_everyone, values).await?;
        Ok(())
    })
}

pub(crate) fn announce_changed<'a>(db: Db<'a>, (user, by): &'a (UserId, By)) -> Work<'a, ()> {
    Box::pin(async move {
        let values: crate::db::Params<'_> = &[&db.offset_us, &user.as_str(), &by.to_string()];
        db.write(&db.sql.announce_changed, values).await?;
        Ok(())
    })
}

/// A scope in the function's words.
pub(crate) fn scope(scope: Scope) -> (&'static str, Option<Uuid>, Option<SystemTime>) {
    match scope {
        Scope::Device(guid) => ("device", Some(*guid.as_uuid()), None),
        Scope::Others(guid) => ("others", Some(*guid.as_uuid()), None),
        Scope::All => ("all", None, None),
        Scope::SignedInBefore(instant) => ("signed-in-before", None, Some(instant)),
        Scope::TokenIssuedBefore(instant) => ("token-issued-before", None, Some(instant)),
        // A scope of a later core: the function refuses the word, and nothing ends by a guess.
        _ => ("unknown", None, None),
    }
}

/// What the function answers: one row, with the ids. The nil guid names nothing: no token can carry
/// it.
pub(crate) fn ended(rows: &[Row]) -> Result<Ended, Fault> {
    let guids: Vec<Uuid> = rows.first().map_or(Ok(Vec::new()), |row| column(row, 0))?;
    Ok(Ended { guids: guids.into_iter().filter_map(Guid::from_uuid).collect() })
}
