//! Instants as PostgreSQL's `timestamptz`: microseconds from the year 2000, both ways to the
//! microsecond, and total. The driver's own conversion of `SystemTime` may overflow.

use std::{error::Error, time::SystemTime};

use bytes::{BufMut, BytesMut};
use logout_all::scheme::{from_micros, to_micros};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// 2000-01-01 in microseconds since 1970.
const YEAR_2000: i64 = 946_684_800_000_000;
/// Nothing earlier fits into a `timestamptz` (4713 BC); the year 4000 BC or so.
const EARLIEST: i64 = -188_000_000_000_000_000;

/// An instant on its way into a statement or out of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant(pub(crate) SystemTime);

impl ToSql for Instant {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(to_micros(self.0).max(EARLIEST) - YEAR_2000);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl FromSql<'_> for Instant {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        // `infinity` and `-infinity`, which only a hand can write, are the ends of i64.
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(from_micros(micros.saturating_add(YEAR_2000))))
    }

    accepts!(TIMESTAMPTZ);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn there_and_back(at: SystemTime) -> SystemTime {
        let mut raw = BytesMut::new();
        Instant(at).to_sql(&Type::TIMESTAMPTZ, &mut raw).unwrap();
        Instant::from_sql(&Type::TIMESTAMPTZ, &raw).unwrap().0
    }

    #[test]
    fn instants_survive_to_the_microsecond() {
        for micros in [0, 1, 946_684_800_000_001, 1_800_000_000_123_456, 9_000_000_000_000_000_000]
        {
            let at = UNIX_EPOCH + Duration::from_micros(micros);
            assert_eq!(there_and_back(at), at);
        }
        let old = UNIX_EPOCH - Duration::from_micros(86_400_000_003);
        assert_eq!(there_and_back(old), old);
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        there_and_back(from_micros(i64::MAX));
        there_and_back(from_micros(-i64::MAX));
        for raw in [i64::MIN, i64::MAX] {
            Instant::from_sql(&Type::TIMESTAMPTZ, &raw.to_be_bytes()).unwrap();
        }
    }
}
