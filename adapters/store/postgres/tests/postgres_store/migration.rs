//! The schema: made by many at once, by another tool, and refused where it does not fit.

use logout_all::StoreErrorKind;
use tokio::task::JoinSet;

use crate::{Database, is_there, sign_in, user};

#[tokio::test]
async fn eight_nodes_migrate_at_once() {
    let database = Database::new().await;
    let mut work = JoinSet::new();
    for _ in 0..8 {
        let builder = database.builder();
        work.spawn(async move { builder.migrate().await });
    }
    for answer in work.join_all().await {
        answer.unwrap();
    }
    let store = database.store().await;
    let row = sign_in(&store, &user("ada")).await;
    // Once more changes nothing.
    database.builder().migrate().await.unwrap();
    assert!(is_there(&store, &row).await);
    let sql = database.sql().await;
    let asked = "SELECT count(*) FROM logout_all.migrations";
    assert_eq!(sql.query_one(asked, &[]).await.unwrap().get::<_, i64>(0), 5);
    let asked = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(sql.query_one(asked, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_missing_older_or_later_schema_is_refused() {
    let database = Database::new().await;
    let refused = |words: &'static str| {
        let builder = database.builder();
        async move {
            let error = builder.connect().await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Schema, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    };
    refused("is missing: run migrate()").await;
    database.builder().migrate().await.unwrap();
    let sql = database.sql().await;
    sql.batch_execute("UPDATE logout_all.meta SET schema_version = 1").await.unwrap();
    refused("is an older one: run migrate()").await;
    sql.batch_execute("UPDATE logout_all.meta SET schema_version = 99").await.unwrap();
    // A later one that says that this binary may still use it.
    database.store().await;
    database.builder().migrate().await.unwrap();
    sql.batch_execute("UPDATE logout_all.meta SET minimum_reader_version = 99").await.unwrap();
    refused("too old").await;
    let error = database.builder().migrate().await.unwrap_err();
    assert!(error.to_string().contains("too old"), "{error}");
}

/// "Plain SQL files for other tools": the same files, after two lines of one's own.
#[tokio::test]
async fn another_tool_applies_the_same_files() {
    let database = Database::new().await;
    let sql = database.sql().await;
    let files = [
        include_str!("../../src/migrations/V1__sessions.sql"),
        include_str!("../../src/migrations/V2__endings.sql"),
        include_str!("../../src/migrations/V3__by_hand.sql"),
        include_str!("../../src/migrations/V4__for_people.sql"),
        include_str!("../../src/migrations/V5__leases.sql"),
    ];
    sql.batch_execute("CREATE SCHEMA logout_all").await.unwrap();
    // Not into whatever schema happens to be the first, and with no other on the path.
    for path in ["public", "public, pg_temp", "logout_all", "logout_all, public, pg_temp"] {
        let first = format!("SET search_path TO {path}; {}", files[0]);
        let error = sql.batch_execute(&first).await.unwrap_err();
        let message = error.as_db_error().unwrap().message().to_owned();
        assert!(message.contains("create a schema"), "{path}: {message}");
    }
    sql.batch_execute("SET search_path TO logout_all, pg_temp").await.unwrap();
    for file in files {
        sql.batch_execute(file).await.unwrap();
    }
    database.builder().migrate().await.unwrap();
    let store = database.store().await;
    let row = sign_in(&store, &user("ada")).await;
    assert!(is_there(&store, &row).await);
}
