//! The order in which endings lock: it is what keeps two transactions from waiting for each other.

use logout_all::{DeviceLimit, Guid, SessionStore, UserId, store::Scope};
use logout_all_postgres::PostgresStore;
use uuid::Uuid;

use crate::{Database, end, login_of, user};

#[derive(Clone, Copy, Debug)]
enum Ending {
    All,
    Others,
    Eviction,
}

/// "Lock order everywhere: epoch row, session rows by guid", whatever their order in the table is.
#[tokio::test]
async fn sessions_are_locked_in_the_order_of_their_ids() {
    let database = Database::migrated().await;
    // By itself, the planner would read the table as it lies.
    let costs = format!("ALTER DATABASE {} SET random_page_cost = 1000", database.name);
    database.sql().await.batch_execute(&costs).await.unwrap();
    let (store, ada) = (database.store().await, user("ada"));
    let (mut holder, sql) = (database.sql().await, database.sql().await);
    for ending in [Ending::All, Ending::Others, Ending::Eviction] {
        for id in [3, 2, 1] {
            sign_in_as(&store, &ada, id).await;
        }
        let tx = holder.transaction().await.unwrap();
        let lock = "SELECT FROM logout_all.sessions WHERE guid = $1 FOR UPDATE";
        assert_eq!(tx.query(lock, &[&Uuid::from_u128(2)]).await.unwrap().len(), 1);
        let (by, whose) = (store.clone(), ada.clone());
        let waits = tokio::spawn(async move { carry_out(&by, &whose, ending).await });
        database.waiting(if let Ending::Eviction = ending { "write" } else { "end" }, 1).await;
        let asked = "SELECT guid FROM logout_all.sessions ORDER BY guid FOR UPDATE SKIP LOCKED";
        let free: Vec<Uuid> =
            sql.query(asked, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(free, [Uuid::from_u128(3)], "{ending:?}");
        tx.rollback().await.unwrap();
        waits.await.unwrap();
        end(&store, &ada, Scope::All).await.unwrap();
    }
}

async fn sign_in_as(store: &PostgresStore, user: &UserId, id: u128) {
    let mut login = login_of(store, user, DeviceLimit::Unlimited).await;
    login.guid = Guid::from_uuid(Uuid::from_u128(id)).unwrap();
    assert!(store.insert(&login).await.unwrap().denied().is_none());
}

async fn carry_out(store: &PostgresStore, user: &UserId, ending: Ending) {
    match ending {
        Ending::All => assert_eq!(end(store, user, Scope::All).await.unwrap().guids.len(), 3),
        Ending::Others => {
            let kept = Guid::from_uuid(Uuid::from_u128(1)).unwrap();
            assert_eq!(end(store, user, Scope::Others(kept)).await.unwrap().guids.len(), 2);
        }
        Ending::Eviction => {
            let login = login_of(store, user, DeviceLimit::Evict(1)).await;
            assert!(store.insert(&login).await.unwrap().denied().is_none());
        }
    }
}
