//! What the store does when the server, the network or a lock does not: an error within the limit,
//! and the next verb works when it has passed.

use std::time::{Duration, Instant};

use logout_all::{
    DeviceLimit, SessionStore, StoreErrorKind,
    store::{Inserted, Scope},
};
use logout_all_postgres::PostgresStore;
use tokio::task::JoinSet;

use crate::{
    Database, end, is_there, journal, login_of, proxy::Proxy, rotation, sign_in, swapped, user,
};

/// "A killed backend": what was idle is noticed before it is lent.
#[tokio::test]
async fn after_a_killed_backend_the_next_verbs_work() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let admin = database.admin().await;
    for _ in 0..3 {
        let row = sign_in(&store, &ada).await;
        store.lease().await.unwrap();
        let kill = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity \
                    WHERE datname = $1 AND application_name LIKE 'logout-all %'";
        assert!(admin.query(kill, &[&database.name]).await.unwrap().len() >= 3);
        assert!(is_there(&store, &row).await);
        let second = sign_in(&store, &ada).await;
        let row = swapped(store.rotate(&rotation(&row)).await.unwrap()).unwrap();
        assert_eq!(end(&store, &ada, Scope::Device(second.guid)).await.unwrap().guids.len(), 1);
        assert!(is_there(&store, &row).await);
    }
}

/// "`statement_timeout`": a lock that is held too long is an error, nothing is changed, and the
/// connection is good for the next one.
#[tokio::test]
async fn a_lock_that_is_held_too_long_is_an_error() {
    let database = Database::migrated().await;
    let store = database.builder().ending_connections(1).connect().await.unwrap();
    let (ada, bob) = (user("ada"), user("bob"));
    let (row, of_bob) = (sign_in(&store, &ada).await, sign_in(&store, &bob).await);
    let mut sql = database.sql().await;
    let tx = sql.transaction().await.unwrap();
    tx.query_one("SELECT logout_all.lock_user('ada')", &[]).await.unwrap();
    let since = Instant::now();
    let error = end(&store, &ada, Scope::All).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{error:?}");
    assert!((1900..3500).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    // Others are not held up, and the one connection still is one.
    assert_eq!(end(&store, &bob, Scope::All).await.unwrap().guids, [of_bob.guid]);
    assert!(is_there(&store, &row).await);
    tx.rollback().await.unwrap();
    assert_eq!(end(&store, &ada, Scope::All).await.unwrap().guids, [row.guid]);
}

/// "Pool exhausted: 503 within the wait limit"; and logouts have connections of their own.
#[tokio::test]
async fn busy_logins_hold_up_no_logout_and_no_lookup() {
    let database = Database::migrated().await;
    let store = database.builder().write_connections(2).connect().await.unwrap();
    let (ada, bob) = (user("ada"), user("bob"));
    let (row, of_bob) = (sign_in(&store, &ada).await, sign_in(&store, &bob).await);
    let mut sql = database.sql().await;
    let tx = sql.transaction().await.unwrap();
    let lock = "SELECT FROM logout_all.sessions WHERE user_id = 'ada' FOR UPDATE";
    tx.query(lock, &[]).await.unwrap();
    let mut stuck = JoinSet::new();
    for _ in 0..4 {
        let (store, row) = (store.clone(), row.clone());
        stuck.spawn(async move { store.rotate(&rotation(&row)).await });
    }
    database.waiting("write", 2).await;
    assert!(is_there(&store, &row).await);
    assert_eq!(end(&store, &bob, Scope::All).await.unwrap().guids, [of_bob.guid]);
    let mut busy = 0;
    for answer in stuck.join_all().await {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{error:?}");
        busy += usize::from(error.to_string().contains("write connections were busy"));
    }
    assert_eq!(busy, 2);
    tx.rollback().await.unwrap();
    assert!(swapped(store.rotate(&rotation(&row)).await.unwrap()).is_some());
}

/// "After a failover a pool may hold read-only connections (SQLSTATE 25006): such a connection is
/// dropped."
#[tokio::test]
async fn a_server_that_takes_no_writes_loses_its_connections() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let row = sign_in(&store, &ada).await;
    end(&store, &ada, Scope::Others(row.guid)).await.unwrap();
    let admin = database.admin().await;
    let set =
        |how: &str| format!("ALTER DATABASE {} {how} default_transaction_read_only", database.name);
    admin.batch_execute(&format!("{} = on", set("SET"))).await.unwrap();
    let kill = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity \
                WHERE datname = $1 AND application_name LIKE 'logout-all %'";
    admin.query(kill, &[&database.name]).await.unwrap();
    let error = end(&store, &ada, Scope::All).await.unwrap_err();
    assert!(error.to_string().contains("takes no writes"), "{error:?}");
    // Reads go on: whether they are the truth is what a new connection asks the server.
    assert!(is_there(&store, &row).await);
    admin.batch_execute(&set("RESET")).await.unwrap();
    assert_eq!(end(&store, &ada, Scope::All).await.unwrap().guids, [row.guid]);
}

