//! The sweep, a batch at a time. What is dead, and that one sweep works at a time, is decided in the
//! database (`V2__endings.sql`).

use std::{
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use logout_all::{JournalEntry, store::Swept};

use crate::{
    db::{self, Db},
    fault::Fault,
    instant::Instant,
    journal::rows_at_most,
    lane::Work,
    row::{column, micros},
};

pub(crate) const SWEEP: &str = "SELECT dead, old, reached \
     FROM {s}.sweep($2, $3::bigint * interval '1 microsecond', $1, $4)";

/// Where a sweep of many batches goes on: no row that expired before it is left, but what was locked.
/// None: at the beginning.
#[derive(Debug, Default)]
pub(crate) struct Reached(Mutex<Option<SystemTime>>);

impl Reached {
    pub(crate) fn get(&self) -> Option<SystemTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, reached: Option<SystemTime>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reached;
    }
}

/// At most so many, from there on.
pub(crate) type Batch = (usize, Option<SystemTime>);

/// What was removed, and where the next batch goes on.
pub(crate) fn sweep<'a>(
    db: Db<'a>,
    (limit, since): &'a Batch,
) -> Work<'a, (Swept, Option<SystemTime>)> {
    Box::pin(async move {
        let (kept, since) = (micros(JournalEntry::KEPT), since.map(Instant));
        let values: db::Params<'_> = &[&db.offset_us, &rows_at_most(*limit), &kept, &since];
        let removed = db::one(db.write(&db.sql.sweep, values).await?)?;
        let count = |at| -> Result<usize, Fault> {
            Ok(usize::try_from(column::<i64>(&removed, at)?).unwrap_or(usize::MAX))
        };
        let reached = column::<Option<Instant>>(&removed, 2)?.map(|instant| instant.0);
        Ok((Swept { sessions: count(0)?, journal: count(1)? }, reached))
    })
}
