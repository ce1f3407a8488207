//! Migrations: from many hands at once, by older and newer binaries, beside the application's.

use std::process::Command;

use logout_all::{SessionStore, StoreErrorKind};
use logout_all_sqlite::SqliteStore;

use crate::{File, sign_in, user};

#[test]
fn many_threads_and_processes_migrate_at_once() {
    let file = File::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                block_on(async {
                    let builder = file.builder();
                    builder.migrate().await.unwrap();
                    builder.connect().await.unwrap().ping().await.unwrap();
                });
            });
        }
        for _ in 0..4 {
            scope.spawn(|| {
                let program = std::env::current_exe().unwrap();
                let status = Command::new(program)
                    .args(["--exact", "migration::as_another_process", "--ignored", "--quiet"])
                    .env("MIGRATE", file.path())
                    .output()
                    .unwrap();
                assert!(status.status.success(), "{status:?}");
            });
        }
    });
    let applied: i64 = file
        .sql()
        .query_row("SELECT count(*) FROM logout_all_migrations", [], |row| row.get(0))
        .unwrap();
    assert_eq!(applied, 1);
    let meta: i64 =
        file.sql().query_row("SELECT count(*) FROM logout_all_meta", [], |row| row.get(0)).unwrap();
    assert_eq!(meta, 1);
}

#[test]
#[ignore = "a part of many_threads_and_processes_migrate_at_once"]
fn as_another_process() {
    let path = std::env::var_os("MIGRATE").unwrap();
    block_on(async {
        let builder = SqliteStore::builder(path);
        builder.migrate().await.unwrap();
        sign_in(&builder.connect().await.unwrap(), &user("ada")).await;
    });
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

#[tokio::test]
async fn a_missing_schema_says_what_to_run() {
    let file = File::new();
    let error = file.builder().connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Schema);
    assert!(error.to_string().contains("run migrate()"), "{error}");
    assert!(!file.path().exists(), "connecting creates nothing");

    file.sql().execute_batch("CREATE TABLE accounts (id INTEGER PRIMARY KEY)").unwrap();
    let error = file.builder().connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Schema);
    assert!(error.to_string().contains("is missing: run migrate()"), "{error}");

    file.builder().migrate().await.unwrap();
    file.sql().execute_batch("UPDATE logout_all_migrations SET version = 0").unwrap();
    let error = file.builder().connect().await.unwrap_err();
    assert!(error.to_string().contains("run migrate()"), "{error}");
}

/// "Old and new nodes run side by side during a rolling upgrade; a binary refuses only a schema
/// that says it is too old for it."
#[tokio::test]
async fn an_older_binary_works_until_the_schema_says_it_is_too_old() {
    let file = File::migrated().await;
    let sql = file.sql();
    sql.execute_batch(
        "INSERT INTO logout_all_migrations VALUES (2, 'later', '2030-01-01T00:00:00Z', '1')",
    )
    .unwrap();
    file.builder().migrate().await.unwrap();
    sign_in(&file.store().await, &user("ada")).await;

    sql.execute_batch("UPDATE logout_all_meta SET minimum_reader_version = 2").unwrap();
    let builder = file.builder();
    for error in [builder.migrate().await.unwrap_err(), builder.connect().await.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::Schema);
        assert!(error.to_string().contains("this binary is too old"), "{error}");
    }
}

#[tokio::test]
async fn what_the_application_keeps_in_the_file_is_left_alone() {
    let file = File::new();
    let theirs = "PRAGMA user_version = 7;
        CREATE TABLE refinery_schema_history (version INTEGER);
        INSERT INTO refinery_schema_history VALUES (99);";
    file.sql().execute_batch(theirs).unwrap();
    file.builder().migrate().await.unwrap();
    file.builder().migrate().await.unwrap();
    let number = |sql: &str| file.sql().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("PRAGMA user_version"), 7);
    assert_eq!(number("SELECT version FROM refinery_schema_history"), 99);
    let others = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'logout_all_%' \
                  AND name NOT LIKE 'sqlite_autoindex_logout_all_%'";
    assert_eq!(number(others), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let file = File::migrated().await;
    let store = file.store().await;
    sign_in(&store, &user("ada")).await;
    let mut seen = 0;
    for entry in std::fs::read_dir(file.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        seen += 1;
    }
    assert_eq!(seen, 4, "the database, its -wal, its -shm, its -migrate-lock");
}
