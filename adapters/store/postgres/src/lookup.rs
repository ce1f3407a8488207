//! The reads: one statement each, at one instant.

use logout_all::{
    Epochs, Snapshot, UserId, UserState,
    store::{DeviceRows, LookupAnswer, LookupAsked, TicketEpochs},
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    db::{Db, Params, Schema},
    fault::Fault,
    instant::Instant,
    lane::Work,
    row::{self, COLUMNS_BESIDE_KEY, column, columns, columns_beside_key},
    users::{self, ASKED, ASKED_ID, JoinedUsers},
};

/// The server's clock, with what a test moved it by as the parameter `$1`.
macro_rules! now {
    () => {
        "clock_timestamp() + $1::bigint * interval '1 microsecond'"
    };
}
pub(crate) use now;

/// How many sessions a statement looks up. For one, arrays would cost a tenth more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asks {
    One,
    Many,
}

/// The statement that answers verifications. It gives a row for each session that is asked for,
/// there or not, and begins it with the place in what was asked.
pub(crate) fn statement(schema: &Schema, users: Option<&JoinedUsers>, asks: Asks) -> String {
    let selection = users.map_or_else(String::new, JoinedUsers::selection);
    let join = users.map_or_else(String::new, JoinedUsers::join);
    let id = users.map_or("text", JoinedUsers::id_type);
    let asked = match asks {
        Asks::One => format!("(SELECT $2::text, $3::uuid, $4::{id}, 1::bigint)"),
        Asks::Many => format!("unnest($2::text[], $3::uuid[], $4::{id}[]) WITH ORDINALITY"),
    };
    let template = format!(
        "SELECT {ASKED}.place, {}, m.global_epoch, coalesce(e.epoch, 0), s.guid IS NOT NULL, \
         {}{selection} \
         FROM {{s}}.meta AS m \
         CROSS JOIN {asked} AS {ASKED}(user_id, guid, {ASKED_ID}, place) \
         LEFT JOIN {{s}}.users AS e ON e.user_id = {ASKED}.user_id \
         LEFT JOIN {{s}}.sessions AS s ON s.user_id = {ASKED}.user_id AND s.guid = {ASKED}.guid ",
        now!(),
        columns_beside_key!()
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

/// Answers each of what is asked, in its order. Damage of one row is the answer for that row.
pub(crate) fn lookups<'a>(db: Db<'a>, asked: &'a [LookupAsked]) -> Work<'a, Vec<LookupAnswer>> {
    Box::pin(async move {
        let users = db.sql.users.as_ref();
        let found = match asked {
            [(user, guid)] => {
                let id = users::id_value(users, user);
                let what: Params<'_> = &[&db.offset_us, &user.as_str(), guid.as_uuid(), &*id];
                db.query(&db.sql.lookup_one, what).await?
            }
            many => {
                let names: Vec<&str> = many.iter().map(|(user, _)| user.as_str()).collect();
                let guids: Vec<&Uuid> = many.iter().map(|(_, guid)| guid.as_uuid()).collect();
                let ids = users::id_values(users, &names);
                db.query(&db.sql.lookup_many, &[&db.offset_us, &names, &guids, &*ids]).await?
            }
        };
        let mut answers: Vec<Option<LookupAnswer>> = asked.iter().map(|_| None).collect();
        for row in &found {
            let place = usize::try_from(column::<i64>(row, 0)?).unwrap_or(0);
            let place = place.checked_sub(1).unwrap_or(usize::MAX);
            if let (Some(asked), Some(answer)) = (asked.get(place), answers.get_mut(place)) {
                *answer = Some(snapshot(asked, row, users).map_err(Fault::told));
            }
        }
        let missing = || Err(crate::db::no_meta());
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect())
    })
}

fn snapshot(
    (user, guid): &LookupAsked,
    row: &Row,
    users: Option<&JoinedUsers>,
) -> Result<Snapshot, Fault> {
    Ok(Snapshot {
        now: column::<Instant>(row, 1)?.0,
        epochs: Epochs { global: column(row, 2)?, user: column(row, 3)? },
        row: if column(row, 4)? { Some(row::decode_of(user, *guid, row, 5)?) } else { None },
        user: match users {
            Some(users) => users.decode(row, 5 + COLUMNS_BESIDE_KEY)?,
            None => UserState::NotAsked,
        },
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
