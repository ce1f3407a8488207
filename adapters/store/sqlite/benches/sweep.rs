//! How long lookups take beside the sweep of 200,000 dead rows, and without it; and how long its
//! batches take, the first and the last. (`cargo xtask bench` measures the same on PostgreSQL, where
//! readers and the sweep do not share one file.)
//!
//! `cargo bench -p logout-all-sqlite --bench sweep`, about two minutes. The two take turns within one
//! run: on a machine that does other things too, two runs compare nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss, reason = "a bench")]
#![allow(missing_docs, reason = "a program")]

use std::time::{Duration, Instant};

use logout_all::{Guid, SessionStore, UserId};
use logout_all_sqlite::{SqliteStore, rusqlite::Connection};
use tokio::task::JoinSet;
use uuid::Uuid;

const LIVE: u32 = 200_000;
const DEAD: u32 = 200_000;
const CALLERS: u32 = 16;
/// What a caller does between two lookups.
const PAUSE: Duration = Duration::from_millis(2);
const TURN: Duration = Duration::from_secs(2);
/// As the sweeper of the core works.
const BATCH: usize = 500;
const BREATH: Duration = Duration::from_millis(20);

const FILL: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $ALL)
    INSERT INTO logout_all_sessions (user_id, guid, ref_tok_id, generation, epoch, global_epoch,
        created_at, auth_time, token_issued_at, token_expires_at, last_seen_at, user_agent, idle_us,
        absolute_us, persistent, expires_at)
    SELECT n.i, unhex(substr('11111111111111111111111111111111', 1, 32 - length(format('%x', n.i)))
        || format('%x', n.i)), randomblob(16), 0, 0, m.global_epoch, 1, 1, 1,
        4000000000000000, 1, $AGENT, 86400000000, 864000000000, 1,
        CASE WHEN n.i <= $LIVE THEN 4000000000000000 ELSE abs(random()) % 1000000000000 END
    FROM n, logout_all_meta AS m;";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // `cargo test --benches` asks for nothing to be measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let builder = SqliteStore::builder(&path);
    builder.migrate().await.unwrap();
    let agent = format!("'{}'", "x".repeat(112));
    let fill = FILL
        .replace("$LIVE", &LIVE.to_string())
        .replace("$ALL", &(LIVE + DEAD).to_string())
        .replace("$AGENT", &agent);
    Connection::open(&path).unwrap().execute_batch(&fill).unwrap();
    let store = builder.connect().await.unwrap();
    lookups(&store).await; // warm
    let (mut alone, mut beside, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        alone.extend(lookups(&store).await);
        let sweeping = tokio::spawn(sweep(store.clone()));
        beside.extend(lookups(&store).await);
        let (took, ended) = sweeping.await.unwrap();
        batches.extend(took);
        if ended == Ended::AtTheEnd {
            break;
        }
    }
    println!("{} batches of {BATCH}", batches.len());
    let tenth = (batches.len() / 10).max(1);
    let (first, last) = (batches[..tenth].to_vec(), batches[batches.len() - tenth..].to_vec());
    for (what, times) in [
        ("lookups alone", alone),
        ("lookups beside the sweep", beside),
        ("batches, the first tenth", first),
        ("batches, the last tenth", last),
    ] {
        println!("{what}: {}", summary(times));
    }
}

#[derive(PartialEq)]
enum Ended {
    InTime,
    AtTheEnd,
}

/// For one turn; how long each batch took.
async fn sweep(store: SqliteStore) -> (Vec<Duration>, Ended) {
    let (begun, mut batches) = (Instant::now(), Vec::new());
    while begun.elapsed() < TURN {
        let batch = Instant::now();
        let swept = store.sweep(BATCH).await.unwrap().sessions;
        batches.push(batch.elapsed());
        if swept < BATCH {
            return (batches, Ended::AtTheEnd);
        }
        tokio::time::sleep(batch.elapsed().max(BREATH)).await;
    }
    (batches, Ended::InTime)
}

/// How long each lookup of one turn took.
async fn lookups(store: &SqliteStore) -> Vec<Duration> {
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = store.clone();
        callers.spawn(async move {
            let (mut number, mut times) = (caller, Vec::new());
            while begun.elapsed() < TURN {
                number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let wanted = (number >> 8) % LIVE + 1;
                let guid = Uuid::try_parse(&format!("{wanted:1>32x}")).unwrap();
                let (user, guid) = (UserId::new(wanted).unwrap(), Guid::from_uuid(guid).unwrap());
                let lookup = Instant::now();
                assert!(store.lookup(&user, guid).await.unwrap().row.is_some());
                times.push(lookup.elapsed());
                tokio::time::sleep(PAUSE).await;
            }
            times
        });
    }
    callers.join_all().await.into_iter().flatten().collect()
}

fn summary(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: usize| times[(times.len() * part / 1000).min(times.len() - 1)];
    format!(
        "{} times, p50 {:.2?}, p99 {:.2?}, p99.9 {:.2?}, longest {:.2?}",
        times.len(),
        at(500),
        at(990),
        at(999),
        at(1000)
    )
}
