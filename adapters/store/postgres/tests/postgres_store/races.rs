//! Races between real transactions that overlap: another connection holds a lock until the others
//! wait for it.

use std::collections::BTreeSet;

use logout_all::{
    By, DeviceLimit, EndReason, Guid, SessionStore,
    store::{Inserted, Scope},
};
use tokio::task::JoinSet;

use crate::{
    Database, end, ending, is_there, journal, login_of, rotation, sign_in, swapped, touch_of, user,
};

/// "A login that began before the user was logged out everywhere fails", also when it waits for the
/// logout that is under way.
#[tokio::test]
async fn a_login_that_waits_for_a_logout_is_overtaken() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let login = login_of(&store, &ada, DeviceLimit::Unlimited).await;
    let mut sql = database.sql().await;
    let tx = sql.transaction().await.unwrap();
    tx.query_one("SELECT logout_all.logout_user('ada')", &[]).await.unwrap();
    let waits = tokio::spawn({
        let store = store.clone();
        async move { store.insert(&login).await }
    });
    database.waiting("write", 1).await;
    tx.commit().await.unwrap();
    assert!(matches!(waits.await.unwrap().unwrap(), Inserted::Overtaken));
    assert!(store.devices(&ada).await.unwrap().rows.is_empty());
}

/// The insert of a login is not committed when the delete-all begins: the session does not survive.
#[tokio::test]
async fn a_logout_that_waits_for_a_login_ends_it() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let model = sign_in(&store, &ada).await;
    let mut sql = database.sql().await;
    let tx = sql.transaction().await.unwrap();
    tx.query_one("SELECT logout_all.lock_user('ada')", &[]).await.unwrap();
    let copied = "INSERT INTO logout_all.sessions SELECT (s).* FROM (SELECT jsonb_populate_record(s, \
                  jsonb_build_object('guid', gen_random_uuid())) AS s FROM logout_all.sessions s) c";
    assert_eq!(tx.execute(copied, &[]).await.unwrap(), 1);
    let waits = tokio::spawn({
        let (store, ada) = (store.clone(), ada.clone());
        async move { end(&store, &ada, Scope::All).await }
    });
    database.waiting("end", 1).await;
    tx.commit().await.unwrap();
    let ended = waits.await.unwrap().unwrap();
    assert_eq!(ended.guids.len(), 2, "{ended:?}");
    assert!(!is_there(&store, &model).await);
    assert!(store.devices(&ada).await.unwrap().rows.is_empty());
}

/// "With `FOR SHARE` 27 rows, as one CTE statement 27, with `FOR NO KEY UPDATE` and later statements
/// 20."
#[tokio::test]
async fn the_device_limit_holds_for_logins_that_wait_together() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    for _ in 0..19 {
        sign_in(&store, &ada).await;
    }
    let mut sql = database.sql().await;
    let tx = sql.transaction().await.unwrap();
    tx.query_one("SELECT logout_all.lock_user('ada')", &[]).await.unwrap();
    let mut logins = JoinSet::new();
    for _ in 0..8 {
        let login = login_of(&store, &ada, DeviceLimit::Evict(20)).await;
        let store = store.clone();
        logins.spawn(async move { store.insert(&login).await });
    }
    database.waiting("write", 8).await;
    tx.commit().await.unwrap();
    let mut evicted = BTreeSet::<Guid>::new();
    for answer in logins.join_all().await {
        match answer.unwrap() {
            Inserted::Stored { evicted: gone, .. } => evicted.extend(gone),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(evicted.len(), 7);
    assert_eq!(store.devices(&ada).await.unwrap().rows.len(), 20);
}

/// "Rotation as UPDATE in place against a concurrent delete-all: correct", whoever comes first.
#[tokio::test]
async fn no_rotation_and_no_touch_escapes_a_logout() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let mut sql = database.sql().await;
    for logout_first in [true, false] {
        let row = sign_in(&store, &ada).await;
        let tx = sql.transaction().await.unwrap();
        let lock = "SELECT FROM logout_all.sessions WHERE guid = $1 FOR UPDATE";
        tx.query(lock, &[row.guid.as_uuid()]).await.unwrap();
        let logout = {
            let (store, ada) = (store.clone(), ada.clone());
            async move { end(&store, &ada, Scope::All).await }
        };
        let change = {
            let (store, row) = (store.clone(), row.clone());
            async move {
                store.touch(&[touch_of(&row)]).await.unwrap();
                store.rotate(&rotation(&row)).await
            }
        };
        let (logout, change) = if logout_first {
            let logout = tokio::spawn(logout);
            database.waiting("end", 1).await;
            (logout, tokio::spawn(change))
        } else {
            let change = tokio::spawn(change);
            database.waiting("write", 1).await;
            (tokio::spawn(logout), change)
        };
        database.waiting("end", 1).await;
        database.waiting("write", 1).await;
        tx.commit().await.unwrap();
        assert_eq!(logout.await.unwrap().unwrap().guids, [row.guid]);
        change.await.unwrap().unwrap();
        assert!(!is_there(&store, &row).await, "logout first: {logout_first}");
    }
}

