//! Cached mode on PostgreSQL: how soon after its commit a logout is known to the last of eight nodes,
//! how long the whole logout takes, what `logout_everyone` takes by the number of sessions, what an
//! entry takes, and what the polls of many nodes take.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use logout_all::{
    By, EndReason, Mode, SessionStore, Sessions,
    store::{Ending, Scope},
};

use super::{Bench, Extent, cpu, fill::Database, micro, turns::Rounds};
use crate::{
    report::{Row, Target},
    serve, world,
};

const NODES: usize = 8;
const APART: Duration = Duration::from_millis(20);

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut rows = micro::from_memory(bench)?;
    rows.extend(eight_nodes(bench).await?);
    rows.push(everyone(bench).await?);
    rows.extend(polls(bench).await?);
    Ok(rows)
}

async fn eight_nodes(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let database = Database::filled(bench, "cached", bench.plan.fewer).await?;
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(serve::joined(database.store().await?, Mode::cached()).await?);
    }
    let tokens = world::tokens(bench.plan.fewer)?;
    let tokens: Vec<&[u8]> =
        tokens.iter().map(|value| value.trim_start_matches("Bearer ").as_bytes()).collect();
    let per_entry = bytes_per_entry(&nodes[0], &tokens).await?;

    let commits = if bench.plan.extent == Extent::Quick { 100 } else { 500 };
    let (mut lags, mut settled) = (Vec::new(), Rounds::default());
    let store = database.store().await?;
    for (number, token) in world::active(bench.plan.fewer).zip(&tokens).take(commits) {
        for node in &nodes {
            node.verify(token).await?;
        }
        let ending = Ending {
            user: world::user(number),
            scope: Scope::All,
            reason: EndReason::Everywhere,
            by: By::Application,
        };
        store.end(&ending).await?;
        lags.push(until_all_know(&nodes, token).await?.as_secs_f64() * 1e3);
        // One alone: polls that are woken are ten milliseconds apart, and a storm waits for that.
        tokio::time::sleep(APART).await;
    }
    let logouts = if bench.plan.extent == Extent::Quick { 3 } else { 9 };
    for number in world::active(bench.plan.fewer).skip(commits).take(logouts) {
        let begun = Instant::now();
        let user = world::user(number);
        nodes[0].logout_all(&user, EndReason::Everywhere, By::Application).await?;
        settled.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    for node in nodes {
        node.shutdown().await;
    }
    drop(store);
    database.remove().await?;
    lags.sort_by(f64::total_cmp);
    let p99 = lags.get(lags.len() * 99 / 100).copied().context("nothing was measured")?;
    let median = lags[lags.len() / 2];
    let lag = format!("from the commit of a logout to the last of {NODES} nodes, p99");
    let note = format!("median {median:.2} ms, most {:.2} ms", lags[lags.len() - 1]);
    Ok(vec![
        Row::new(lag, Rounds(vec![p99]), "ms").target(Target::AtMost(5.0)).note(note),
        Row::new("logout_all, until it returns, lease 500 ms", settled, "ms"),
        Row::new("an entry, beside the bytes of its token", Rounds(vec![per_entry]), "bytes")
            .target(Target::AtMost(200.0)),
    ])
}

/// Asks each node again until it refuses.
async fn until_all_know(nodes: &[Sessions], token: &[u8]) -> anyhow::Result<Duration> {
    const LONGEST: Duration = Duration::from_secs(5);
    let begun = Instant::now();
    for node in nodes {
        while node.verify(token).await.is_ok() {
            ensure!(begun.elapsed() < LONGEST, "a node lets a token in that was ended");
            // The nodes' tasks run on these threads, too.
            tokio::task::yield_now().await;
        }
    }
    Ok(begun.elapsed())
}

async fn bytes_per_entry(node: &Sessions, tokens: &[&[u8]]) -> anyhow::Result<f64> {
    for token in tokens {
        node.verify(token).await?;
    }
    let state = node.cache_state().context("the node is in strict mode")?;
    let number = |count: usize| u32::try_from(count).map(f64::from);
    let all: usize = tokens.iter().map(|token| token.len()).sum();
    let tokens = number(all)? / number(tokens.len())?;
    ensure!(state.entries > 0, "nothing was kept");
    Ok(number(state.bytes)? / number(state.entries)? - tokens)
}

/// `logout_everyone` where there are many sessions against where there are few.
async fn everyone(bench: &Bench) -> anyhow::Result<Row> {
    const FEW: u32 = 10_000;
    let few = Database::filled(bench, "everyone_few", FEW).await?;
    let many = Database::filled(bench, "everyone_many", bench.plan.sessions).await?;
    let (mut of_few, mut of_many) = (Rounds::default(), Rounds::default());
    for _ in 0..bench.plan.rounds {
        for (database, times) in [(&few, &mut of_few), (&many, &mut of_many)] {
            const TIMES: u32 = 20;
            let store = database.store().await?;
            let begun = Instant::now();
            for _ in 0..TIMES {
                store.end_everyone(EndReason::Everyone, &By::Application).await?;
            }
            times.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES));
        }
    }
    few.remove().await?;
    many.remove().await?;
    let name = format!("logout_everyone, {} sessions", bench.plan.sessions);
    let row = Row::new(name, of_many, "µs").against(format!("{FEW} sessions"), &of_few);
    Ok(row.target(Target::AtMost(1.5)))
}

/// What PostgreSQL takes for the polls of a hundred nodes with a lease of 500 ms: eight with one of
/// 40 ms poll as often. None where its processor time cannot be seen.
async fn polls(bench: &Bench) -> anyhow::Result<Option<Row>> {
    const LEASE: Duration = Duration::from_millis(40);
    let database = Database::filled(bench, "polls", bench.plan.fewer).await?;
    let Some(postgres) = cpu::of_postgres(&bench.arguments.postgres, &database.sql).await? else {
        return Ok(None);
    };
    let quick = bench.plan.extent == Extent::Quick;
    let (rounds, turn) = if quick { (1, 3) } else { (bench.plan.rounds, 10) };
    let (turn, mut shares) = (Duration::from_secs(turn), Rounds::default());
    for _ in 0..rounds {
        let idle = busy(postgres, turn).await?;
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let mode = Mode::cached().lease(LEASE);
            nodes.push(serve::joined(database.store().await?, mode).await?);
        }
        // What they do at their start is not polling.
        tokio::time::sleep(Duration::from_secs(1)).await;
        shares.push((busy(postgres, turn).await? - idle).max(0.0) * 100.0);
        for node in nodes {
            node.shutdown().await;
        }
    }
    database.remove().await?;
    let row = Row::new("polls of 100 nodes, of one core of PostgreSQL", shares, "%");
    Ok(Some(row.target(Target::AtMost(5.0)).note("800 polls a second")))
}

/// How many cores it uses.
async fn busy(server: cpu::Family, turn: Duration) -> anyhow::Result<f64> {
    let (begun, before) = (Instant::now(), server.time()?);
    tokio::time::sleep(turn).await;
    Ok(server.time()?.saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64())
}
