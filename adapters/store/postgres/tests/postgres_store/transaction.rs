//! Endings inside the application's own transaction.

use std::time::Duration;

use logout_all::{
    AuthError, By, Clock, DeviceLimit, EndReason, Pending, SessionStore, Usage, store::Inserted,
};
use logout_all_postgres::{Before, tokio_postgres::IsolationLevel};

use crate::{Database, is_there, journal, login_of, sign_in, user};

const PASSWORD: EndReason = EndReason::Password;

fn refusal(answer: Result<Pending, AuthError>) -> String {
    match answer {
        Err(AuthError::Usage(Usage::Transaction(why))) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_password_change_and_its_logouts_commit_together() {
    let database = Database::migrated().await;
    let (store, ada, by) = (database.store().await, user("ada"), By::Application);
    let (this, that) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    let under_way = login_of(&store, &ada, DeviceLimit::Unlimited).await;
    let mut sql = database.sql().await;
    sql.batch_execute("CREATE TABLE accounts (hash text); INSERT INTO accounts VALUES ('old')")
        .await
        .unwrap();

    let mut tx = sql.transaction().await.unwrap();
    tx.execute("UPDATE accounts SET hash = 'new'", &[]).await.unwrap();
    let pending = store.logout_others_in(&mut tx, &ada, this.guid, PASSWORD, &by).await.unwrap();
    assert_eq!(pending.ended(), [that.guid]);
    assert!(is_there(&store, &that).await, "not committed yet");
    tx.rollback().await.unwrap();
    assert!(is_there(&store, &that).await);
    assert!(journal(&store).await.is_empty());

    let mut tx = sql.transaction().await.unwrap();
    tx.execute("UPDATE accounts SET hash = 'new'", &[]).await.unwrap();
    let pending = store.logout_others_in(&mut tx, &ada, this.guid, PASSWORD, &by).await.unwrap();
    assert_eq!(pending.ended().len(), 1);
    tx.commit().await.unwrap();
    let devices = store.devices(&ada).await.unwrap().rows;
    assert_eq!(devices.iter().map(|row| row.guid).collect::<Vec<_>>(), [this.guid]);
    let told = journal(&store).await;
    assert_eq!(told.iter().map(|entry| entry.guid).collect::<Vec<_>>(), [Some(that.guid)]);
    assert_eq!(told[0].reason, PASSWORD);
    // The fence, too.
    assert!(matches!(store.insert(&under_way).await.unwrap(), Inserted::Overtaken));
}

#[tokio::test]
async fn the_other_endings_end_what_they_say() {
    let database = Database::migrated().await;
    let clock = Clock::system();
    let store = database.builder().danger_clock(clock.clone()).connect().await.unwrap();
    let (ada, by) = (user("ada"), By::operator("ops"));
    let old = sign_in(&store, &ada).await;
    clock.advance(Duration::from_mins(1));
    let middle = store.epochs(None).await.unwrap().now;
    clock.advance(Duration::from_mins(1));
    let (new, other) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    let mut sql = database.sql().await;
    let mut tx = sql.transaction().await.unwrap();
    let why = EndReason::Before;
    let before = Before::SignedIn(middle);
    let ended = store.logout_before_in(&mut tx, &ada, before, why, &by).await.unwrap();
    assert_eq!(ended.ended(), [old.guid]);
    let before = Before::TokenIssued(middle);
    let ended = store.logout_before_in(&mut tx, &ada, before, why, &by).await.unwrap();
    assert!(ended.ended().is_empty());
    let future = Before::SignedIn(middle + Duration::from_hours(1));
    let refused = store.logout_before_in(&mut tx, &ada, future, why, &by).await;
    assert!(matches!(refused, Err(AuthError::Usage(Usage::OutOfRange(_)))));
    let ended = store.logout_device_in(&mut tx, &ada, other.guid, EndReason::Logout, &by);
    assert_eq!(ended.await.unwrap().ended(), [other.guid]);
    let ended = store.logout_all_in(&mut tx, &ada, EndReason::Everywhere, &by).await.unwrap();
    assert_eq!(ended.ended(), [new.guid]);
    tx.commit().await.unwrap();
    assert!(store.devices(&ada).await.unwrap().rows.is_empty());
    let told: Vec<_> = journal(&store).await.into_iter().map(|e| (e.reason, e.by)).collect();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|(_, whom)| *whom == by));
}

#[tokio::test]
async fn a_transaction_that_cannot_carry_it_is_refused_and_goes_on() {
    let (database, elsewhere) = (Database::migrated().await, Database::migrated().await);
    let bare = Database::new().await;
    let (store, ada, by) = (database.store().await, user("ada"), By::Application);
    let row = sign_in(&store, &ada).await;
    let mut sql = database.sql().await;
    for level in [IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        let mut tx = sql.build_transaction().isolation_level(level).start().await.unwrap();
        let refused = store.logout_all_in(&mut tx, &ada, PASSWORD, &by).await;
        assert!(refusal(refused).contains("READ COMMITTED"));
        tx.query_one("SELECT 1", &[]).await.unwrap();
    }
    for other in [&elsewhere, &bare] {
        let mut sql = other.sql().await;
        let mut tx = sql.transaction().await.unwrap();
        let refused = store.logout_all_in(&mut tx, &ada, PASSWORD, &by).await;
        assert!(refusal(refused).contains("another database"));
        tx.query_one("SELECT 1", &[]).await.unwrap();
    }
    // Another schema of the same database is another store.
    let second = database.builder().schema("Second \"one\"");
    second.migrate().await.unwrap();
    let second = second.connect().await.unwrap();
    assert!(!is_there(&second, &row).await);
    let there = sign_in(&second, &ada).await;
    let mut tx = sql.transaction().await.unwrap();
    drop(second.logout_all_in(&mut tx, &ada, PASSWORD, &by).await.unwrap());
    tx.commit().await.unwrap();
    assert!(is_there(&store, &row).await && !is_there(&second, &there).await);
}

#[tokio::test]
async fn everybody_ends_with_the_commit_and_not_with_a_rollback() {
    let database = Database::migrated().await;
    let (store, by) = (database.store().await, By::Application);
    let (ada, bob) = (user("ada"), user("bob"));
    let rows = [sign_in(&store, &ada).await, sign_in(&store, &bob).await];
    let mut sql = database.sql().await;
    for commit in [false, true] {
        let mut tx = sql.transaction().await.unwrap();
        let pending = store.logout_everyone_in(&mut tx, EndReason::Everyone, &by).await.unwrap();
        assert!(pending.ended().is_empty(), "nobody is named");
        if commit { tx.commit().await } else { tx.rollback().await }.unwrap();
        for row in &rows {
            let found = store.lookup(&row.user, row.guid).await.unwrap();
            let lives = found.row.is_some_and(|row| row.is_live(found.epochs, found.now));
            assert_eq!(lives, !commit);
        }
    }
    assert_eq!(journal(&store).await.len(), 1);
}
