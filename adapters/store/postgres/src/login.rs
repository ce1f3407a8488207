//! The insert of a login. The user's epoch row is locked in a statement of its own; what counts and
//! evicts comes in later ones, which see what the holders of the lock before committed. (With a
//! weaker lock, or all in one statement, 27 of 20 devices got in.)

use std::time::SystemTime;

use deadpool_postgres::Transaction;
use logout_all::{
    Epochs, Guid, Persistence, StoreError, StoreErrorKind, UserAgent,
    scheme::Overflow,
    store::{Admission, Inserted, NewSession},
};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::{
    db::{self, Db, Statements},
    fault::Fault,
    instant::Instant,
    lane::Work,
    lookup::now,
    row::{column, micros},
};

pub(crate) const LOCK_USER: &str = "SELECT {s}.lock_user($1::text)";

/// The clock, both epochs, and the live sessions, least recently seen first; one row at least.
pub(crate) const CANDIDATES: &str = concat!(
    "WITH clock AS MATERIALIZED (SELECT ",
    now!(),
    " AS now) SELECT clock.now, m.global_epoch, e.epoch, s.guid \
     FROM clock CROSS JOIN {s}.meta AS m JOIN {s}.users AS e ON e.user_id = $2 \
     LEFT JOIN {s}.sessions AS s ON s.user_id = $2 AND s.expires_at > clock.now \
     AND s.epoch = e.epoch AND s.global_epoch = m.global_epoch \
     WHERE m.id = 1 ORDER BY s.last_seen_at, s.created_at, s.guid"
);

pub(crate) const MAKE_ROOM: &str = "SELECT {s}.make_room($1::text, $2, $3::text, $4)";

pub(crate) const INSERT: &str = "\
    INSERT INTO {s}.sessions (user_id, guid, ref_tok_id, persistent, generation, epoch, \
    global_epoch, created_at, auth_time, token_issued_at, token_expires_at, last_seen_at, \
    expires_at, idle_us, absolute_us, user_agent, ip) \
    VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";

pub(crate) fn insert<'a>(db: Db<'a>, login: &'a NewSession) -> Work<'a, Inserted> {
    Box::pin(async move {
        let sql = db.sql;
        let tx = db.client.transaction().await?;
        db::query(&tx, &sql.lock_user, &[&login.user.as_str()]).await?;
        let found = Candidates::read(&tx, sql, db.offset_us, login).await?;
        // Where it returns before the commit, the transaction is rolled back.
        let Admission::Row(row) = login.admit(found.epochs, found.now) else {
            return Ok(Inserted::Overtaken);
        };
        // Counted without those that it replaces, and before anything changes.
        let (leaving, staying): (Vec<Guid>, Vec<Guid>) =
            found.live.into_iter().partition(|guid| login.replaces.contains(guid));
        let evict = match login.device_limit.overflow(staying.len()) {
            Overflow::Fits => 0,
            Overflow::Evict(count) => count,
            Overflow::Refuse => return Ok(Inserted::LimitReached),
        };
        let mut replaced = login.replaces.clone();
        replaced.retain(|guid| leaving.contains(guid));
        let replaced = make_room(&tx, sql, login, replaced, "replaced", found.now).await?;
        let evicted = staying.into_iter().take(evict).collect();
        let evicted = make_room(&tx, sql, login, evicted, "evicted", found.now).await?;
        store(&tx, sql, &row).await?;
        tx.commit().await.map_err(Fault::of_commit)?;
        Ok(Inserted::Stored { row, evicted, replaced })
    })
}

struct Candidates {
    now: SystemTime,
    epochs: Epochs,
    live: Vec<Guid>,
}

impl Candidates {
    async fn read(
        tx: &Transaction<'_>,
        sql: &Statements,
        offset_us: i64,
        login: &NewSession,
    ) -> Result<Self, Fault> {
        let rows = db::query(tx, &sql.candidates, &[&offset_us, &login.user.as_str()]).await?;
        let mut live = Vec::with_capacity(rows.len());
        for row in &rows {
            live.extend(column::<Option<Uuid>>(row, 3)?.and_then(Guid::from_uuid));
        }
        let first = db::one(rows)?;
        Ok(Self {
            now: column::<Instant>(&first, 0)?.0,
            epochs: Epochs { global: column(&first, 1)?, user: column(&first, 2)? },
            live,
        })
    }
}

/// Ends these, and tells which were there, in the order given: another hand may have been faster.
async fn make_room(
    tx: &Transaction<'_>,
    sql: &Statements,
    login: &NewSession,
    guids: Vec<Guid>,
    reason: &str,
    now: SystemTime,
) -> Result<Vec<Guid>, Fault> {
    if guids.is_empty() {
        return Ok(guids);
    }
    let ids: Vec<Uuid> = guids.iter().map(|guid| *guid.as_uuid()).collect();
    let user = login.user.as_str();
    let gone = db::query(tx, &sql.make_room, &[&user, &ids, &reason, &Instant(now)]).await?;
    let gone: Vec<Uuid> = column(&db::one(gone)?, 0)?;
    Ok(gone.into_iter().filter_map(Guid::from_uuid).collect())
}

async fn store(
    tx: &Transaction<'_>,
    sql: &Statements,
    row: &logout_all::SessionRow,
) -> Result<(), Fault> {
    let stored = db::query(
        tx,
        &sql.insert,
        &[
            &row.user.as_str(),
            row.guid.as_uuid(),
            row.ref_tok_id.expose(),
            &(row.limits.persistence == Persistence::Persistent),
            &row.epoch,
            &row.global_epoch,
            &Instant(row.created_at),
            &Instant(row.auth_time),
            &Instant(row.token_issued_at),
            &Instant(row.token_expires_at),
            &Instant(row.last_seen_at),
            &Instant(row.expires_at),
            &micros(row.limits.idle),
            &micros(row.limits.absolute),
            &row.user_agent.as_ref().map(UserAgent::as_str),
            &row.ip,
        ],
    )
    .await;
    match stored {
        Ok(_) => Ok(()),
        Err(Fault::Sql(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            let message = "the new session's id is in use already; nothing was stored";
            Err(StoreError::new(StoreErrorKind::Corrupt, message).into())
        }
        Err(other) => Err(other),
    }
}
