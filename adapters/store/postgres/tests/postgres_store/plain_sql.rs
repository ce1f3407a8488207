//! The functions for people, the privileges that the documentation lists, the watched users table.

use std::time::Duration;

use logout_all::{
    By, DeviceLimit, EndReason, Label, SessionStore,
    store::{Inserted, Scope},
};
use logout_all_postgres::{
    PostgresStore, Users,
    tokio_postgres::{Client, Config},
};

use crate::{
    Database, connect, end, is_there, journal, login_of, rotation, sign_in, touch_of, user,
};

#[tokio::test]
async fn each_function_ends_fences_and_journals() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let sql = database.sql().await;
    let count = async |call: &str| sql.query_one(call, &[]).await.unwrap().get::<_, i64>(0);
    for (call, fences, ends) in [
        ("SELECT logout_all.logout_user('ada')", true, 2),
        ("SELECT logout_all.logout_device('ada', 'GUID', 'locked', 'operator:ops')", false, 1),
        ("SELECT logout_all.logout_others('ada', 'GUID', why => 'password')", true, 1),
        ("SELECT logout_all.logout_before('ada', now() + interval '0 s')", true, 2),
        ("SELECT logout_all.logout_issued_before('ada', now() + interval '0 s')", true, 2),
    ] {
        end(&store, &ada, Scope::All).await.unwrap();
        let (one, two) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
        let under_way = login_of(&store, &ada, DeviceLimit::Unlimited).await;
        let before = journal(&store).await.len();
        assert_eq!(count(&call.replace("GUID", &one.guid.to_string())).await, ends, "{call}");
        let left =
            usize::from(is_there(&store, &one).await) + usize::from(is_there(&store, &two).await);
        assert_eq!(left, 2 - usize::try_from(ends).unwrap(), "{call}");
        assert!(journal(&store).await.len() > before, "{call}");
        let overtaken = matches!(store.insert(&under_way).await.unwrap(), Inserted::Overtaken);
        assert_eq!(overtaken, fences, "{call}");
    }
    let row = sign_in(&store, &ada).await;
    sql.batch_execute("SELECT logout_all.logout_everyone()").await.unwrap();
    let found = store.lookup(&ada, row.guid).await.unwrap();
    assert!(!found.row.unwrap().is_live(found.epochs, found.now));
    sql.batch_execute("SELECT logout_all.user_changed('ada', 'application')").await.unwrap();
    let told = journal(&store).await;
    let reasons: Vec<_> = told.iter().rev().take(2).map(|entry| entry.reason).collect();
    assert_eq!(reasons, [EndReason::Changed, EndReason::Everyone]);
    assert!(told.iter().any(|e| e.by == By::operator("ops") && e.reason == EndReason::Locked));
    for bad in [
        "SELECT logout_all.logout_user('')",
        "SELECT logout_all.logout_user('ada', 'no reason')",
        "SELECT logout_all.logout_user('ada', 'operator', 'nobody')",
        "SELECT logout_all.logout_before('ada', now() + interval '1 hour')",
        "SELECT logout_all.logout_issued_before('ada', now() + interval '1 hour')",
        // Nor by what the library itself calls, which its role may.
        "SELECT logout_all.end_sessions('', 'all', NULL, NULL, 'logout', 'policy', 0)",
        "SELECT logout_all.end_sessions('ada', 'all', NULL, NULL, 'no reason', 'policy', 0)",
        "SELECT logout_all.end_sessions('ada', 'all', NULL, NULL, 'logout', 'nobody', 0)",
        "SELECT logout_all.end_sessions('ada', NULL, NULL, NULL, 'logout', 'policy', 0)",
        "SELECT logout_all.make_room('ada', '{}', 'no reason', now())",
        "SELECT logout_all.end_everyone('no reason', 'policy', 0)",
        "SELECT logout_all.announce_changed('ada', 'nobody', 0)",
        "SELECT logout_all.lock_user('')",
    ] {
        assert!(sql.batch_execute(bad).await.is_err(), "{bad}");
    }
}

