//! Servers with a runtime for each worker, as Actix has them: what a worker opened on PostgreSQL is
//! there when the worker has ended.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod database;

use std::{collections::BTreeSet, thread};

use database::{Database, Gone};
use example_support::{Accounts, HashCost, open_postgres};
use logout_all::{ClientInfo, Clock, Keys, Sessions};
use logout_all_postgres::tokio_postgres::Client;

/// "Its tasks, and the connections of its store, stay there": on the runtime that built it. The
/// same is true of the example's accounts.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn connections_outlive_the_worker_that_needed_them_first() {
    let _gone = Gone;
    let database = Database::new().await.unwrap();
    let opened = open_postgres(&database.config(), HashCost::DangerCheap, Clock::system()).await;
    let (store, accounts) = opened.unwrap();
    let keys = Keys::hs256(b"a key for the workers' connections").unwrap();
    let sessions = Sessions::builder(store, keys, "workers").build().await.unwrap();
    let ada = accounts.add("ada", "lovelace").await.unwrap();
    let ticket = sessions.begin_login(Some(&ada)).await.unwrap();
    let login = sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
    let token = login.issued.token.expose().to_owned();

    let sql = database::connect(&database.config()).await.unwrap();
    let at_home = backends(&sql).await;
    let worker = thread::spawn({
        let (sessions, accounts, token) = (sessions.clone(), accounts.clone(), token.clone());
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(four_at_once(&sessions, &accounts, &token));
        }
    });
    worker.join().unwrap();
    let opened = backends(&sql).await;
    assert!(
        opened.len() >= at_home.len() + 4,
        "the worker opened none that is left: {at_home:?} {opened:?}"
    );

    // Whoever meets a connection that has ended opens another in its place.
    four_at_once(&sessions, &accounts, &token).await;
    let left = backends(&sql).await;
    assert!(left.is_superset(&opened), "{:?} ended with the worker", opened.difference(&left));
}

async fn four_at_once(sessions: &Sessions, accounts: &Accounts, token: &str) {
    let ada = accounts.id_of("ada").await.unwrap().unwrap();
    let request = async || {
        // Verifications share a connection; the lists of devices do not.
        let (verified, id, devices) = tokio::join!(
            sessions.verify(token.as_bytes()),
            accounts.id_of("ada"),
            sessions.devices(&ada)
        );
        assert_eq!(Some(verified.unwrap().user_id()), id.unwrap().as_ref());
        assert_eq!(devices.unwrap().len(), 1);
    };
    tokio::join!(request(), request(), request(), request());
}

async fn backends(sql: &Client) -> BTreeSet<i32> {
    const SQL: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                       AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let rows = sql.query(SQL, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
