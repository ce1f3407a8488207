//! "Redis flushed or evicting: everybody signed out", as a session that ended, never as an error of
//! the server's; and a full server, which takes logouts.

use crate::{
    client::{all_is_an_outage, login, logout, logout_all, me, renew},
    node::Node,
    server::Server,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_flush_everybody_is_signed_out_and_may_sign_in_again() {
    let server = Server::start(&[]);
    let (node, other) =
        (Node::start(&server.builder()).await, Node::start(&server.builder()).await);
    let (ada, bob) =
        (login(node.address, "ada").await.token(), login(node.address, "bob").await.token());
    server.ask::<()>("FLUSHALL");
    for at in [other.address, node.address] {
        me(at, &ada).await.ended();
        renew(at, &bob).await.ended();
        // Idempotent: what is gone is out.
        logout(at, &bob).await.well();
    }
    let fresh = login(other.address, "ada").await.token();
    me(node.address, &fresh).await.well();
    logout_all(other.address, &fresh).await.well();
    me(node.address, &fresh).await.ended();
    me(node.address, &ada).await.ended();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_verifies_and_logs_out_and_refuses_the_rest_as_an_outage() {
    let server = Server::start(&[]);
    let node = Node::start(&server.builder()).await;
    let (one, two) =
        (login(node.address, "ada").await.token(), login(node.address, "ada").await.token());
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    server.ask::<()>("CONFIG SET maxmemory 1");
    me(node.address, &one).await.well();
    login(node.address, "bob").await.outage();
    renew(node.address, &one).await.outage();
    logout(node.address, &one).await.well();
    me(node.address, &one).await.ended();
    me(node.address, &two).await.well();
    logout_all(node.address, &two).await.well();
    me(node.address, &two).await.ended();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_primary_answers_nobody() {
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    let node = Node::start(&server.builder()).await;
    let token = login(node.address, "ada").await.token();
    server.ask::<()>(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    all_is_an_outage(node.address, "ada", &token).await;
    server.ask::<()>("REPLICAOF NO ONE");
    login(node.address, "ada").await.well();
}
