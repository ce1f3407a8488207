//! The lease lengths (`docs/consistency.md`): read by logouts, raised by nodes, lowered by an operator.

use std::time::{Duration, SystemTime};

use deadpool_sqlite::rusqlite::{Connection, params};
use logout_all::{By, EndReason, store::Lease};

use crate::{
    fault::Fault,
    journal::{self, Why},
    lookup::damaged,
    row::micros,
};

pub(crate) fn lease(connection: &Connection) -> Result<Lease, Fault> {
    const SQL: &str = "SELECT lease_given_us, lease_waited_us FROM logout_all_meta WHERE id = 1";
    let mut statement = connection.prepare_cached(SQL)?;
    let (given, waited) =
        statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    // A length that cannot be read must not become none: a logout would not wait for it.
    let length = |micros| u64::try_from(micros).map(Duration::from_micros).map_err(|_| damaged());
    Ok(Lease { given: length(given)?, waited: length(waited)? })
}

/// Makes both lengths at least this, and gives the journal an entry where it has none.
pub(crate) fn raise(
    connection: &Connection,
    now: SystemTime,
    to: Duration,
) -> Result<Lease, Fault> {
    const RAISE: &str = "UPDATE logout_all_meta SET lease_given_us = max(lease_given_us, ?1), \
                         lease_waited_us = max(lease_waited_us, ?1) WHERE id = 1";
    // A part of a microsecond counts as a whole one: "at least this".
    let whole = to.saturating_add(Duration::from_nanos(999));
    connection.prepare_cached(RAISE)?.execute([micros(whole)])?;
    if journal::is_empty(connection)? {
        let why = Why { reason: EndReason::Changed, by: &By::Policy, at: now };
        journal::append(connection, None, None, why)?;
    }
    lease(connection)
}

/// The first half of a lowering.
pub(crate) fn lower_given(connection: &Connection, to: Duration) -> Result<Lease, Fault> {
    const LOWER: &str =
        "UPDATE logout_all_meta SET lease_given_us = min(lease_given_us, ?1) WHERE id = 1";
    connection.prepare_cached(LOWER)?.execute([micros(to)])?;
    lease(connection)
}

/// The second, if both lengths still are as they were; tells whether it did.
pub(crate) fn lower_waited(connection: &Connection, seen: Lease) -> Result<bool, Fault> {
    const LOWER: &str = "UPDATE logout_all_meta SET lease_waited_us = lease_given_us WHERE id = 1 \
                         AND lease_given_us = ?1 AND lease_waited_us = ?2";
    let seen = params![micros(seen.given), micros(seen.waited)];
    Ok(connection.prepare_cached(LOWER)?.execute(seen)? == 1)
}
