//! Lookups a second, by the number of callers: the store, against a blocking task for each lookup
//! over connections of a pool of two, and against what one thread that does nothing else reaches on
//! SQLite itself.
//!
//! `cargo bench -p logout-all-sqlite --bench lookups`, about two minutes. They take turns within one
//! run, and medians are compared: on a machine that does other things too, two runs compare nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench")]
#![allow(missing_docs, reason = "a program")]

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use logout_all::{Guid, SessionStore, UserId};
use logout_all_sqlite::{SqliteStore, Users, rusqlite::Connection};
use tokio::task::JoinSet;
use uuid::Uuid;

const SESSIONS: u32 = 100_000;
const CALLERS: [usize; 3] = [1, 64, 256];
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(1);

const FILL: &str = "CREATE TABLE accounts (id TEXT PRIMARY KEY, email TEXT, locked INTEGER NOT NULL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $N)
    INSERT INTO accounts SELECT i, i || '@app.example', 0 FROM n;
    INSERT INTO logout_all_sessions (user_id, guid, ref_tok_id, generation, epoch, global_epoch,
        created_at, auth_time, token_issued_at, token_expires_at, last_seen_at, user_agent, idle_us,
        absolute_us, persistent, expires_at)
    SELECT a.id, unhex(substr('11111111111111111111111111111111', 1, 32 - length(format('%x', a.rowid)))
        || format('%x', a.rowid)), randomblob(16), 0, 0, m.global_epoch, 1, 1, 1,
        4000000000000000, 1, $AGENT, 86400000000, 864000000000, 1, 4000000000000000
    FROM accounts AS a, logout_all_meta AS m;";

const ONE: &str = "SELECT m.global_epoch, COALESCE(e.epoch, 0), s.*, u.locked, u.email \
    FROM logout_all_meta AS m LEFT JOIN logout_all_users AS e ON e.user_id = ?1 \
    LEFT JOIN logout_all_sessions AS s ON s.user_id = ?1 AND s.guid = ?2 \
    LEFT JOIN accounts AS u ON u.id = ?1 WHERE m.id = 1";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // `cargo test --benches` asks for nothing to be measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let users = Users::table("accounts").active("NOT locked").columns(["email"]);
    let builder = SqliteStore::builder(&path).users(users);
    builder.migrate().await.unwrap();
    let agent = format!("'{}'", "x".repeat(112));
    let fill = FILL.replace("$N", &SESSIONS.to_string()).replace("$AGENT", &agent);
    Connection::open(&path).unwrap().execute_batch(&fill).unwrap();
    let two = builder.connect().await.unwrap();
    let one = builder.clone().readers(1).connect().await.unwrap();

    let by_store = |store: SqliteStore| {
        move |number: u32| {
            let store = store.clone();
            async move {
                let (user, guid) = (UserId::new(number).unwrap(), guid(number));
                let found = store.lookup(&user, Guid::from_uuid(guid).unwrap()).await.unwrap();
                assert!(found.row.is_some());
            }
        }
    };
    let (two, one) = (by_store(two), by_store(one));
    let pool: Vec<_> = (0..2).map(|_| Arc::new(Mutex::new(connection(&path)))).collect();
    let blocking = move |number: u32| {
        let connection = Arc::clone(&pool[number as usize % 2]);
        async move {
            let work = move || look_up(&connection.lock().unwrap(), number);
            tokio::task::spawn_blocking(work).await.unwrap();
        }
    };
    let bare = connection(&path);
    println!(
        "callers | two readers /s | one reader /s | a task each /s | bare thread /s | two/each"
    );
    for callers in CALLERS {
        let mut rates: [Vec<f64>; 4] = Default::default();
        for _ in 0..ROUNDS {
            rates[0].push(rate(callers, two.clone()).await);
            rates[1].push(rate(callers, one.clone()).await);
            rates[2].push(rate(callers, blocking.clone()).await);
            rates[3].push(tokio::task::block_in_place(|| bare_rate(&bare)));
        }
        let [two, one, each, bare] = rates.map(median);
        println!(
            "{callers:7} | {two:14.0} | {one:13.0} | {each:14.0} | {bare:14.0} | {:.2}",
            two / each
        );
    }
}

fn connection(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "query_only", true).unwrap();
    connection
}

fn look_up(connection: &Connection, number: u32) {
    let mut statement = connection.prepare_cached(ONE).unwrap();
    let guid = guid(number);
    let key = (number.to_string(), guid.as_bytes());
    let found: Vec<u8> = statement.query_row(key, |row| row.get(3)).unwrap();
    assert_eq!(found, guid.as_bytes());
}

fn bare_rate(connection: &Connection) -> f64 {
    let (mut number, mut done, begun) = (0, 0, Instant::now());
    while begun.elapsed() < ROUND {
        number = next(number);
        look_up(connection, session(number));
        done += 1;
    }
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// Lookups a second of so many callers, each one after the other.
async fn rate<F: Future<Output = ()> + Send>(
    callers: usize,
    lookup: impl Fn(u32) -> F + Send + Sync + 'static,
) -> f64 {
    let (lookup, begun) = (Arc::new(lookup), Instant::now());
    let mut all = JoinSet::new();
    for caller in 0..callers {
        let lookup = Arc::clone(&lookup);
        all.spawn(async move {
            let (mut number, mut done) = (u32::try_from(caller).unwrap(), 0_u32);
            while begun.elapsed() < ROUND {
                number = next(number);
                lookup(session(number)).await;
                done += 1;
            }
            done
        });
    }
    let done: u32 = all.join_all().await.into_iter().sum();
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// All over the table, the same in each round.
fn next(number: u32) -> u32 {
    number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)
}

fn session(number: u32) -> u32 {
    (number >> 8) % SESSIONS + 1
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// As [`FILL`] makes it.
fn guid(number: u32) -> Uuid {
    Uuid::try_parse(&format!("{number:1>32x}")).unwrap()
}