/// "no token older than it is accepted any more": a session that stays forgets its predecessor, within
/// the grace too, and caches are told, in the same transaction.
#[tokio::test]
async fn a_predecessor_that_is_too_old_is_forgotten_and_told() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let row = sign_in(&store, &ada).await;
    store.rotate(&rotation(&row)).await.unwrap();
    let rotated = store.lookup(&ada, row.guid).await.unwrap().row.unwrap();
    assert_eq!(rotated.prev_ref_tok_id, Some(row.ref_tok_id));
    let before = journal(&store).await.len();
    let ended = database
        .sql()
        .await
        .query_one(
            "SELECT logout_all.logout_issued_before('ada', created_at) FROM logout_all.sessions",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(ended.get::<_, i64>(0), 0, "its token is not older");
    let stays = store.lookup(&ada, row.guid).await.unwrap();
    let (row, epochs) = (stays.row.unwrap(), stays.epochs);
    assert!(row.is_live(epochs, stays.now) && row.prev_ref_tok_id.is_none(), "{row:?}");
    let told = journal(&store).await.split_off(before);
    let told: Vec<_> = told.iter().map(|entry| (entry.user.clone(), entry.reason)).collect();
    assert_eq!(told, [(Some(ada), EndReason::Changed)]);
}

/// The role, its connection, and a configuration to connect by.
async fn role(database: &Database, name: &str) -> (String, Config) {
    let role = format!("{}_{name}", database.name);
    let sql = database.sql().await;
    sql.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'test'")).await.unwrap();
    let mut config = database.config();
    config.user(&role).password("test");
    (role, config)
}

async fn forget(database: &Database, role: &str) {
    let sql = database.sql().await;
    sql.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

async fn denied(sql: &Client, statement: &str) {
    let error = sql.batch_execute(statement).await.expect_err(statement);
    assert_eq!(error.code().unwrap().code(), "42501", "{statement}");
}

#[tokio::test]
async fn a_runtime_role_needs_what_is_listed_and_no_more() {
    let database = Database::migrated().await;
    let sql = database.sql().await;
    sql.batch_execute(
        "CREATE TABLE accounts (id text PRIMARY KEY); INSERT INTO accounts VALUES ('ada')",
    )
    .await
    .unwrap();
    let (role, config) = role(&database, "app").await;
    let builder = PostgresStore::builder(config.clone()).users(Users::table("accounts"));
    let error = builder.connect().await.unwrap_err();
    assert!(error.to_string().contains("grant_runtime"), "{error}");
    let grants =
        format!("SELECT logout_all.grant_runtime('{role}'); GRANT SELECT ON accounts TO {role}");
    sql.batch_execute(&format!("SET search_path TO logout_all, public; {grants}")).await.unwrap();

    let (store, ada, by) = (builder.connect().await.unwrap(), user("ada"), By::Application);
    store.ping().await.unwrap();
    let mut row = sign_in(&store, &ada).await;
    let limited = login_of(&store, &ada, DeviceLimit::Evict(1)).await;
    assert!(store.insert(&limited).await.unwrap().denied().is_none());
    row = match store.devices(&ada).await.unwrap().rows.pop() {
        Some(left) => left,
        None => row,
    };
    store.touch(&[touch_of(&row)]).await.unwrap();
    store.rotate(&rotation(&row)).await.unwrap();
    store.relabel(&ada, row.guid, Label::new("Work").as_ref()).await.unwrap().unwrap();
    assert!(is_there(&store, &row).await);
    end(&store, &ada, Scope::Others(row.guid)).await.unwrap();
    end(&store, &ada, Scope::Device(row.guid)).await.unwrap();
    store.end_everyone(EndReason::Everyone, &by).await.unwrap();
    store.announce_changed(&ada, &by).await.unwrap();
    store.lease().await.unwrap();
    store.poll(Some(1), 10).await.unwrap();
    store.sweep(10).await.unwrap();
    assert_eq!(journal(&store).await.len(), 4);
    assert_eq!(store.history(&ada, 10).await.unwrap().len(), 4);
    let mut own = connect(&config).await;
    let mut tx = own.transaction().await.unwrap();
    drop(store.logout_all_in(&mut tx, &ada, EndReason::Password, &by).await.unwrap());
    tx.commit().await.unwrap();
    let minute = Duration::from_mins(1);
    assert_eq!(store.raise_lease(minute).await.unwrap().waited, minute);
    let seen = store.lower_given(Duration::ZERO).await.unwrap();
    assert!(store.lower_waited(seen).await.unwrap());
    assert!(tokio::time::timeout(minute, store.woken()).await.is_ok());

    for forbidden in [
        "DELETE FROM logout_all.journal",
        "UPDATE logout_all.meta SET global_epoch = 0",
        "UPDATE logout_all.meta SET lease_waited_us = 0",
        "UPDATE logout_all.users SET epoch = 0",
        "INSERT INTO logout_all.pending (reason, by_whom, at) VALUES ('logout', 'policy', now())",
        "DELETE FROM logout_all.sessions",
        "TRUNCATE logout_all.sessions",
        "CREATE TABLE logout_all.mine (id int)",
    ] {
        denied(&own, forbidden).await;
    }
    drop((store, own));
    forget(&database, &role).await;
}

#[tokio::test]
async fn an_operator_needs_one_function() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let row = sign_in(&store, &ada).await;
    let (role, config) = role(&database, "operator").await;
    let own = connect(&config).await;
    denied(&own, "SELECT logout_all.logout_user('ada')").await;
    let sql = database.sql().await;
    let grants = format!(
        "GRANT USAGE ON SCHEMA logout_all TO {role};
         GRANT EXECUTE ON FUNCTION logout_all.logout_user(text, text, text) TO {role}"
    );
    sql.batch_execute(&grants).await.unwrap();
    // A table of the same name in front of ours does not mislead the function.
    own.batch_execute("CREATE TEMP TABLE sessions (user_id text, guid uuid)").await.unwrap();
    own.batch_execute("SELECT logout_all.logout_user('ada')").await.unwrap();
    assert!(!is_there(&store, &row).await);
    let by = journal(&store).await[0].by.to_string();
    assert_eq!(by, format!("operator:{role}"));
    denied(&own, "SELECT * FROM logout_all.sessions").await;
    denied(&own, "SELECT logout_all.logout_everyone()").await;
    denied(&own, "SELECT logout_all.lower_lease('1 ms')").await;
    denied(&own, "SELECT logout_all.raise_lease(3600000000, 0)").await;
    drop(own);
    forget(&database, &role).await;
}

