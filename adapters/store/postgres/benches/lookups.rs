//! Lookups a second, by the number of callers: the store, against one prepared SELECT for each
//! lookup over a pool of eight, as a store without coalescing would do it. (What one caller waits for,
//! and what requests over HTTP cost, `cargo xtask bench` measures.)
//!
//! `TEST_DATABASE_URL=postgres://… cargo bench -p logout-all-postgres --bench lookups`, about a
//! minute. The two take turns within one run, and medians are compared: on a machine that does
//! other things too, two runs compare nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss, reason = "a bench")]
#![allow(missing_docs, reason = "a program")]

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use logout_all::{Guid, SessionStore, UserId};
use logout_all_postgres::{
    PostgresStore, Users,
    tokio_postgres::{Client, Config, NoTls},
};
use tokio::task::JoinSet;
use uuid::Uuid;

const SESSIONS: u32 = 100_000;
const CALLERS: [usize; 2] = [64, 256];
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(1);

const FILL: &str =
    "CREATE TABLE accounts (id text PRIMARY KEY, email text, locked boolean NOT NULL);
    INSERT INTO accounts SELECT n, n || '@app.example', false FROM generate_series(1, $N) n;
    INSERT INTO logout_all.sessions (user_id, guid, ref_tok_id, generation, epoch, global_epoch,
        created_at, auth_time, token_issued_at, token_expires_at, last_seen_at, user_agent, idle_us,
        absolute_us, persistent, expires_at)
    SELECT n, lpad(to_hex(n), 32, '1')::uuid, gen_random_uuid(), 0, 0, m.global_epoch, now(), now(),
        now(), now() + interval '1 hour', now(), repeat('x', 112), 86400000000, 864000000000, true,
        now() + interval '1 day'
    FROM generate_series(1, $N) n, logout_all.meta m;
    ANALYZE;";

const ONE: &str = "SELECT clock_timestamp(), m.global_epoch, coalesce(e.epoch, 0), s.*, \
    NOT person.locked, (SELECT to_jsonb(d) FROM (SELECT person.email) AS d)::text \
    FROM logout_all.meta AS m LEFT JOIN logout_all.users AS e ON e.user_id = $1 \
    LEFT JOIN logout_all.sessions AS s ON s.user_id = $1 AND s.guid = $2 \
    LEFT JOIN accounts AS person ON person.id = $1 WHERE m.id = 1";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // `cargo test --benches` asks for nothing to be measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is not set");
    let admin: Config = url.parse().unwrap();
    let name = format!("logout_all_bench_{}", std::process::id());
    let sql = connect(&admin).await;
    sql.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let mut config = admin.clone();
    config.dbname(&name);
    compare(&config).await;
    sql.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
}

async fn compare(config: &Config) {
    let users = Users::table("accounts").active("NOT locked").columns(["email"]);
    let builder = PostgresStore::builder(config.clone()).users(users);
    builder.migrate().await.unwrap();
    let sql = connect(config).await;
    sql.batch_execute(&FILL.replace("$N", &SESSIONS.to_string())).await.unwrap();
    let store = builder.connect().await.unwrap();
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config.clone(), NoTls, manager);
    let pool = Pool::builder(manager).max_size(8).build().unwrap();

    let by_store = move |number: u32| {
        let store = store.clone();
        async move {
            let user = UserId::new(number).unwrap();
            let found = store.lookup(&user, Guid::from_uuid(guid(number)).unwrap()).await.unwrap();
            assert!(found.row.is_some());
        }
    };
    let one_each = move |number: u32| {
        let pool = pool.clone();
        async move {
            let client = pool.get().await.unwrap();
            let one = client.prepare_cached(ONE).await.unwrap();
            let found =
                client.query_one(&one, &[&number.to_string(), &guid(number)]).await.unwrap();
            assert_eq!(found.get::<_, Uuid>(4), guid(number));
        }
    };
    println!("callers |   store /s (spread)        | one SELECT each /s (spread) | ratio");
    for callers in CALLERS {
        let (mut store, mut each) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            store.push(rate(callers, by_store.clone()).await);
            each.push(rate(callers, one_each.clone()).await);
        }
        let ((store, of_store), (each, of_each)) = (median(store), median(each));
        println!(
            "{callers:7} | {store:8.0} {of_store:>17} | {each:9.0} {of_each:>17} | {:.2}",
            store / each
        );
    }
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
            let mut number = u32::try_from(caller).unwrap();
            let mut done = 0_u32;
            while begun.elapsed() < ROUND {
                // All over the table, the same in each round.
                number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                lookup((number >> 8) % SESSIONS + 1).await;
                done += 1;
            }
            done
        });
    }
    let done: u32 = all.join_all().await.into_iter().sum();
    f64::from(done) / begun.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> (f64, String) {
    rates.sort_by(f64::total_cmp);
    let (least, most) = (rates[0], rates[rates.len() - 1]);
    (rates[rates.len() / 2], format!("({least:.0}–{most:.0})"))
}

/// As [`FILL`] makes it.
fn guid(number: u32) -> Uuid {
    Uuid::try_parse(&format!("{number:1>32x}")).unwrap()
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
