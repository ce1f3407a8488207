//! Lookups in the stores, without HTTP and tokens: SQLite against a thread that does nothing else,
//! PostgreSQL against one prepared SELECT.

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::ensure;
use logout_all::SessionStore;
use logout_all_sqlite::{SqliteStore, rusqlite::Connection};

use super::{
    Bench, callers,
    fill::{self, Database},
    turns::Rounds,
};
use crate::{
    report::{Row, Target},
    serve, world,
};

/// What one lookup asks, as the store asks it.
const SQLITE_ONE: &str = "SELECT m.global_epoch, COALESCE(e.epoch, 0), s.*, u.locked, u.id, u.email \
    FROM logout_all_meta AS m LEFT JOIN logout_all_users AS e ON e.user_id = ?1 \
    LEFT JOIN logout_all_sessions AS s ON s.user_id = ?1 AND s.guid = ?2 \
    LEFT JOIN accounts AS u ON u.id = ?1 WHERE m.id = 1";

/// The same for PostgreSQL.
const POSTGRES_ONE: &str = "SELECT clock_timestamp(), m.global_epoch, coalesce(e.epoch, 0), s.*, \
    NOT person.locked, (SELECT to_jsonb(d) FROM (SELECT person.id, person.email) AS d)::text \
    FROM logout_all.meta AS m LEFT JOIN logout_all.users AS e ON e.user_id = $1 \
    LEFT JOIN logout_all.sessions AS s ON s.user_id = $1 AND s.guid = $2 \
    LEFT JOIN accounts AS person ON person.id = $1 WHERE m.id = 1";

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    Ok(vec![sqlite(bench).await?, postgres(bench).await?])
}

/// Strict SQLite, 64 callers, against one thread on a connection of its own.
async fn sqlite(bench: &Bench) -> anyhow::Result<Row> {
    let sessions = bench.plan.fewer;
    let path = fill::sqlite(bench.folder.path(), "lookups", sessions).await?;
    let store = SqliteStore::builder(&path).users(serve::accounts()).connect().await?;
    let (mut ours, mut bare) = (Rounds::default(), Rounds::default());
    for _ in 0..bench.plan.rounds {
        ours.push(by_store(&store, sessions, 64, bench.plan.turn).await?);
        let (path, seconds) = (path.clone(), bench.plan.turn);
        let alone = move || one_thread(&path, sessions, seconds);
        bare.push(tokio::task::spawn_blocking(alone).await??);
    }
    let row = Row::new("SQLite, 64 callers", ours, "/s").against("one thread on SQLite", &bare);
    Ok(row.target(Target::AtLeast(0.9)))
}

fn one_thread(path: &Path, sessions: u32, seconds: f64) -> anyhow::Result<f64> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "mmap_size", 268_435_456)?;
    let mut one = connection.prepare(SQLITE_ONE)?;
    let (mut done, begun) = (0_u32, Instant::now());
    while begun.elapsed().as_secs_f64() < seconds {
        let number = callers::shuffled(0, done) % sessions + 1;
        let mut rows = one.query((number.to_string(), world::guid(number).as_bytes()))?;
        // Every column that the store reads, too.
        let row = rows.next()?.map(|row| {
            (0..20).map(|column| row.get_ref(column).map(drop)).collect::<Result<Vec<()>, _>>()
        });
        ensure!(row.is_some_and(|columns| columns.is_ok()), "session {number} is not there");
        done += 1;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

/// Strict PostgreSQL, one caller: what a lookup takes, against one prepared SELECT.
async fn postgres(bench: &Bench) -> anyhow::Result<Row> {
    let sessions = bench.plan.sessions;
    let database = Database::filled(bench, "lookups", sessions).await?;
    let store = database.store().await?;
    let sql = database.connection().await?;
    let one = Arc::new((sql.prepare(POSTGRES_ONE).await?, sql));
    let (mut ours, mut bare) = (Rounds::default(), Rounds::default());
    for _ in 0..bench.plan.rounds {
        ours.push(1e6 / by_store(&store, sessions, 1, bench.plan.turn).await?);
        let one = Arc::clone(&one);
        let select = move |caller, turn| {
            let (one, number) = (Arc::clone(&one), callers::shuffled(caller, turn) % sessions + 1);
            async move {
                let (statement, sql) = &*one;
                let user = number.to_string();
                let row = sql.query_one(statement, &[&user, &world::guid(number)]).await?;
                ensure!(row.get::<_, uuid::Uuid>(4) == world::guid(number), "another's row");
                Ok(())
            }
        };
        bare.push(1e6 / callers::rate(1, bench.plan.turn, select).await?);
    }
    drop(store);
    database.remove().await?;
    let row = Row::new("PostgreSQL, a lookup of one caller", ours, "µs");
    Ok(row.against("one prepared SELECT", &bare).target(Target::AtMost(1.10)))
}

async fn by_store<S: SessionStore + Clone>(
    store: &S,
    sessions: u32,
    at_once: u32,
    seconds: f64,
) -> anyhow::Result<f64> {
    let store = store.clone();
    let lookup = move |caller, turn| {
        let (store, number) = (store.clone(), callers::shuffled(caller, turn) % sessions + 1);
        async move {
            let (user, guid, _) = world::ids(number);
            ensure!(
                store.lookup(&user, guid).await?.row.is_some(),
                "session {number} is not there"
            );
            Ok(())
        }
    };
    callers::rate(at_once, seconds, lookup).await
}
