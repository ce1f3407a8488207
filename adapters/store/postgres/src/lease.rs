//! The lease lengths (`docs/consistency.md`): read by logouts, raised by nodes, lowered by an
//! operator, each in one statement (`migrations/V5__leases.sql`).

use std::time::Duration;

use logout_all::{StoreError, StoreErrorKind, store::Lease};
use tokio_postgres::Row;

use crate::{
    db::{self, Db, Params},
    fault::Fault,
    lane::Work,
    row::{column, micros},
};

pub(crate) const LEASE: &str = "SELECT lease_given_us, lease_waited_us FROM {s}.meta WHERE id = 1";
pub(crate) const RAISE: &str = "SELECT given_us, waited_us FROM {s}.raise_lease($2, $1)";
pub(crate) const LOWER_GIVEN: &str = "SELECT given_us, waited_us FROM {s}.lower_lease_given($1)";
pub(crate) const LOWER_WAITED: &str = "SELECT {s}.lower_lease_waited($1, $2)";

pub(crate) fn lease<'a>(db: Db<'a>, (): &'a ()) -> Work<'a, Lease> {
    Box::pin(async move { lengths(&db.one(&db.sql.lease, &[]).await?, 0) })
}

pub(crate) fn raise<'a>(db: Db<'a>, to: &'a Duration) -> Work<'a, Lease> {
    Box::pin(async move {
        // A part of a microsecond counts as a whole one: "at least this".
        let whole = to.saturating_add(Duration::from_nanos(999));
        let values: Params<'_> = &[&db.offset_us, &micros(whole)];
        lengths(&db::one(db.write(&db.sql.raise_lease, values).await?)?, 0)
    })
}

pub(crate) fn lower_given<'a>(db: Db<'a>, to: &'a Duration) -> Work<'a, Lease> {
    Box::pin(
        async move { lengths(&db::one(db.write(&db.sql.lower_given, &[&micros(*to)]).await?)?, 0) },
    )
}

pub(crate) fn lower_waited<'a>(db: Db<'a>, seen: &'a Lease) -> Work<'a, bool> {
    Box::pin(async move {
        let values: Params<'_> = &[&micros(seen.given), &micros(seen.waited)];
        column(&db::one(db.write(&db.sql.lower_waited, values).await?)?, 0)
    })
}

/// Both lengths, from the column at `first` on.
pub(crate) fn lengths(row: &Row, first: usize) -> Result<Lease, Fault> {
    // A length that cannot be read must not become none: a logout would not wait for it.
    let length = |at| {
        let length = column::<Option<i64>>(row, at)?.and_then(|micros| u64::try_from(micros).ok());
        length.map(Duration::from_micros).ok_or_else(|| {
            let message = "the lease length in the table meta is damaged";
            Fault::from(StoreError::new(StoreErrorKind::Corrupt, message))
        })
    };
    Ok(Lease { given: length(first)?, waited: length(first + 1)? })
}
