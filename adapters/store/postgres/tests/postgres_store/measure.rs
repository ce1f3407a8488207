//! What a verification and a row cost the server, counted by the server.

use std::time::{Duration, Instant};

use logout_all::{
    By, EndReason, Guid, SessionRow, SessionStore, UserAgent,
    store::{Scope, Touch},
};
use logout_all_postgres::Users;
use logout_all_postgres::tokio_postgres::{Client, SimpleQueryMessage};

use crate::{Database, sign_in, touch_of, user};

const ACCOUNTS: &str = "CREATE TABLE accounts (id int PRIMARY KEY, email text, locked boolean);
     INSERT INTO accounts SELECT n, 'x', false FROM generate_series(1, 1000) n;";

fn accounts() -> Users {
    Users::table("accounts").active("NOT locked").columns(["email"])
}

/// "`EXPLAIN` in a test shows that a verification is primary-key lookups only (session, epochs,
/// user)": by itself, and together with others.
#[tokio::test]
async fn a_verification_is_lookups_by_key_only() {
    let database = Database::migrated().await;
    let sql = database.sql().await;
    sql.batch_execute(ACCOUNTS).await.unwrap();
    let store = database.builder().users(accounts()).connect().await.unwrap();
    let row = sign_in(&store, &user(42)).await;
    // Planned as the store's connections plan, for however many sessions, also where the tables are
    // known to be nearly empty: they may have grown since.
    sql.batch_execute("VACUUM ANALYZE").await.unwrap();
    plan_as_lookups_do(&database, &sql).await;

    store.lookup(&row.user, row.guid).await.unwrap();
    let arguments = format!("0, '42', '{}', 42", row.guid);
    let plan = plan(&sql, "one", &arguments).await;
    assert_eq!(by_key(&plan), plan.matches("Scan").count(), "{plan}");

    // The first may go alone; the others wait by the time that somebody takes them.
    let ask = |guid| store.lookup(&row.user, guid);
    let [guid, other] = [row.guid, Guid::random()];
    let (own, others, third, fourth) = tokio::join!(ask(guid), ask(other), ask(guid), ask(guid));
    assert!(own.unwrap().row.is_some() && others.unwrap().row.is_none());
    assert!(third.unwrap().row.is_some() && fourth.unwrap().row.is_some());
    let arguments = format!("0, '{{42}}', '{{{}}}', '{{42}}'", row.guid);
    let plan = self::plan(&sql, "many", &arguments).await;
    assert!(plan.contains("Function Scan on logout_all_asked"), "{plan}");
    assert_eq!(by_key(&plan) + 1, plan.matches("Scan").count(), "{plan}");
}

/// Sets what a connection of the store's for lookups has set, as one of them tells it.
async fn plan_as_lookups_do(database: &Database, sql: &Client) {
    sql.batch_execute(
        "CREATE TABLE told (id int PRIMARY KEY, settings text);
         INSERT INTO told VALUES (42);
         CREATE FUNCTION tell() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
            UPDATE told SET settings = (SELECT string_agg(format('SET %I = %L', name, setting), ';')
                FROM pg_settings WHERE source = 'session' AND name NOT LIKE '%timeout');
            RETURN true; END $$",
    )
    .await
    .unwrap();
    let users = Users::table("told").active("tell()");
    let store = database.builder().users(users).connect().await.unwrap();
    store.lookup(&user(42), Guid::random()).await.unwrap();
    let settings: String = sql.query_one("SELECT settings FROM told", &[]).await.unwrap().get(0);
    assert!(settings.contains("SET plan_cache_mode = 'force_generic_plan'"), "{settings}");
    sql.batch_execute(&settings).await.unwrap();
}

