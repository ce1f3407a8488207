//! Activity, many sessions in one statement. Rows are locked in the order of their keys, as every
//! other statement locks them: so two nodes, or a touch and a logout, never wait for each other.

use std::collections::HashSet;

use logout_all::{
    UserAgent,
    store::{Confirm, Touch},
};

use crate::{db::Db, fault::Fault, instant::Instant, lane::Work, lookup::now, renew::is_live};

pub(crate) const TOUCH: &str = concat!(
    "WITH given AS MATERIALIZED (SELECT * FROM unnest($2::text[], $3::uuid[], $4::uuid[], \
     $5::timestamptz[], $6::timestamptz[], $7::text[], $8::timestamptz[]) \
     AS g (user_id, guid, ref_tok_id, seen_at, extension, user_agent, confirmed_at)), \
     locked AS MATERIALIZED (SELECT s.user_id, s.guid FROM {s}.sessions AS s JOIN given AS g \
     ON s.user_id = g.user_id AND s.guid = g.guid AND s.ref_tok_id = g.ref_tok_id \
     ORDER BY s.user_id, s.guid FOR NO KEY UPDATE OF s) \
     UPDATE {s}.sessions AS s SET last_seen_at = greatest(s.last_seen_at, g.seen_at), \
     expires_at = greatest(s.expires_at, g.extension), \
     user_agent = coalesce(g.user_agent, s.user_agent), \
     confirmed_at = coalesce(s.confirmed_at, g.confirmed_at) \
     FROM locked AS l JOIN given AS g ON g.user_id = l.user_id AND g.guid = l.guid \
     WHERE s.user_id = l.user_id AND s.guid = l.guid AND s.ref_tok_id = g.ref_tok_id AND ",
    is_live!()
);

pub(crate) fn touch<'a>(db: Db<'a>, (touches,): &'a (Vec<Touch>,)) -> Work<'a, ()> {
    Box::pin(async move {
        // An UPDATE takes one source row for each target: a second touch of a session waits for
        // the next round. The core queues one for each.
        let mut left: Vec<&Touch> = touches.iter().collect();
        while !left.is_empty() {
            let mut seen = HashSet::new();
            let (round, later) =
                left.into_iter().partition(|touch| seen.insert((&touch.user, touch.guid)));
            write(&db, round).await?;
            left = later;
        }
        Ok(())
    })
}

async fn write(db: &Db<'_>, touches: Vec<&Touch>) -> Result<(), Fault> {
    let instants = |of: fn(&Touch) -> Option<std::time::SystemTime>| -> Vec<Option<Instant>> {
        touches.iter().map(|touch| of(touch).map(Instant)).collect()
    };
    let users: Vec<&str> = touches.iter().map(|touch| touch.user.as_str()).collect();
    let guids: Vec<_> = touches.iter().map(|touch| *touch.guid.as_uuid()).collect();
    let tokens: Vec<_> = touches.iter().map(|touch| *touch.ref_tok_id.expose()).collect();
    let seen = instants(|touch| Some(touch.seen_at));
    let ends = instants(|touch| touch.extension);
    let confirmed = instants(|touch| (touch.confirm == Confirm::Yes).then_some(touch.seen_at));
    let agents: Vec<Option<&str>> =
        touches.iter().map(|touch| touch.user_agent.as_ref().map(UserAgent::as_str)).collect();
    let offset = db.offset_us;
    let values: crate::db::Params<'_> =
        &[&offset, &users, &guids, &tokens, &seen, &ends, &agents, &confirmed];
    db.write(&db.sql.touch, values).await?;
    Ok(())
}
