//! "schema missing or older | refuses to start, says what to run"; newer; and privileges that are
//! missing at the start or taken away later.

use logout_all::{StoreError, StoreErrorKind};
use logout_all_postgres::PostgresStoreBuilder;

use crate::{
    client::{all_is_an_outage, login, logout, logout_all, me, renew},
    node::Node,
    postgres::Postgres,
};

async fn refusal(builder: &PostgresStoreBuilder) -> StoreError {
    builder.connect().await.expect_err("it must be refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_missing_older_or_newer_is_refused_with_what_to_do() {
    let server = Postgres::start().await;
    let says = async |what: &str| {
        let error = refusal(&server.builder()).await;
        assert_eq!(error.kind(), StoreErrorKind::Schema, "{error:?}");
        assert!(error.to_string().contains(what), "{error:?}");
    };
    says("is missing: run migrate()").await;
    server.builder().migrate().await.unwrap();
    let node = Node::start(&server.builder()).await;
    let ada = login(node.address, "ada").await.token();

    let sql = server.sql().await;
    let meta = async |set: &str| {
        sql.batch_execute(&format!("UPDATE logout_all.meta SET {set}")).await.unwrap();
    };
    meta("schema_version = schema_version - 1").await;
    says("is an older one: run migrate()").await;
    meta("schema_version = schema_version + 1, minimum_reader_version = 1000000").await;
    says("update the application").await;
    let error = server.builder().migrate().await.unwrap_err();
    assert!(error.to_string().contains("update the application"), "{error:?}");
    // A later schema that old binaries may still read.
    meta("schema_version = schema_version + 1, minimum_reader_version = 1").await;
    let newer = Node::start(&server.builder()).await;
    me(newer.address, &ada).await.well();
    me(node.address, &ada).await.well();
}

/// A schema that is taken away under a node that runs, and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_gone_while_a_node_runs_is_an_outage() {
    let server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let node = Node::start(&server.builder()).await;
    let at = node.address;
    let ada = login(at, "ada").await.token();
    logout(at, &login(at, "bob").await.token()).await.well();
    let sql = server.sql().await;
    // The schema of a database that is being restored: its tables are there one after the other.
    for (gone, back) in [
        (
            "ALTER TABLE logout_all.meta RENAME TO away",
            "ALTER TABLE logout_all.away RENAME TO meta",
        ),
        ("ALTER SCHEMA logout_all RENAME TO away", "ALTER SCHEMA away RENAME TO logout_all"),
    ] {
        sql.batch_execute(gone).await.unwrap();
        let cut = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity \
                   WHERE application_name LIKE 'logout-all %'";
        sql.batch_execute(cut).await.unwrap();
        all_is_an_outage(at, "ada", &ada).await;
        sql.batch_execute(back).await.unwrap();
        me(at, &ada).await.at_once();
        login(at, "bob").await.at_once();
    }
    logout_all(at, &ada).await.at_once();
    me(at, &ada).await.ended();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn privilege_missing_is_refused_with_what_to_do_and_one_revoked_is_an_outage() {
    let server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let sql = server.sql().await;
    sql.batch_execute("CREATE ROLE app LOGIN PASSWORD 'app'").await.unwrap();
    let mut config = server.config();
    config.user("app").password("app");
    let builder = logout_all_postgres::PostgresStore::builder(config);
    let error = refusal(&builder).await;
    assert!(error.to_string().contains("grant_runtime"), "{error:?}");

    sql.batch_execute("SELECT logout_all.grant_runtime('app')").await.unwrap();
    let node = Node::start(&builder).await;
    let at = node.address;
    let ada = login(at, "ada").await.token();
    let ada = renew(at, &ada).await.token();
    logout(at, &login(at, "bob").await.token()).await.well();
    for revoked in [
        "REVOKE ALL ON ALL TABLES IN SCHEMA logout_all FROM app; \
         REVOKE ALL ON ALL FUNCTIONS IN SCHEMA logout_all FROM app",
        "REVOKE USAGE ON SCHEMA logout_all FROM app; \
         SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = 'app'",
    ] {
        sql.batch_execute(revoked).await.unwrap();
        all_is_an_outage(at, "ada", &ada).await;
        sql.batch_execute("SELECT logout_all.grant_runtime('app')").await.unwrap();
        me(at, &ada).await.at_once();
    }
    // The endings alone.
    sql.batch_execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA logout_all FROM app").await.unwrap();
    me(at, &ada).await.at_once();
    logout_all(at, &ada).await.outage();
    me(at, &ada).await.well();
    sql.batch_execute("SELECT logout_all.grant_runtime('app')").await.unwrap();
    logout_all(at, &ada).await.at_once();
    me(at, &ada).await.ended();
}
