//! Touches: a held row holds up no other. That they are HOT is tested on a server without others'
//! transactions, in `tests/system`.

use std::time::{Duration, Instant};

use logout_all::SessionStore;

use crate::{Database, sign_in, touch_of, user};

/// "the confirmation reaches the store within a second", also beside a row that a transaction of
/// the application's holds.
#[tokio::test]
async fn a_held_row_holds_up_no_other() {
    let database = Database::migrated().await;
    let (store, mut sql) = (database.store().await, database.sql().await);
    let (ada, bob) = (sign_in(&store, &user("ada")).await, sign_in(&store, &user("bob")).await);
    let tx = sql.transaction().await.unwrap();
    tx.batch_execute(
        "SELECT logout_all.lock_user('ada'); \
                      SELECT FROM logout_all.sessions WHERE user_id = 'ada' FOR UPDATE",
    )
    .await
    .unwrap();
    let begun = Instant::now();
    let confirmed = async |row: &logout_all::SessionRow| {
        store.lookup(&row.user, row.guid).await.unwrap().row.unwrap().confirmed_at.is_some()
    };
    let passed_over = store.touch(&[touch_of(&ada), touch_of(&bob)]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "it waits for a lock of another's");
    assert!(confirmed(&bob).await && !confirmed(&ada).await);
    assert_eq!(passed_over, [ada.ref_tok_id], "told, so that it is tried again");
    tx.rollback().await.unwrap();
    assert_eq!(store.touch(&[touch_of(&ada)]).await.unwrap(), []);
    assert!(confirmed(&ada).await);
}
