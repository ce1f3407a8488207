//! Several stores on one file, as several processes would have them.

use std::time::{Duration, Instant};

use logout_all::{
    By, DeviceLimit, EndReason, SessionStore, StoreErrorKind,
    store::{Inserted, Scope},
};

use crate::{File, end, is_there, login_of, sign_in, user};

/// **L4** "Once a verb has returned, every verb that starts later, on any node, sees it."
#[tokio::test(flavor = "multi_thread")]
async fn two_stores_on_one_file_agree() {
    let file = File::migrated().await;
    let (one, two) = (file.store().await, file.store().await);
    let ada = user("ada");
    for _ in 0..50 {
        let row = sign_in(&one, &ada).await;
        assert!(is_there(&two, &row).await);
        assert_eq!(end(&two, &ada, Scope::All).await.guids, [row.guid]);
        assert!(!is_there(&one, &row).await);
    }
    let page = one.journal(0, 1000).await.unwrap();
    assert_eq!(page.last_seq, 50);
    assert!(page.entries.iter().map(|entry| entry.seq).eq(1..=50), "gapless");
    assert_eq!(two.journal(0, 1000).await.unwrap(), page);
    one.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
    assert_eq!(two.history(&ada, 1).await.unwrap()[0].user, None);
}

/// **L21** "Of any number of logins at once, no more than the limit are ever live."
#[tokio::test(flavor = "multi_thread")]
async fn parallel_logins_over_two_stores_keep_the_limit() {
    let file = File::migrated().await;
    let stores = [file.store().await, file.store().await];
    let ada = user("ada");
    let mut tasks = Vec::new();
    for turn in 0..40 {
        let store = stores[turn % 2].clone();
        let login = login_of(&store, &ada, DeviceLimit::Evict(5)).await;
        tasks.push(tokio::spawn(async move { store.insert(&login).await.unwrap() }));
    }
    let mut evictions = 0;
    for task in tasks {
        match task.await.unwrap() {
            Inserted::Stored { evicted, .. } => evictions += evicted.len(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stores[0].devices(&ada).await.unwrap().rows.len(), 5);
    assert_eq!(evictions, 35);
}

#[tokio::test]
async fn what_ended_stays_ended_after_a_restart() {
    let file = File::migrated().await;
    let ada = user("ada");
    let store = file.store().await;
    let (kept, gone) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    let before = login_of(&store, &ada, DeviceLimit::Unlimited).await;
    end(&store, &ada, Scope::Others(kept.guid)).await;
    drop(store);
    file.builder().migrate().await.unwrap();
    let store = file.store().await;
    assert!(is_there(&store, &kept).await);
    assert!(!is_there(&store, &gone).await);
    assert!(matches!(store.insert(&before).await.unwrap(), Inserted::Overtaken));
    assert_eq!(store.devices(&ada).await.unwrap().rows.len(), 1);
}

/// **L2** "A verb answers within a limit that the store documents."
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_held_by_another_process_ends_in_an_error_and_not_in_a_hang() {
    let file = File::migrated().await;
    let store = file.store().await;
    let ada = user("ada");
    let row = sign_in(&store, &ada).await;
    let late = login_of(&store, &ada, DeviceLimit::Unlimited).await;

    let other = file.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let since = Instant::now();
    let (ending, login) = tokio::join!(
        async {
            let ending = logout_all::store::Ending {
                user: ada.clone(),
                scope: Scope::All,
                reason: EndReason::Everywhere,
                by: By::Application,
            };
            store.end(&ending).await
        },
        store.insert(&late)
    );
    let waited = since.elapsed();
    assert_eq!(ending.unwrap_err().kind(), StoreErrorKind::TimedOut);
    assert_eq!(login.unwrap_err().kind(), StoreErrorKind::TimedOut);
    assert!(waited < Duration::from_millis(3500), "{waited:?}");
    // Reads go on meanwhile.
    assert!(is_there(&store, &row).await);

    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(end(&store, &ada, Scope::All).await.guids, [row.guid]);
}

/// A verb that nobody waits for any more, and that had not begun, never begins.
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_write_that_waits_for_its_turn_does_not_happen() {
    let file = File::migrated().await;
    let store = file.store().await;
    let ada = user("ada");
    let login = login_of(&store, &ada, DeviceLimit::Unlimited).await;
    let other = file.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(50), store.insert(&login)).await;
    assert!(given_up.is_err());
    other.execute_batch("ROLLBACK").unwrap();
    let next = sign_in(&store, &ada).await;
    assert_eq!(store.devices(&ada).await.unwrap().rows, [next]);
}

/// Endings go before all that waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_does_not_hold_a_logout_up() {
    let file = File::migrated().await;
    let store = file.store().await;
    let (ada, eve) = (user("ada"), user("eve"));
    let row = sign_in(&store, &ada).await;
    let mut flood = Vec::new();
    for _ in 0..2000 {
        let login = login_of(&store, &eve, DeviceLimit::Unlimited).await;
        let store = store.clone();
        flood.push(tokio::spawn(async move { store.insert(&login).await }));
    }
    tokio::task::yield_now().await;
    let since = Instant::now();
    assert_eq!(end(&store, &ada, Scope::All).await.guids, [row.guid]);
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    for login in flood {
        login.await.unwrap().unwrap();
    }
}