/// "No half-open socket may hang a verb."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_ends_each_verb_in_time() {
    let database = Database::migrated().await;
    let proxy = Proxy::to(&database.config()).await;
    let store = PostgresStore::builder(proxy.config(&database.config())).connect().await.unwrap();
    let ada = user("ada");
    let row = sign_in(&store, &ada).await;
    end(&store, &ada, Scope::Others(row.guid)).await.unwrap();
    proxy.swallow();
    let since = Instant::now();
    // At once, each on a connection that was good a moment ago.
    let (lookup, rotation, ending) = tokio::join!(
        store.lookup(&ada, row.guid),
        async { store.rotate(&rotation(&row)).await },
        end(&store, &ada, Scope::Device(row.guid)),
    );
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    // A verification is asked again over the spare.
    assert!(lookup.is_ok(), "{lookup:?}");
    assert_eq!(rotation.unwrap_err().kind(), StoreErrorKind::TimedOut);
    // The connection of an ending is asked before it is lent: this one got a new connection.
    assert_eq!(ending.unwrap().guids, [row.guid]);
    // The silent ones are gone.
    let since = Instant::now();
    assert!(!is_there(&store, &row).await);
    sign_in(&store, &ada).await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

/// "Commit sent, connection cut before the answer: 503; retrying is safe and then tells the truth."
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_repeated() {
    let database = Database::migrated().await;
    let proxy = Proxy::to(&database.config()).await;
    let store = PostgresStore::builder(proxy.config(&database.config())).connect().await.unwrap();
    let ada = user("ada");
    let login = login_of(&store, &ada, DeviceLimit::Unlimited).await;
    proxy.cut_at_commit();
    let error = store.insert(&login).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("before the commit was confirmed"), "{error:?}");
    assert_eq!(store.devices(&ada).await.unwrap().rows.len(), 1);
    // The truth: it is there.
    let error = store.insert(&login).await.unwrap_err();
    assert!(error.to_string().contains("in use already"), "{error:?}");
    assert_eq!(end(&store, &ada, Scope::All).await.unwrap().guids, [login.guid]);
}

/// "40001 and 40P01 are retried up to 3 times, then an error."
#[tokio::test]
async fn a_lost_conflict_is_tried_again_three_times() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let sql = database.sql().await;
    // A sequence counts what is rolled back, too.
    sql.batch_execute(
        "CREATE SEQUENCE tries; CREATE TABLE most (n int); INSERT INTO most VALUES (3);
         CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
            IF nextval('public.tries') <= (SELECT n FROM public.most) THEN
                RAISE EXCEPTION 'in the way' USING ERRCODE = TG_ARGV[0];
            END IF;
            RETURN NEW; END $$",
    )
    .await
    .unwrap();
    for code in ["40001", "40P01"] {
        let install = format!(
            "SELECT setval('tries', 1, false); DROP TRIGGER IF EXISTS conflict ON logout_all.sessions;
             CREATE TRIGGER conflict BEFORE INSERT ON logout_all.sessions
             FOR EACH ROW EXECUTE FUNCTION conflict('{code}')"
        );
        sql.batch_execute(&format!("UPDATE most SET n = 3; {install}")).await.unwrap();
        sign_in(&store, &ada).await;
        sql.batch_execute(&format!("UPDATE most SET n = 4; {install}")).await.unwrap();
        let login = login_of(&store, &ada, DeviceLimit::Unlimited).await;
        let error = store.insert(&login).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(format!("{error:?}").contains(code), "{error:?}");
    }
    assert_eq!(store.devices(&ada).await.unwrap().rows.len(), 2);
}