/// A logout of the others re-stamps the session that stays while its rotation waits: neither the
/// rotation nor the new epoch is lost.
#[tokio::test]
async fn a_rotation_that_waits_for_a_restamp_is_done() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let (row, other) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    let mut sql = database.sql().await;
    let mut tx = sql.transaction().await.unwrap();
    let (why, by) = (EndReason::Password, By::Application);
    let pending = store.logout_others_in(&mut tx, &ada, row.guid, why, &by).await.unwrap();
    assert_eq!(pending.ended(), [other.guid]);
    let rotating = tokio::spawn({
        let (store, row) = (store.clone(), row.clone());
        async move { store.rotate(&rotation(&row)).await }
    });
    database.waiting("write", 1).await;
    tx.commit().await.unwrap();
    let rotated = swapped(rotating.await.unwrap().unwrap()).expect("the rotation was lost");
    assert_eq!(rotated.generation, 1);
    let found = store.lookup(&ada, row.guid).await.unwrap();
    assert!(found.row.is_some_and(|row| row == rotated && row.is_live(found.epochs, found.now)));
}

/// "The journal's counter must not be held by an open transaction, or one logout blocks them all."
#[tokio::test]
async fn an_open_transaction_holds_up_no_other_users_logout() {
    let database = Database::migrated().await;
    let store = database.store().await;
    let (ada, bob) = (user("ada"), user("bob"));
    let (of_ada, of_bob) = (sign_in(&store, &ada).await, sign_in(&store, &bob).await);
    let mut sql = database.sql().await;
    let mut tx = sql.transaction().await.unwrap();
    let (why, by) = (EndReason::Password, By::Application);
    drop(store.logout_all_in(&mut tx, &ada, why, &by).await.unwrap());
    // Deletions by hand take the same path.
    tx.execute("DELETE FROM logout_all.sessions WHERE user_id = 'ada'", &[]).await.unwrap();
    assert_eq!(end(&store, &bob, Scope::All).await.unwrap().guids, [of_bob.guid]);
    store.end_everyone(EndReason::Everyone, &by).await.unwrap();
    assert!(is_there(&store, &of_ada).await, "not committed yet");
    tx.commit().await.unwrap();
    let told: Vec<_> = journal(&store).await.into_iter().map(|e| (e.seq, e.reason)).collect();
    let wanted = [(1, EndReason::Everywhere), (2, EndReason::Everyone), (3, EndReason::Password)];
    assert_eq!(told, wanted);
}

/// "Two logouts in one transaction would deadlock otherwise": it would hold the counter and wait for
/// a user, whose logout waits for the counter.
#[tokio::test]
async fn two_logouts_in_one_transaction_do_not_deadlock() {
    let database = Database::migrated().await;
    let (store, ada, bob) = (database.store().await, user("ada"), user("bob"));
    let mut work = JoinSet::new();
    for users in
        [vec![ada.clone(), bob.clone()], vec![bob.clone()], vec![ada, bob.clone()], vec![bob]]
    {
        let (mut sql, store) = (database.sql().await, store.clone());
        work.spawn(async move {
            for _ in 0..20 {
                let mut tx = sql.transaction().await.unwrap();
                for user in &users {
                    let (why, by) = (EndReason::Locked, By::Application);
                    drop(store.logout_all_in(&mut tx, user, why, &by).await.unwrap());
                }
                tx.commit().await.unwrap();
            }
        });
    }
    work.join_all().await;
    assert_eq!(journal(&store).await.len(), 120);
}

/// "`seq` is gapless in commit order", under 16 endings at once, with others rolled back between.
#[tokio::test]
async fn the_journal_has_no_gap_under_sixteen_endings() {
    let database = Database::migrated().await;
    let store = database.store().await;
    let mut work = JoinSet::new();
    for number in 0..16 {
        let (store, name) = (store.clone(), user(number));
        work.spawn(async move {
            for _ in 0..5 {
                let row = sign_in(&store, &name).await;
                store.end(&ending(&name, Scope::Device(row.guid))).await.unwrap();
            }
        });
    }
    let mut sql = database.sql().await;
    for _ in 0..20 {
        let tx = sql.transaction().await.unwrap();
        tx.query_one("SELECT logout_all.logout_user('eve')", &[]).await.unwrap();
        // Takes the counter at once, and gives the number back.
        tx.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await.unwrap();
        tx.rollback().await.unwrap();
    }
    work.join_all().await;
    let seqs: Vec<u64> = journal(&store).await.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (1..=80).collect::<Vec<u64>>());
}
