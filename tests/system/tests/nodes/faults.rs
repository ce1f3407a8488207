//! Nodes in cached mode that are stopped, asked for another lease, or not asked at all.

use std::time::{Duration, Instant};

use logout_all::{Keys, Sessions};
use logout_all_conformance::client::{Request, Response};
use logout_all_redis::RedisStore;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    behind::three,
    client::PASSWORD,
    database,
    home::{Home, KEY_BYTES},
    program::{Program, Starting},
    servers::{Framework, Store},
    talk::{bearer, code, ended},
};

const LEASE: Duration = Duration::from_millis(200);
/// Entries last for the grace, ten seconds: what is denied sooner was heard of.
const OPTIONS: &[&str] = &["--mode", "cached", "--lease", "200ms"];

/// Three servers, of three frameworks, on one store, and a user whom all of them know.
struct Nodes {
    all: Vec<Program>,
    home: Home,
    id: String,
    token: String,
}

impl Nodes {
    async fn start(store: Store) -> Self {
        let home = Home::new(Framework::Axum, store).await;
        let all = three(&home, OPTIONS);
        let id = home.add_user("ada-two").await;
        let token = all[0].sign_in("ada-two", PASSWORD).await;
        let nodes = Self { all, home, id, token };
        // Until each has a lease and knows the token.
        for _ in 0..8 {
            nodes.are_let_in().await;
            tokio::time::sleep(LEASE / 4).await;
        }
        nodes
    }

    async fn are_let_in(&self) {
        for node in &self.all {
            assert_eq!(node.show(&self.token).await.status(), 200);
        }
    }

    async fn are_denied(&self) {
        for node in &self.all {
            assert_eq!(code(&node.show(&self.token).await), "session-ended");
        }
    }

    /// Through the first; how long it took.
    async fn log_out(&self) -> Duration {
        let begun = Instant::now();
        let answer = self.all[0].ask(&self.token, "DELETE", "/auth/sessions").await;
        assert_eq!(ended(&answer), 1);
        begun.elapsed()
    }

    /// From 900 to 200 ms: by an operator's hand where there is SQL, else by the library.
    async fn lower_lease(&self) {
        if let Some(redis) = self.home.redis() {
            let store = RedisStore::builder(redis.url()).connect().await.unwrap();
            let keys = Keys::hs256(KEY_BYTES).unwrap();
            let operator = Sessions::builder(store, keys, "logout-all-demo").build().await.unwrap();
            let begun = Instant::now();
            let lease = operator.lower_lease(LEASE).await.unwrap();
            assert_eq!((lease.given, lease.waited), (LEASE, LEASE));
            assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
            return;
        }
        let lower = "SELECT (given, waited)::text FROM logout_all.lower_lease('200 ms')";
        assert_eq!(self.sql(lower).await, "(00:00:00.2,00:00:00.9)");
        tokio::time::sleep(Duration::from_millis(920)).await;
        let finish = "SELECT logout_all.finish_lowering('200 ms', '900 ms')::text";
        assert_eq!(self.sql(finish).await, "true");
    }

    /// A row of one column, by an operator's hand.
    async fn sql(&self, text: &str) -> String {
        let sql = database::connect(&self.home.database().unwrap().config()).await.unwrap();
        sql.query_one(text, &[]).await.unwrap().get(0)
    }
}

/// "SIGSTOP and SIGCONT past the lease": what was sent to it before it goes on, and after the logout
/// had returned, it denies.
pub(crate) async fn a_node_that_was_stopped_lets_nobody_in(store: Store) {
    let nodes = Nodes::start(store).await;
    let stopped = &nodes.all[2];
    // Accepted before it is stopped: an answer is then sooner than anything of the journal.
    let mut connections = Vec::new();
    for _ in 0..16 {
        connections.push(TcpStream::connect(stopped.address).await.unwrap());
    }
    nodes.are_let_in().await;
    stopped.signal("STOP");
    nodes.log_out().await;
    let request = bearer(&nodes.token, Request::new("GET", "/me")).to_bytes();
    for connection in &mut connections {
        connection.write_all(&request).await.unwrap();
    }
    stopped.signal("CONT");
    for mut connection in connections {
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        assert_eq!(code(&Response::parse(&answer, false).unwrap()), "session-ended");
    }
    nodes.are_denied().await;
}

/// "A row deleted by hand is final on all nodes one lease after its commit."
pub(crate) async fn a_row_deleted_by_hand_is_final_a_lease_later(store: Store) {
    let nodes = Nodes::start(store).await;
    let delete = "DELETE FROM logout_all.sessions WHERE user_id = $1";
    let sql = database::connect(&nodes.home.database().unwrap().config()).await.unwrap();
    assert_eq!(sql.execute(delete, &[&nodes.id]).await.unwrap(), 1);
    tokio::time::sleep(LEASE.mul_f64(1.01) + Duration::from_millis(5)).await;
    nodes.are_denied().await;
}

/// A node with a longer lease joins, and from then on each logout outwaits it, on every node; it
/// leaves, and an operator lowers the lease, by the procedure of `docs/operations.md`.
pub(crate) async fn a_longer_lease_joins_and_is_lowered_again(store: Store) {
    let nodes = Nodes::start(store).await;
    let longer = ["--mode", "cached", "--lease", "900ms"];
    let joined =
        Starting::new(nodes.home.command_of(Framework::Axum, &longer), nodes.home.folder()).ready();
    for _ in 0..4 {
        assert_eq!(joined.show(&nodes.token).await.status(), 200);
        tokio::time::sleep(LEASE).await;
    }
    let took = nodes.log_out().await;
    assert!(took >= Duration::from_millis(900), "it did not outwait the longer lease: {took:?}");
    assert_eq!(code(&joined.show(&nodes.token).await), "session-ended");
    nodes.are_denied().await;

    drop(joined);
    nodes.lower_lease().await;
    let token = nodes.all[1].sign_in("ada-two", PASSWORD).await;
    let nodes = Nodes { token, ..nodes };
    nodes.are_let_in().await;
    let took = nodes.log_out().await;
    assert!(took >= LEASE, "it waited for no lease: {took:?}");
    assert!(took < Duration::from_millis(900), "it still waits for the longer one: {took:?}");
    nodes.are_denied().await;
}
