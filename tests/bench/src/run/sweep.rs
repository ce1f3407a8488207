//! The sweeper beside lookups on PostgreSQL: dead rows are removed in batches while 64 connections
//! ask.

use std::time::{Duration, Instant};

use logout_all::SessionStore;

use super::{
    Bench, Extent, cpu,
    fill::Database,
    server::{Server, Until, Who, load},
    turns::Rounds,
};
use crate::{
    report::{Row, Target},
    world,
};

/// As the library does it: it rests as long as a batch took, and so long at least.
const BATCH: usize = 500;
const BREATH: Duration = Duration::from_millis(20);
/// How long nothing may be at work any more before a round.
const SETTLED: Duration = Duration::from_millis(300);

/// Rows of people who have left, among the others.
const DEAD: &str = "
    INSERT INTO logout_all.sessions (user_id, guid, ref_tok_id, generation, epoch, global_epoch,
        created_at, auth_time, token_issued_at, token_expires_at, confirmed_at, last_seen_at,
        user_agent, idle_us, absolute_us, persistent, expires_at)
    SELECT n || '-gone', gen_random_uuid(), gen_random_uuid(), 0, 0, m.global_epoch,
        now(), now(), now(), now(), now(), now(), repeat('x', 112),
        86400000000, 864000000000, true, now() - n * interval '1 millisecond'
    FROM generate_series(1, $N) AS n, logout_all.meta AS m;
    ANALYZE";

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let plan = bench.plan;
    let dead = if plan.extent == Extent::Quick { 50_000 } else { 1_000_000 };
    let database = Database::filled(bench, "sweep", plan.fewer).await?;
    println!("{dead} of them dead");
    database.sql.batch_execute(&DEAD.replace("$N", &dead.to_string())).await?;
    let places = [format!("--postgres={}", database.url)];
    let server = Server::own(&["axum", "postgres"], &places).await?;
    let who = Who::Sessions(plan.fewer);
    let store = database.store().await?;
    // As warm as it is in the second round.
    load(&server.address, &who, 64, Until::Requests(world::ACTIVE)).await?;
    let postgres = cpu::of_postgres(&bench.arguments.postgres, &database.sql).await?;
    let at_work: Vec<_> = postgres.into_iter().chain([server.family()?]).collect();
    let (mut quiet, mut beside, mut swept) = Default::default();
    for _ in 0..plan.rounds {
        cpu::rest(&at_work, SETTLED).await?;
        quiet_and_beside(&server, &who, plan.turn, &store, (&mut quiet, &mut beside, &mut swept))
            .await?;
    }
    drop((server, store));
    database.remove().await?;
    let row =
        Row::new(format!("p99 of requests beside a sweep, {dead} dead rows there"), beside, "ms");
    let note = format!("{:.0} rows swept a second", swept.median());
    Ok(vec![row.against("without it", &quiet).target(Target::AtMost(2.0)).note(note)])
}

async fn quiet_and_beside(
    server: &Server,
    who: &Who,
    seconds: f64,
    store: &impl SessionStore,
    (quiet, beside, swept): (&mut Rounds, &mut Rounds, &mut Rounds),
) -> anyhow::Result<()> {
    quiet.push(load(&server.address, who, 64, Until::Seconds(seconds)).await?.p99 * 1e3);
    let mut gone = 0;
    let sweeping = async {
        loop {
            let begun = Instant::now();
            gone += store.sweep(BATCH).await?.sessions;
            tokio::time::sleep(begun.elapsed().max(BREATH)).await;
        }
    };
    let turn = tokio::select! {
        turn = load(&server.address, who, 64, Until::Seconds(seconds)) => turn?,
        failed = sweeping => return failed,
    };
    beside.push(turn.p99 * 1e3);
    anyhow::ensure!(gone > 0, "there was nothing to sweep any more: too few dead rows");
    swept.push(f64::from(u32::try_from(gone)?) / seconds);
    Ok(())
}