#[tokio::test]
async fn a_watched_users_table_announces_its_changes() {
    let database = Database::migrated().await;
    let store = database.store().await;
    let sql = database.sql().await;
    sql.batch_execute(
        "CREATE TABLE accounts (id int PRIMARY KEY, email text, locked boolean, seen timestamptz);
         INSERT INTO accounts VALUES (1, 'a', false), (2, 'b', false);
         SELECT logout_all.watch_users('accounts', 'id', 'email', 'locked');",
    )
    .await
    .unwrap();
    for (change, told) in [
        ("UPDATE accounts SET seen = now()", vec![]),
        ("UPDATE accounts SET locked = locked", vec![]),
        ("UPDATE accounts SET locked = true WHERE id = 2", vec![Some("2")]),
        ("DELETE FROM accounts WHERE id = 1", vec![Some("1")]),
        ("TRUNCATE accounts", vec![None]),
    ] {
        let before = journal(&store).await.len();
        sql.batch_execute(change).await.unwrap();
        let entries = journal(&store).await.split_off(before);
        let users: Vec<_> = entries
            .iter()
            .map(|entry| entry.user.as_ref().map(logout_all::UserId::as_str))
            .collect();
        assert_eq!(users, told, "{change}");
        assert!(entries.iter().all(|entry| entry.reason == EndReason::Changed));
    }
    assert!(sql.batch_execute("SELECT logout_all.watch_users('accounts', 'no')").await.is_err());
    sql.batch_execute("SELECT logout_all.unwatch_users('accounts')").await.unwrap();
    let before = journal(&store).await.len();
    sql.batch_execute("INSERT INTO accounts VALUES (3, 'c', false); DELETE FROM accounts")
        .await
        .unwrap();
    assert_eq!(journal(&store).await.len(), before);
}
