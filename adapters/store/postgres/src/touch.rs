//! Activity, many sessions in one statement, which waits for no lock: a row that somebody holds is
//! passed over, so that one held row holds up no other's confirmation, and the core is told of it.

use std::collections::HashSet;

use logout_all::{
    RefTokId, UserAgent,
    store::{Confirm, Touch},
};

use crate::{
    db::{Db, Params},
    fault::Fault,
    instant::Instant,
    lane::Work,
    lookup::now,
    renew::is_live,
    row::column,
};

/// Gives the places of those that it wrote.
macro_rules! touch {
    ($extension:literal) => {
        concat!(
            "WITH given AS MATERIALIZED (SELECT * FROM unnest($2::text[], $3::uuid[], $4::uuid[], \
             $5::timestamptz[], $6::timestamptz[], $7::text[], $8::timestamptz[]) WITH ORDINALITY \
             AS g (user_id, guid, ref_tok_id, seen_at, extension, user_agent, confirmed_at, place)), \
             locked AS MATERIALIZED (SELECT s.user_id, s.guid FROM {s}.sessions AS s \
             JOIN given AS g \
             ON s.user_id = g.user_id AND s.guid = g.guid AND s.ref_tok_id = g.ref_tok_id \
             ORDER BY s.user_id, s.guid FOR NO KEY UPDATE OF s SKIP LOCKED) \
             UPDATE {s}.sessions AS s SET last_seen_at = greatest(s.last_seen_at, g.seen_at), ",
            $extension,
            "user_agent = coalesce(g.user_agent, s.user_agent), \
             confirmed_at = coalesce(s.confirmed_at, g.confirmed_at) \
             FROM locked AS l JOIN given AS g ON g.user_id = l.user_id AND g.guid = l.guid \
             WHERE s.user_id = l.user_id AND s.guid = l.guid AND s.ref_tok_id = g.ref_tok_id AND ",
            is_live!(),
            " RETURNING g.place"
        )
    };
}

pub(crate) const TOUCH: &str = touch!("");

/// The same where some session lives longer by it (`renew::ROTATE_EXTENDING` says why).
pub(crate) const TOUCH_EXTENDING: &str =
    touch!("expires_at = greatest(s.expires_at, g.extension), ");

/// Gives the places of those whose row is there for them to write to.
pub(crate) const TOUCHABLE: &str = concat!(
    "SELECT g.place FROM unnest($2::text[], $3::uuid[], $4::uuid[]) WITH ORDINALITY \
     AS g (user_id, guid, ref_tok_id, place) JOIN {s}.sessions AS s \
     ON s.user_id = g.user_id AND s.guid = g.guid AND s.ref_tok_id = g.ref_tok_id WHERE ",
    is_live!()
);

/// Gives the tokens whose rows somebody held.
pub(crate) fn touch<'a>(db: Db<'a>, (touches,): &'a (Vec<Touch>,)) -> Work<'a, Vec<RefTokId>> {
    Box::pin(async move {
        // An UPDATE takes one source row for each target: a second touch of a session waits for
        // the next round. The core queues one for each.
        let mut left: Vec<&Touch> = touches.iter().collect();
        let mut held = Vec::new();
        while !left.is_empty() {
            let mut seen = HashSet::new();
            let (round, later) =
                left.into_iter().partition(|touch| seen.insert((&touch.user, touch.guid)));
            let unwritten = write(&db, round).await?;
            if !unwritten.is_empty() {
                // Most of them are gone or have another token, and nothing is to be written.
                held.extend(touchable(&db, unwritten).await?);
            }
            left = later;
        }
        Ok(held.into_iter().map(|touch| touch.ref_tok_id).collect())
    })
}

/// Gives those that it did not write.
async fn write<'t>(db: &Db<'_>, touches: Vec<&'t Touch>) -> Result<Vec<&'t Touch>, Fault> {
    let instants = |of: fn(&Touch) -> Option<std::time::SystemTime>| -> Vec<Option<Instant>> {
        touches.iter().map(|touch| of(touch).map(Instant)).collect()
    };
    let (users, guids, tokens) = keys(&touches);
    let seen = instants(|touch| Some(touch.seen_at));
    let ends = instants(|touch| touch.extension);
    let confirmed = instants(|touch| (touch.confirm == Confirm::Yes).then_some(touch.seen_at));
    let agents: Vec<Option<&str>> =
        touches.iter().map(|touch| touch.user_agent.as_ref().map(UserAgent::as_str)).collect();
    let values: Params<'_> =
        &[&db.offset_us, &users, &guids, &tokens, &seen, &ends, &agents, &confirmed];
    let extending = touches.iter().any(|touch| touch.extension.is_some());
    let sql = if extending { &db.sql.touch_extending } else { &db.sql.touch };
    let written = places(&db.write(sql, values).await?)?;
    Ok(chosen(touches, |place| !written.contains(&place)))
}

/// Gives those that have a row to write to.
async fn touchable<'t>(db: &Db<'_>, touches: Vec<&'t Touch>) -> Result<Vec<&'t Touch>, Fault> {
    let (users, guids, tokens) = keys(&touches);
    let values: Params<'_> = &[&db.offset_us, &users, &guids, &tokens];
    let there = places(&db.query(&db.sql.touchable, values).await?)?;
    Ok(chosen(touches, |place| there.contains(&place)))
}

type Keys<'t> = (Vec<&'t str>, Vec<uuid::Uuid>, Vec<uuid::Uuid>);

fn keys<'t>(touches: &[&'t Touch]) -> Keys<'t> {
    (
        touches.iter().map(|touch| touch.user.as_str()).collect(),
        touches.iter().map(|touch| *touch.guid.as_uuid()).collect(),
        touches.iter().map(|touch| *touch.ref_tok_id.expose()).collect(),
    )
}

fn places(rows: &[tokio_postgres::Row]) -> Result<HashSet<i64>, Fault> {
    rows.iter().map(|row| column::<i64>(row, 0)).collect()
}

/// Those at the places, counted from one.
fn chosen(touches: Vec<&Touch>, is: impl Fn(i64) -> bool) -> Vec<&Touch> {
    (1..).zip(touches).filter(|(place, _)| is(*place)).map(|(_, touch)| touch).collect()
}
