//! "commit sent, connection cut before the answer | 503; retrying is safe and then tells the
//! truth".

use std::time::{Duration, Instant};

use logout_all::{By, EndReason, UserId};
use logout_all_postgres::tokio_postgres::Client;

use crate::{
    client::{LIMIT, login, logout, logout_all, me, renew},
    node::Node,
    postgres::Postgres,
    proxy::{Loss, Proxy},
};

struct Scene {
    sql: Client,
    proxy: Proxy,
    /// Behind the proxy.
    node: Node,
    /// Not behind it.
    other: Node,
    _server: Postgres,
}

impl Scene {
    /// With one open connection of each role.
    async fn new() -> Self {
        let server = Postgres::start().await;
        server.builder().migrate().await.unwrap();
        let proxy = Proxy::to(server.port()).await;
        let node = Node::start(&server.builder_at(proxy.port())).await;
        let other = Node::start(&server.builder()).await;
        let token = login(node.address, "guest").await.token();
        logout_all(node.address, &token).await.well();
        Self { sql: server.sql().await, proxy, node, other, _server: server }
    }

    /// The database may show a change before its answer is here.
    async fn is_answered(&self, role: &str) {
        let since = Instant::now();
        while !self.proxy.is_quiet(role) {
            assert!(since.elapsed() < LIMIT, "an answer to {role} does not come");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The one number that a question finds, once it is that: the commit does not wait for us.
    async fn becomes(&self, question: &str, expected: i64) {
        let since = Instant::now();
        loop {
            let found: i64 = self.sql.query_one(question, &[]).await.unwrap().get(0);
            if found == expected {
                return;
            }
            assert!(since.elapsed() < LIMIT, "{found}, not {expected}: {question}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

const SESSIONS: &str = "SELECT count(*) FROM logout_all.sessions WHERE user_id = 'ada'";

/// Signing out everywhere: it is final from its commit on, whatever the client was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logout_whose_answer_was_lost_is_final_and_its_retry_says_so() {
    let scene = Scene::new().await;
    let (at, other) = (scene.node.address, scene.other.address);
    for how in [Loss::Cut, Loss::Silence] {
        let (token, second) = (login(at, "ada").await.token(), login(at, "ada").await.token());
        // The connection exists: what it answers first is the ending, not its own set-up.
        logout(at, &login(at, "guest").await.token()).await.well();
        scene.proxy.lose("end", "SELECT 1", how);
        println!("{how:?}: {:?}", logout_all(at, &token).await.outage());
        assert!(scene.proxy.has_lost_all());
        scene.becomes(SESSIONS, 0).await;
        for at in [at, other] {
            me(at, &token).await.ended();
            me(at, &second).await.ended();
        }
        // The same over HTTP, by this token and by the other route; and by the operator.
        logout_all(at, &token).await.ended();
        assert_eq!(logout(at, &token).await.well().status(), 204);
        let ada = UserId::new("ada").unwrap();
        let again =
            scene.node.sessions.logout_all(&ada, EndReason::Operator, By::Application).await;
        assert!(again.unwrap().guids.is_empty());
        me(other, &token).await.ended();
    }
}

/// A renewal: the token that the client has gets the successor that is there, and no second one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewal_whose_answer_was_lost_is_repeated_and_has_one_successor() {
    let scene = Scene::new().await;
    let (at, other) = (scene.node.address, scene.other.address);
    for (how, retried_at) in [(Loss::Cut, at), (Loss::Silence, other)] {
        let token = login(at, "ada").await.token();
        // Seen and written down: the next update is the renewal.
        me(at, &token).await.well();
        let seen = "SELECT count(confirmed_at) FROM logout_all.sessions WHERE user_id = 'ada'";
        scene.becomes(seen, 1).await;
        scene.is_answered("write").await;
        scene.proxy.lose("write", "UPDATE 1", how);
        println!("{how:?}: {:?}", renew(at, &token).await.outage());
        assert!(scene.proxy.has_lost_all());
        let generation = "SELECT max(generation) FROM logout_all.sessions WHERE user_id = 'ada'";
        scene.becomes(generation, 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let retry = renew(retried_at, &token).await.well();
        assert!(["recovered", "replayed"].contains(&retry.renewal()), "{retry}");
        let successor = retry.token();
        scene.becomes(generation, 1).await;
        me(other, &successor).await.well();
        me(at, &successor).await.well();
        assert_eq!(logout_all(at, &successor).await.well().json()["ended"], 1);
    }
}

/// A login: the session that was stored has a token that nobody was given, and the next logout
/// ends it with the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_whose_answer_was_lost_leaves_a_session_that_nobody_can_use() {
    let scene = Scene::new().await;
    let at = scene.node.address;
    for how in [Loss::Cut, Loss::Silence] {
        scene.proxy.lose("write", "COMMIT", how);
        println!("{how:?}: {:?}", login(at, "ada").await.outage());
        assert!(scene.proxy.has_lost_all());
        scene.becomes(SESSIONS, 1).await;
        let token = login(at, "ada").await.token();
        // The store did not repeat it by itself: there are these two.
        scene.becomes(SESSIONS, 2).await;
        me(at, &token).await.well();
        assert_eq!(logout_all(at, &token).await.well().json()["ended"], 2);
        scene.becomes(SESSIONS, 0).await;
    }
}