/// "Such a transaction runs in a task of its own, which a dropped handler cannot cut in half."
#[tokio::test]
async fn a_login_whose_caller_went_away_is_whole() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let old = sign_in(&store, &ada).await;
    let mut sql = database.sql().await;
    let tx = sql.transaction().await.unwrap();
    tx.query_one("SELECT logout_all.lock_user('ada')", &[]).await.unwrap();
    let login = login_of(&store, &ada, DeviceLimit::Evict(1)).await;
    let caller = tokio::spawn({
        let (store, login) = (store.clone(), login.clone());
        async move { store.insert(&login).await }
    });
    database.waiting("write", 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    tx.commit().await.unwrap();
    // The next login of the user comes after it.
    let next = login_of(&store, &ada, DeviceLimit::Evict(1)).await;
    let Inserted::Stored { evicted, .. } = store.insert(&next).await.unwrap() else {
        panic!("a good login was refused")
    };
    assert_eq!(evicted, [login.guid]);
    assert_eq!(journal(&store).await[0].guid, Some(old.guid));
}

/// A store that was built on one runtime works for callers on others, and outlives them.
#[test]
fn connections_live_on_the_runtime_that_built_the_store() {
    let multi =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let single = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let home = multi().unwrap();
    let (database, store) = home.block_on(async {
        let database = Database::migrated().await;
        let store = database.store().await;
        (database, store)
    });
    let ada = user("ada");
    let row = single().block_on(sign_in(&store, &ada));
    let caller = single();
    assert!(caller.block_on(is_there(&store, &row)));
    let ended = caller.block_on(end(&store, &ada, Scope::All)).unwrap();
    assert_eq!(ended.guids, [row.guid]);
    drop(caller);
    assert!(!single().block_on(is_there(&store, &row)));
    let told = single().block_on(journal(&store));
    assert_eq!(told.len(), 1);
    assert_eq!(single().block_on(store.lease()).unwrap(), logout_all::store::Lease::default());
    drop(home);
    let error = single().block_on(store.lease()).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Stopped);
    let error = single().block_on(store.lookup(&row.user, row.guid)).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Stopped);
    drop(database);
}

#[tokio::test]
async fn an_error_names_no_value_of_a_row() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let row = sign_in(&store, &ada).await;
    let sql = database.sql().await;
    sql.batch_execute("ALTER TABLE logout_all.sessions ADD CHECK (generation < 1)").await.unwrap();
    // Its DETAIL, "Failing row contains (…)", has both refTokIDs.
    let next = rotation(&row);
    let error = store.rotate(&next).await.unwrap_err();
    let told = format!("{error:?} {error}");
    assert!(told.contains("23514"), "{told}");
    for secret in [row.ref_tok_id, next.next] {
        assert!(!told.contains(&secret.expose().to_string()), "{told}");
    }
}

/// `sslmode=require` means it: a server, or somebody in between, that says "no TLS here" is sent
/// neither a password nor anything else.
#[tokio::test]
async fn whoever_denies_tls_is_sent_nothing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut request = [0; 8];
        client.read_exact(&mut request).await.unwrap();
        client.write_all(b"N").await.unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        (request, rest)
    });
    let url = format!("postgres://app:secret@127.0.0.1:{port}/app?sslmode=verify-full");
    let error = PostgresStore::builder(url).connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(format!("{error:?}").contains("TLS"), "{error:?}");
    let (request, rest) = heard.await.unwrap();
    // SSLRequest, and the end.
    assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
    assert!(rest.is_empty());
}
