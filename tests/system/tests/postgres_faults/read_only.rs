//! A server that takes no writes: "25006 drops the connection", "a replica refused at start".

use crate::{
    client::{all_is_an_outage, login, logout, logout_all, me, renew},
    node::Node,
    postgres::Postgres,
};

/// As a provider does when the disk is full, or an administrator during a move.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_server_is_an_outage_for_writes_alone() {
    let server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let node = Node::start(&server.builder()).await;
    let at = node.address;
    let ada = login(at, "ada").await.token();
    logout(at, &login(at, "bob").await.token()).await.well();
    let sql = server.sql().await;
    let connections = async |role: &str| {
        let asked = "SELECT pid FROM pg_stat_activity WHERE application_name = 'logout-all ' || $1";
        let rows = sql.query(asked, &[&role]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>()
    };
    let set = async |value: &str| {
        sql.batch_execute(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}"))
            .await
            .unwrap();
        sql.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        // What a new session sees, the old ones see too.
        let since = std::time::Instant::now();
        while server
            .sql()
            .await
            .query_one("SHOW default_transaction_read_only", &[])
            .await
            .unwrap()
            .get::<_, &str>(0)
            != value
        {
            assert!(since.elapsed() < crate::client::LIMIT, "the server reads its settings");
        }
    };

    let before = (connections("write").await, connections("end").await);
    set("on").await;
    for _ in 0..2 {
        logout_all(at, &ada).await.outage();
        logout(at, &ada).await.outage();
        renew(at, &ada).await.outage();
        login(at, "ada").await.outage();
        me(at, &ada).await.at_once();
    }
    // A connection that may lead to a server that became a replica is not used again.
    for (role, before) in [("write", &before.0), ("end", &before.1)] {
        let kept = connections(role).await.into_iter().find(|pid| before.contains(pid));
        assert_eq!(kept, None, "of role {role}");
    }

    set("off").await;
    let ada = renew(at, &ada).await.at_once().token();
    login(at, "ada").await.at_once();
    assert_eq!(logout_all(at, &ada).await.at_once().json()["ended"], 2);
    me(at, &ada).await.ended();
}

/// A replica learns of a logout late: it is not asked, neither by a new node nor by a running one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_is_refused_until_it_is_promoted() {
    let mut server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let node = Node::start(&server.builder()).await;
    let at = node.address;
    let (ada, bob) = (login(at, "ada").await.token(), login(at, "bob").await.token());
    logout_all(at, &bob).await.well();

    server.stop();
    server.make_replica();
    server.restart().await;
    all_is_an_outage(at, "ada", &ada).await;
    me(at, &bob).await.outage();
    let error = server.builder().connect().await.unwrap_err();
    assert!(error.to_string().contains("is a replica"), "{error:?}");
    assert!(error.to_string().contains("give the primary's address"), "{error:?}");

    server.sql().await.query_one("SELECT pg_promote()", &[]).await.unwrap();
    me(at, &ada).await.at_once();
    me(at, &bob).await.ended();
    logout_all(at, &ada).await.at_once();
    me(at, &ada).await.ended();
}
