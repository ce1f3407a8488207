//! Logouts on PostgreSQL: the commit, with the journal, against a bare DELETE of one row.

use std::time::Instant;

use anyhow::ensure;
use logout_all::{
    By, EndReason, SessionStore, UserId,
    store::{Ending, Scope},
};

use super::{Bench, Extent, fill::Database, turns::Rounds};
use crate::report::{Row, Target};

/// How many devices a user has who logs out, how often that is measured in a round, and what it may
/// cost.
const CASES: [(u32, u32, f64); 4] =
    [(1, 60, 1.5), (10, 60, 1.5), (100, 30, 1.5), (10_000, 1, 15.0)];

/// Users of one round and number of devices, with their sessions, and rows for the bare DELETE.
const FILL: &str = "
    INSERT INTO logout_all.sessions (user_id, guid, ref_tok_id, generation, epoch, global_epoch,
        created_at, auth_time, token_issued_at, token_expires_at, confirmed_at, last_seen_at,
        user_agent, idle_us, absolute_us, persistent, expires_at)
    SELECT '$WHO-' || u, gen_random_uuid(), gen_random_uuid(), 0, 0, m.global_epoch,
        now(), now(), now(), now() + interval '1 hour', now(), now(), repeat('x', 112),
        86400000000, 864000000000, true, now() + interval '1 day'
    FROM generate_series(1, $USERS) AS u, generate_series(1, $DEVICES), logout_all.meta AS m";

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let database = Database::filled(bench, "endings", bench.plan.fewer).await?;
    let store = database.store().await?;
    let bare = database.sql.prepare("DELETE FROM by_hand WHERE user_id = $1").await?;
    let mut times = vec![Rounds::default(); CASES.len()];
    let mut bares = Rounds::default();
    let mut next_bare = 0_u32;
    let rounds = if bench.plan.extent == Extent::Quick { 3 } else { 9 };
    for round in 0..rounds {
        let begun = Instant::now();
        for _ in 0..60 {
            next_bare += 1;
            let gone = database.sql.execute(&bare, &[&next_bare.to_string()]).await?;
            ensure!(gone == 1, "the row was not there");
        }
        bares.push(begun.elapsed().as_secs_f64() * 1e6 / 60.0);
        for ((devices, users, _), times) in CASES.iter().zip(&mut times) {
            let who = format!("r{round}d{devices}");
            let fill = FILL.replace("$WHO", &who).replace("$USERS", &users.to_string());
            database.sql.batch_execute(&fill.replace("$DEVICES", &devices.to_string())).await?;
            let begun = Instant::now();
            for number in 1..=*users {
                let ending = Ending {
                    user: UserId::new(format!("{who}-{number}"))?,
                    scope: Scope::All,
                    reason: EndReason::Everywhere,
                    by: By::Application,
                };
                let ended = store.end(&ending).await?;
                ensure!(ended.guids.len() == *devices as usize, "{} ended", ended.guids.len());
            }
            times.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(*users));
        }
    }
    drop(store);
    database.remove().await?;
    Ok(CASES
        .iter()
        .zip(times)
        .map(|((devices, _, most), times)| {
            Row::new(format!("logout_all, {devices} devices"), times, "µs")
                .against("DELETE of one row", &bares)
                .target(Target::AtMost(*most))
        })
        .collect())
}
