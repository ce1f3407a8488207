//! The reads: one statement each, at one instant.

use std::time::Duration;

use logout_all::{
    Epochs, Guid, Snapshot, StoreError, StoreErrorKind, UserId, UserState,
    store::{DeviceRows, Lease, TicketEpochs},
};

use crate::{
    db::{Db, Schema},
    fault::Fault,
    instant::Instant,
    lane::Work,
    row::{self, COLUMNS, column, columns},
    users::{self, JoinedUsers},
};

/// The server's clock, with what a test moved it by as the parameter `$1`.
macro_rules! now {
    () => {
        "clock_timestamp() + $1::bigint * interval '1 microsecond'"
    };
}
pub(crate) use now;

/// The statement that answers a verification.
pub(crate) fn statement(schema: &Schema, users: Option<&JoinedUsers>) -> String {
    let selection = users.map_or("", |_| ", person.active, person.data");
    let join = users.map_or_else(String::new, JoinedUsers::join);
    let template = format!(
        "SELECT {}, m.global_epoch, coalesce(e.epoch, 0), s.guid IS NOT NULL, {}{selection} \
         FROM {{s}}.meta AS m \
         LEFT JOIN {{s}}.users AS e ON e.user_id = $2 \
         LEFT JOIN {{s}}.sessions AS s ON s.user_id = $2 AND s.guid = $3 ",
        now!(),
        columns!()
    );
    // What the application wrote is not a template of ours.
    format!("{}{join} WHERE m.id = 1", schema.fill(&template))
}

pub(crate) const EPOCHS: &str = concat!(
    "SELECT ",
    now!(),
    ", m.global_epoch, coalesce(e.epoch, 0) FROM {s}.meta AS m \
     LEFT JOIN {s}.users AS e ON e.user_id = $2 WHERE m.id = 1"
);

/// One instant for the answer and for what counts as alive; one row at least, for the instant.
pub(crate) const DEVICES: &str = concat!(
    "WITH clock AS MATERIALIZED (SELECT ",
    now!(),
    " AS now) SELECT clock.now, s.guid IS NOT NULL, ",
    columns!(),
    " FROM clock CROSS JOIN {s}.meta AS m \
     LEFT JOIN {s}.users AS e ON e.user_id = $2 \
     LEFT JOIN {s}.sessions AS s ON s.user_id = $2 AND s.expires_at > clock.now \
     AND s.epoch = coalesce(e.epoch, 0) AND s.global_epoch = m.global_epoch \
     WHERE m.id = 1 ORDER BY s.last_seen_at DESC, s.created_at DESC, s.guid DESC"
);

pub(crate) const LEASE: &str = "SELECT lease_given_us, lease_waited_us FROM {s}.meta WHERE id = 1";

pub(crate) fn lookup<'a>(db: Db<'a>, (user, guid): &'a (UserId, Guid)) -> Work<'a, Snapshot> {
    Box::pin(async move {
        let (name, guid) = (user.as_str(), guid.as_uuid());
        let found = match &db.sql.users {
            Some(users) => {
                let id = users.id_value(user);
                db.one(&db.sql.lookup, &[&db.offset_us, &name, guid, &*id]).await?
            }
            None => db.one(&db.sql.lookup, &[&db.offset_us, &name, guid]).await?,
        };
        Ok(Snapshot {
            now: column::<Instant>(&found, 0)?.0,
            epochs: Epochs { global: column(&found, 1)?, user: column(&found, 2)? },
            row: if column(&found, 3)? { Some(row::decode(&found, 4)?) } else { None },
            user: match &db.sql.users {
                Some(_) => users::decode(&found, 4 + COLUMNS)?,
                None => UserState::NotAsked,
            },
        })
    })
}

/// Both epochs of a user; of nobody for none, at the same cost.
pub(crate) fn epochs<'a>(db: Db<'a>, (user,): &'a (Option<UserId>,)) -> Work<'a, TicketEpochs> {
    Box::pin(async move {
        // No user has the empty name.
        let name = user.as_ref().map_or("", UserId::as_str);
        let found = db.one(&db.sql.epochs, &[&db.offset_us, &name]).await?;
        let epochs = Epochs { global: column(&found, 1)?, user: column(&found, 2)? };
        Ok(TicketEpochs { epochs, now: column::<Instant>(&found, 0)?.0 })
    })
}

/// Live sessions, newest activity first.
pub(crate) fn devices<'a>(db: Db<'a>, user: &'a UserId) -> Work<'a, DeviceRows> {
    Box::pin(async move {
        let found = db.query(&db.sql.devices, &[&db.offset_us, &user.as_str()]).await?;
        let mut rows = Vec::with_capacity(found.len());
        for device in &found {
            if column(device, 1)? {
                rows.push(row::decode(device, 2)?);
            }
        }
        let first = crate::db::one(found)?;
        Ok(DeviceRows { now: column::<Instant>(&first, 0)?.0, rows })
    })
}

/// The lease lengths.
pub(crate) fn lease<'a>(db: Db<'a>, (): &'a ()) -> Work<'a, Lease> {
    Box::pin(async move {
        let found = db.one(&db.sql.lease, &[]).await?;
        // A length that cannot be read must not become none: a logout would not wait for it.
        let length = |micros: i64| {
            u64::try_from(micros).map(Duration::from_micros).map_err(|_| {
                let message = "the lease length in the table meta is damaged";
                Fault::from(StoreError::new(StoreErrorKind::Corrupt, message))
            })
        };
        Ok(Lease { given: length(column(&found, 0)?)?, waited: length(column(&found, 1)?)? })
    })
}
