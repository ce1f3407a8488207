//! Rows that somebody else wrote, deleted or damaged.

use std::time::Duration;

use logout_all::{Clock, EndReason, SessionStore, StoreErrorKind, store::Scope};

use crate::{File, end, is_there, sign_in, user};

#[tokio::test]
async fn a_damaged_row_is_named_and_never_shown() {
    let file = File::migrated().await;
    let store = file.store().await;
    let ada = user("ada");
    for damage in [
        "generation = -1",
        "ref_tok_id = zeroblob(16)",
        "prev_ref_tok_id = zeroblob(16)",
        "prev_ref_tok_id = x'0102'",
        "persistent = 7",
        "idle_us = -5",
        "user_agent = CAST(x'ff' AS TEXT)",
    ] {
        let (row, well) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
        let sql = file.sql();
        sql.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
        let guid = row.guid.as_uuid().as_bytes();
        let update = format!("UPDATE logout_all_sessions SET {damage} WHERE guid = ?1");
        sql.execute(&update, [guid]).unwrap();

        let error = store.lookup(&ada, row.guid).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
        let text = format!("{error} {error:?}");
        let column = damage.split(' ').next().unwrap();
        assert!(text.contains(&row.guid.to_string()) && text.contains(column), "{text}");
        assert!(!text.contains(&row.ref_tok_id.expose().to_string()), "{text}");
        assert!(is_there(&store, &well).await, "it is that row's trouble alone");
        // It can be ended all the same.
        let mut ended = end(&store, &ada, Scope::All).await.guids;
        ended.sort();
        let mut both = [row.guid, well.guid];
        both.sort();
        assert_eq!(ended, both, "{damage}");
        assert!(!is_there(&store, &row).await);
    }
}

#[tokio::test]
async fn deletions_and_shortenings_by_hand_are_journalled_once_each() {
    let file = File::migrated().await;
    let store = file.store().await;
    let (ada, eve) = (user("ada"), user("eve"));
    let (first, second) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    let hers = sign_in(&store, &eve).await;
    let sql = file.sql();
    sql.execute_batch("DELETE FROM logout_all_sessions WHERE user_id = 'ada'").unwrap();
    assert!(!is_there(&store, &first).await);
    let mut told: Vec<_> = store.journal(0, 9).await.unwrap().entries;
    assert!(told.iter().all(|entry| entry.reason == EndReason::ByHand));
    told.sort_by_key(|entry| entry.guid);
    let mut gone = [first.guid, second.guid];
    gone.sort();
    assert!(told.iter().map(|entry| entry.guid).eq(gone.map(Some)));

    sql.execute_batch("UPDATE logout_all_sessions SET expires_at = 0").unwrap();
    let page = store.journal(2, 9).await.unwrap();
    assert_eq!((page.last_seq, page.entries[0].guid), (3, Some(hers.guid)));
    // Neither the sweep of what is dead by then, nor an ending of the library's, is "by hand".
    assert_eq!(store.sweep(10).await.unwrap().sessions, 1);
    sign_in(&store, &eve).await;
    end(&store, &eve, Scope::All).await;
    let page = store.journal(3, 9).await.unwrap();
    assert_eq!(page.last_seq, 4);
    assert_eq!(page.entries[0].reason, EndReason::Everywhere);
}

#[tokio::test]
async fn a_sweep_removes_what_is_dead_in_batches_and_nothing_else() {
    let file = File::migrated().await;
    let clock = Clock::system();
    let store = file.builder().danger_clock(clock.clone()).connect().await.unwrap();
    let ada = user("ada");
    for _ in 0..5 {
        sign_in(&store, &ada).await;
    }
    store.end_everyone(EndReason::Everyone, &logout_all::By::Application).await.unwrap();
    clock.advance(Duration::from_secs(1));
    let alive = sign_in(&store, &ada).await;
    let mut removed = Vec::new();
    for _ in 0..4 {
        removed.push(store.sweep(2).await.unwrap().sessions);
    }
    assert_eq!(removed, [2, 2, 1, 0]);
    assert!(is_there(&store, &alive).await);
    clock.advance(Duration::from_hours(24 * 31));
    let swept = store.sweep(10).await.unwrap();
    assert_eq!((swept.sessions, swept.journal), (1, 0), "the newest entry stays");
}
