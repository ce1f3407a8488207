//! Deletions by any other hand end sessions at once, and are journalled once, with the commit.

use logout_all::{EndReason, SessionStore, store::Scope};

use crate::{Database, end, is_there, journal, rotation, sign_in, swapped, touch_of, user};

#[tokio::test]
async fn a_deletion_is_journalled_once_for_each_session() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let (one, two) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    let mut sql = database.sql().await;
    let tx = sql.transaction().await.unwrap();
    tx.execute("DELETE FROM logout_all.sessions WHERE user_id = 'ada'", &[]).await.unwrap();
    assert!(journal(&store).await.is_empty(), "not committed yet");
    tx.commit().await.unwrap();
    assert!(!is_there(&store, &one).await && !is_there(&store, &two).await);
    let told = journal(&store).await;
    let mut guids = [Some(one.guid), Some(two.guid)];
    guids.sort();
    assert_eq!(told.iter().map(|entry| entry.guid).collect::<Vec<_>>(), guids);
    assert!(told.iter().all(|entry| entry.reason == EndReason::ByHand));
    let by = told[0].by.to_string();
    assert!(by.starts_with("operator:"), "{by}");
    // Nothing is left behind to be told twice, and what found nothing tells nothing.
    sql.execute("DELETE FROM logout_all.sessions", &[]).await.unwrap();
    assert_eq!(journal(&store).await.len(), 2);
    let left = sql.query_one("SELECT count(*) FROM logout_all.pending", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn very_many_are_told_by_user_or_as_everybody() {
    let database = Database::migrated().await;
    let store = database.store().await;
    let model = sign_in(&store, &user("ada")).await;
    let mut sql = database.sql().await;
    for (users, entries, named) in [(3, 3, true), (1100, 1, false)] {
        let tx = sql.transaction().await.unwrap();
        let many = format!(
            "INSERT INTO logout_all.sessions SELECT (c.s).* FROM (SELECT jsonb_populate_record(s, \
             jsonb_build_object('guid', gen_random_uuid(), 'user_id', 'u' || n % {users})) AS s \
             FROM logout_all.sessions s, generate_series(1, 1200) n WHERE s.guid = $1) c"
        );
        tx.execute(&many, &[model.guid.as_uuid()]).await.unwrap();
        tx.execute("DELETE FROM logout_all.sessions WHERE user_id LIKE 'u%'", &[]).await.unwrap();
        let before = journal(&store).await.len();
        tx.commit().await.unwrap();
        let told = journal(&store).await.split_off(before);
        assert_eq!(told.len(), entries);
        assert!(told.iter().all(|e| e.guid.is_none() && e.user.is_some() == named), "{told:?}");
    }
}

#[tokio::test]
async fn a_truncation_is_told_as_everybody() {
    let database = Database::migrated().await;
    let store = database.store().await;
    let row = sign_in(&store, &user("ada")).await;
    database.sql().await.batch_execute("TRUNCATE logout_all.sessions").await.unwrap();
    assert!(!is_there(&store, &row).await);
    let told = journal(&store).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].user.is_none() && told[0].reason == EndReason::ByHand);
}

#[tokio::test]
async fn an_update_that_shortens_is_told_and_no_other() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let row = sign_in(&store, &ada).await;
    let sql = database.sql().await;
    for other in ["label = 'mine'", "expires_at = expires_at + interval '1 day'", "epoch = epoch"] {
        let update = format!("UPDATE logout_all.sessions SET {other}");
        sql.execute(&update, &[]).await.unwrap();
    }
    store.touch(&[touch_of(&row)]).await.unwrap();
    let row = swapped(store.rotate(&rotation(&row)).await.unwrap()).unwrap();
    assert!(journal(&store).await.is_empty());
    for shorter in ["now()", "'-infinity'"] {
        let update = format!("UPDATE logout_all.sessions SET expires_at = {shorter}");
        sql.execute(&update, &[]).await.unwrap();
        let found = store.lookup(&ada, row.guid).await.unwrap();
        assert!(found.row.is_none_or(|row| !row.is_live(found.epochs, found.now)));
    }
    let told = journal(&store).await;
    assert_eq!(told.iter().map(|entry| entry.guid).collect::<Vec<_>>(), [Some(row.guid); 2]);
    assert!(store.devices(&ada).await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn the_librarys_own_are_told_once_and_sweeps_not_at_all() {
    let database = Database::migrated().await;
    let (store, ada) = (database.store().await, user("ada"));
    let row = sign_in(&store, &ada).await;
    end(&store, &ada, Scope::Device(row.guid)).await.unwrap();
    sign_in(&store, &ada).await;
    end(&store, &ada, Scope::All).await.unwrap();
    sign_in(&store, &ada).await;
    let sql = database.sql().await;
    // Dead already: whoever removes it ends nothing.
    sql.batch_execute(
        "BEGIN; SET LOCAL session_replication_role = replica;
         UPDATE logout_all.sessions SET expires_at = now() - interval '1 hour'; COMMIT",
    )
    .await
    .unwrap();
    assert_eq!(store.sweep(10).await.unwrap().sessions, 1);
    let reasons: Vec<_> = journal(&store).await.into_iter().map(|entry| entry.reason).collect();
    assert_eq!(reasons, [EndReason::Everywhere, EndReason::Everywhere]);
    // The mark of the sweep ended with it.
    let kept = sign_in(&store, &ada).await;
    sql.execute("DELETE FROM logout_all.sessions", &[]).await.unwrap();
    assert_eq!(journal(&store).await.last().unwrap().guid, Some(kept.guid));
}
