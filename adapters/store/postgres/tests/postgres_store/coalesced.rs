//! Verifications share statements, and nothing else: what one of them meets is not the others'.

use std::time::{Duration, Instant};

use logout_all::{SessionRow, SessionStore, Snapshot, StoreError, StoreErrorKind, store::Scope};
use logout_all_postgres::{PostgresStore, Users, tokio_postgres::Client};
use tokio::task::{JoinHandle, JoinSet};

use crate::{Database, end, is_there, proxy::Proxy, sign_in, user};

/// A store whose lookups of `ada` stop in the middle of their statement, as long as the gate is
/// closed; the statement has its picture of the data by then.
struct Gated {
    database: Database,
    store: PostgresStore,
    gate: Client,
}

/// An advisory lock; a count of the users that were looked up; and what an application's condition may
/// do, by the number of shares: with none it takes a moment and divides by them, with fewer it fails
/// by what is no row's.
const GATE: &str = "CREATE TABLE accounts (id text PRIMARY KEY, shares int NOT NULL DEFAULT 1);
     INSERT INTO accounts SELECT unnest(ARRAY['ada', 'bob', 'cat', 'dan', 'eve']);
     CREATE SEQUENCE asked;
     CREATE FUNCTION gate(who text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN
        PERFORM nextval('public.asked');
        IF who = 'ada' THEN PERFORM pg_advisory_xact_lock_shared(7); END IF;
        RETURN true; END $$;
     CREATE FUNCTION worth(shares int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN
        IF shares = 0 THEN PERFORM pg_sleep(0.15); END IF;
        IF shares < 0 THEN RAISE EXCEPTION 'too much' USING ERRCODE = '54000'; END IF;
        RETURN 12 / shares; END $$";

impl Gated {
    async fn new() -> Self {
        let database = Database::migrated().await;
        let gate = database.sql().await;
        gate.batch_execute(GATE).await.unwrap();
        let users = Users::table("accounts").active("gate(id) AND worth(shares) > 0");
        let store = database.builder().users(users).connect().await.unwrap();
        Self { database, store, gate }
    }

    async fn sign_in(&self, name: &str) -> SessionRow {
        sign_in(&self.store, &user(name)).await
    }

    /// Sessions of so many users more.
    async fn many(&self, count: usize) -> Vec<SessionRow> {
        let mut rows = Vec::new();
        for number in 0..count {
            let id = format!("user {number}");
            self.gate.execute("INSERT INTO accounts VALUES ($1)", &[&id]).await.unwrap();
            rows.push(self.sign_in(&id).await);
        }
        rows
    }

    async fn close(&self) {
        self.gate.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
    }

    async fn open(&self) {
        self.gate.batch_execute("SELECT pg_advisory_unlock(7)").await.unwrap();
    }

    /// Begins a lookup that stands at the gate, alone in its statement.
    async fn standing(&self, row: &SessionRow, with_it: i64) -> Asked {
        let asked = self.ask(row).await;
        self.database.waiting("lookup", with_it).await;
        asked
    }

    /// Begins a lookup, and returns once it waits.
    async fn ask(&self, row: &SessionRow) -> Asked {
        let (store, row) = (self.store.clone(), row.clone());
        let asked = tokio::spawn(async move { store.lookup(&row.user, row.guid).await });
        tokio::task::yield_now().await;
        asked
    }

    /// How many users were looked up since the last time.
    async fn asked(&self) -> i64 {
        let count = "SELECT last_value FROM asked";
        self.gate.query_one(count, &[]).await.unwrap().get(0)
    }
}

type Asked = JoinHandle<Result<Snapshot, StoreError>>;

async fn found(asked: Asked) -> Option<SessionRow> {
    asked.await.unwrap().unwrap().row
}

async fn failure(asked: Asked) -> StoreErrorKind {
    asked.await.unwrap().unwrap_err().kind()
}

/// "A lookup is only ever answered by a query that *started* after the lookup arrived."
#[tokio::test]
async fn a_lookup_that_arrives_while_a_statement_is_out_is_not_answered_by_it() {
    let gated = Gated::new().await;
    let row = gated.sign_in("ada").await;
    gated.close().await;
    let before = gated.standing(&row, 1).await;
    assert_eq!(end(&gated.store, &row.user, Scope::All).await.unwrap().guids, [row.guid]);
    let after = gated.ask(&row).await;
    // On the way over the spare, or still in the queue: both are well.
    gated.open().await;
    assert_eq!(found(before).await, Some(row), "it was sent before the logout");
    assert_eq!(found(after).await, None, "it came after the logout had returned");
}

/// What waits for the same session is asked once, and all are answered.
#[tokio::test]
async fn what_waits_is_asked_once() {
    let gated = Gated::new().await;
    let (of_ada, of_bob, of_cat) =
        (gated.sign_in("ada").await, gated.sign_in("bob").await, gated.sign_in("cat").await);
    gated.close().await;
    let first = gated.standing(&of_ada, 1).await;
    let before = gated.asked().await;
    let mut waiting = Vec::new();
    for number in 0..64 {
        let row = if number % 2 == 0 { &of_bob } else { &of_cat };
        waiting.push((gated.ask(row).await, row));
    }
    for (asked, row) in waiting {
        assert_eq!(found(asked).await.as_ref(), Some(row));
    }
    assert_eq!(gated.asked().await - before, 2, "users that were looked up for 64 callers");
    gated.open().await;
    assert_eq!(found(first).await, Some(of_ada));
}

/// "No caller hurt by another's cancelled request": neither one in a statement that is out, nor one
/// that waits.
#[tokio::test]
async fn callers_that_go_away_take_nobody_along() {
    let gated = Gated::new().await;
    let (of_ada, of_bob) = (gated.sign_in("ada").await, gated.sign_in("bob").await);
    gated.close().await;
    let out = gated.standing(&of_ada, 1).await;
    let (goes, stays, other) =
        (gated.ask(&of_bob).await, gated.ask(&of_bob).await, gated.ask(&of_ada).await);
    for gone in [out, goes] {
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
    }
    gated.database.waiting("lookup", 2).await;
    gated.open().await;
    assert_eq!(found(stays).await, Some(of_bob));
    assert_eq!(found(other).await, Some(of_ada.clone()));
    assert!(is_there(&gated.store, &of_ada).await);
}

/// "A poisoned row of one user is that caller's error alone": a damaged session, and a row of the
/// users table over which the application's own condition fails.
#[tokio::test]
async fn what_is_wrong_with_one_row_is_told_to_its_caller_alone() {
    let gated = Gated::new().await;
    let mut rows = Vec::new();
    for name in ["ada", "bob", "cat", "dan", "eve"] {
        rows.push(gated.sign_in(name).await);
    }
    let damage =
        "ALTER TABLE logout_all.sessions DROP CONSTRAINT IF EXISTS sessions_generation_check;
                  UPDATE logout_all.sessions SET generation = -1 WHERE user_id = 'cat';
                  UPDATE accounts SET shares = 0 WHERE id = 'dan'";
    gated.gate.batch_execute(damage).await.unwrap();
    gated.close().await;
    let first = gated.standing(&rows[0], 1).await;
    let mut together = Vec::new();
    for row in &rows[1..] {
        together.push(gated.ask(row).await);
    }
    let [bob, cat, dan, eve] = together.try_into().unwrap();
    assert_eq!(found(bob).await.as_ref(), Some(&rows[1]));
    assert_eq!(failure(cat).await, StoreErrorKind::Corrupt);
    assert_eq!(failure(dan).await, StoreErrorKind::Unavailable);
    assert_eq!(found(eve).await.as_ref(), Some(&rows[4]));
    gated.open().await;
    assert_eq!(found(first).await.as_ref(), Some(&rows[0]));
}

/// "Each is answered as soon as it is known": one row of many whose condition fails, after a moment.
#[tokio::test]
async fn a_row_that_fails_slowly_holds_up_few() {
    const MANY: usize = 64;
    let gated = Gated::new().await;
    let of_ada = gated.sign_in("ada").await;
    let rows = gated.many(MANY).await;
    gated.gate.batch_execute("UPDATE accounts SET shares = 0 WHERE id = 'user 20'").await.unwrap();
    gated.close().await;
    // They wait until the store's patience with this one is over, and then go together.
    let first = gated.standing(&of_ada, 1).await;
    let since = Instant::now();
    let mut asked = JoinSet::new();
    for (number, row) in rows.iter().enumerate() {
        let (store, row) = (gated.store.clone(), row.clone());
        asked.spawn(async move {
            let found = store.lookup(&row.user, row.guid).await;
            assert_eq!(found.is_ok(), number != 20, "{number}");
            (number, since.elapsed())
        });
    }
    let mut times = asked.join_all().await;
    gated.open().await;
    assert_eq!(found(first).await, Some(of_ada));
    times.sort_by_key(|(_, took)| *took);
    let order: Vec<usize> = times.iter().map(|(number, _)| *number).collect();
    let (_, whole) = times[MANY - 1];
    assert!(whole > Duration::from_millis(7 * 150), "seven statements failed: {whole:?}");
    // Three quarters wait for two of them.
    let (_, most) = times[MANY * 3 / 4 - 1];
    assert!(most < whole * 2 / 3, "{most:?}, {whole:?}");
    assert!(order[MANY - 2..].contains(&20), "{order:?}");
}

/// "A condition of the application's that fails for everybody" costs so many statements and no more;
/// what is no failure of a row costs one.
#[tokio::test]
async fn a_condition_that_always_fails_is_not_asked_for_each() {
    let gated = Gated::new().await;
    let of_ada = gated.sign_in("ada").await;
    let rows = gated.many(64).await;
    gated.close().await;
    // A division by nothing at once, and the other failure. Each statement ends at its first row; one
    // or two who ask may go by themselves.
    for (shares, most) in [("12 / (shares - 1)", 32 + 2), ("-1", 1 + 2)] {
        let failing = format!(
            "CREATE OR REPLACE FUNCTION worth(shares int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                IF {shares} < 0 THEN RAISE EXCEPTION 'too much' USING ERRCODE = '54000'; END IF;
                RETURN 1; END $$"
        );
        gated.gate.batch_execute(&failing).await.unwrap();
        let first = gated.standing(&of_ada, 1).await;
        let before = gated.asked().await;
        let mut waiting = Vec::new();
        for row in &rows {
            waiting.push(gated.ask(row).await);
        }
        for asked in waiting {
            assert_eq!(failure(asked).await, StoreErrorKind::Unavailable);
        }
        let asked = gated.asked().await - before;
        assert!(asked >= 1 && asked <= most, "{asked} statements for {shares}");
        first.abort();
        gated.open().await;
        gated.close().await;
    }
}

/// "A stalled connection does not hold everyone beyond the statement limit."
#[tokio::test]
async fn stalled_statements_end_at_their_limit_and_whoever_waits_goes_on() {
    let gated = Gated::new().await;
    let (of_ada, of_bob) = (gated.sign_in("ada").await, gated.sign_in("bob").await);
    gated.close().await;
    let since = Instant::now();
    let first = gated.standing(&of_ada, 1).await;
    let second = gated.standing(&of_ada, 2).await;
    // Both connections are taken.
    let waits = gated.ask(&of_bob).await;
    assert_eq!(failure(first).await, StoreErrorKind::TimedOut);
    assert!((1900..2600).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    assert_eq!(found(waits).await, Some(of_bob));
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert_eq!(failure(second).await, StoreErrorKind::TimedOut);
    gated.open().await;
    assert!(is_there(&gated.store, &of_ada).await);
}

/// A connection that breaks in the middle of a batch: it is asked again over another.
#[tokio::test]
async fn a_connection_that_breaks_costs_nobody_the_answer() {
    let gated = Gated::new().await;
    let (of_ada, of_bob) = (gated.sign_in("ada").await, gated.sign_in("bob").await);
    gated.close().await;
    let out = gated.standing(&of_ada, 1).await;
    let waits = gated.ask(&of_bob).await;
    let kill = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity \
                WHERE datname = $1 AND application_name = 'logout-all lookup'";
    let admin = gated.database.admin().await;
    assert_ne!(admin.query(kill, &[&gated.database.name]).await.unwrap().len(), 0);
    assert_eq!(found(waits).await, Some(of_bob));
    gated.open().await;
    assert_eq!(found(out).await, Some(of_ada));
}

/// A connection that fell silent holds up its own batch, and the next ones hardly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_holds_up_nobody_who_comes_later() {
    let database = Database::migrated().await;
    let proxy = Proxy::to(&database.config()).await;
    let store = PostgresStore::builder(proxy.config(&database.config())).connect().await.unwrap();
    let row = sign_in(&store, &user("ada")).await;
    assert!(is_there(&store, &row).await);
    proxy.swallow();
    let since = Instant::now();
    let first = tokio::spawn({
        let (store, row) = (store.clone(), row.clone());
        async move { is_there(&store, &row).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(is_there(&store, &row).await);
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    assert!(!first.is_finished());
    assert!(first.await.unwrap(), "within its deadline it is asked again");
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}