/// The plan of the statement that lookups use for one, or for many, as the server has it: of whichever
/// connection used it last.
async fn plan(sql: &Client, name: &str, arguments: &str) -> String {
    let asked = "SELECT query FROM pg_stat_activity WHERE datname = current_database() \
                 AND query LIKE '%AS person%' AND (query LIKE '%unnest%') = ($1 = 'many') \
                 AND pid <> pg_backend_pid() ORDER BY query_start DESC LIMIT 1";
    let statement: String = sql.query_one(asked, &[&name]).await.unwrap().get(0);
    sql.batch_execute(&format!("PREPARE {name} AS {statement}")).await.unwrap();
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE {name} ({arguments})");
    let lines = sql.simple_query(&explain).await.unwrap();
    let lines = lines.iter().filter_map(|line| match line {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// How many index scans there are: one for each table, and nothing that reads more.
fn by_key(plan: &str) -> usize {
    let indexes = ["meta_pkey", "users_pkey", "sessions_pkey", "accounts_pkey"];
    for index in indexes {
        assert!(plan.contains(&format!("using {index}")), "{plan}");
    }
    for whole in ["Seq Scan", "Hash", "Merge", "Sort", "Materialize"] {
        assert!(!plan.contains(whole), "{plan}");
    }
    indexes.len()
}

/// "A verification does one statement and no write, counted by the server."
#[tokio::test]
async fn a_verification_is_one_statement_and_no_write() {
    let database = Database::migrated().await;
    let sql = database.sql().await;
    sql.batch_execute(ACCOUNTS).await.unwrap();
    let row = {
        let store = database.builder().users(accounts()).connect().await.unwrap();
        sign_in(&store, &user(42)).await
    };
    drop(sql);
    // The server's own autovacuum, which may come between, counts too, but not each time.
    let mut counted = Vec::new();
    for _ in 0..3 {
        let one = counted_of(&database, &row, 1).await;
        let many = counted_of(&database, &row, 101).await;
        counted.push((many[0] - one[0], one[1] + many[1]));
    }
    assert!(counted.contains(&(100, 0)), "transactions, and rows written: {counted:?}");
}

/// What the server counts of a store that opens and looks a session up so often.
async fn counted_of(database: &Database, row: &SessionRow, lookups: usize) -> [i64; 2] {
    let before = counters(database).await;
    let store = database.builder().users(accounts()).connect().await.unwrap();
    for _ in 0..lookups {
        let found = store.lookup(&row.user, row.guid).await.unwrap();
        assert!(found.row.is_some());
    }
    drop(store);
    let after = counters(database).await;
    [after[0] - before[0], after[1] - before[1]]
}

/// "A logout ends in time, however many devices there are": a join of the user's rows with themselves
/// took longer than a statement may.
#[tokio::test]
async fn ten_thousand_devices_are_logged_out_in_one_statement() {
    const DEVICES: usize = 10_000;
    let database = Database::migrated().await;
    let sql = database.sql().await;
    let store = database.store().await;
    let row = sign_in(&store, &user("many")).await;
    // The server believes that a user has one device, as nearly all others have.
    let others = format!(
        "INSERT INTO logout_all.sessions (user_id, guid, ref_tok_id, generation, epoch, global_epoch,
            created_at, auth_time, token_issued_at, token_expires_at, last_seen_at, idle_us,
            absolute_us, persistent, expires_at)
        SELECT {{}}, gen_random_uuid(), gen_random_uuid(), 0, epoch, global_epoch, created_at,
            auth_time, token_issued_at, token_expires_at, last_seen_at, idle_us, absolute_us,
            persistent, expires_at
        FROM logout_all.sessions, generate_series(2, {DEVICES}) AS n WHERE user_id = 'many'"
    );
    sql.batch_execute(&others.replace("{}", "n::text")).await.unwrap();
    sql.batch_execute("VACUUM ANALYZE logout_all.sessions").await.unwrap();
    sql.batch_execute(&others.replace("{}", "user_id")).await.unwrap();
    let ended = crate::end(&store, &row.user, Scope::All).await.unwrap();
    assert_eq!(ended.guids.len(), DEVICES);
    assert!(store.devices(&row.user).await.unwrap().rows.is_empty());
}

/// "64 concurrent lookups make far fewer statements", counted by the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_at_once_share_statements() {
    const CALLERS: i64 = 64;
    const EACH: i64 = 25;
    let database = Database::migrated().await;
    let store = database.store().await;
    let mut rows = Vec::new();
    for number in 0..CALLERS {
        rows.push(sign_in(&store, &user(number)).await);
    }
    drop(store);
    let before = counters(&database).await;
    let store = database.store().await;
    let mut callers = tokio::task::JoinSet::new();
    for row in rows {
        let store = store.clone();
        callers.spawn(async move {
            for _ in 0..EACH {
                let found = store.lookup(&row.user, row.guid).await.unwrap();
                assert_eq!(found.row.as_ref(), Some(&row));
            }
        });
    }
    callers.join_all().await;
    drop(store);
    let after = counters(&database).await;
    let statements = after[0] - before[0];
    println!("{statements} statements for {} lookups", CALLERS * EACH);
    assert!(statements < CALLERS * EACH / 4, "{statements}");
}

/// Transactions and rows written in this database, once every connection to it has closed and
/// handed its numbers in.
async fn counters(database: &Database) -> [i64; 2] {
    let admin = database.admin().await;
    let asked = "SELECT numbackends::bigint, xact_commit + xact_rollback, \
                 tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = $1";
    let since = Instant::now();
    let mut last = [-1, -1];
    loop {
        let row = admin.query_one(asked, &[&database.name]).await.unwrap();
        let found = [row.get(1), row.get(2)];
        if row.get::<_, i64>(0) == 0 && found == last {
            return found;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "connections stay open");
        last = found;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn bytes_a_row(sql: &Client) -> i64 {
    let asked =
        "SELECT pg_total_relation_size('logout_all.sessions') / count(*) FROM logout_all.sessions";
    sql.query_one(asked, &[]).await.unwrap().get(0)
}

/// How large a session is with all indexes and a user agent of 112 characters.
#[tokio::test]
async fn a_row_is_small() {
    let database = Database::migrated().await;
    let store = database.store().await;
    let row = sign_in(&store, &user("ada")).await;
    let agent = UserAgent::from_bytes("x".repeat(112).as_bytes());
    store.touch(&[Touch { user_agent: agent, ..touch_of(&row) }]).await.unwrap();
    let sql = database.sql().await;
    let many = "INSERT INTO logout_all.sessions SELECT (c.s).* FROM (SELECT jsonb_populate_record(s, \
                jsonb_build_object('guid', gen_random_uuid(), 'user_id', 100000 + n / 2)) AS s \
                FROM logout_all.sessions s, generate_series(1, 20000) n) c";
    sql.batch_execute(many).await.unwrap();
    let bytes = bytes_a_row(&sql).await;
    println!("{bytes} bytes a session");
    assert!(bytes <= 480, "{bytes} bytes a session");
    // And a logout of everybody writes one.
    let before = store.journal(0, 10).await.unwrap().last_seq;
    store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
    assert_eq!(store.journal(before, 10).await.unwrap().entries.len(), 1);
    assert!(store.lookup(&row.user, Guid::random()).await.unwrap().row.is_none());
}
