//! A store all of whose connections lead through a pool in transaction mode, as `docs/postgres.md`
//! tells nobody to do: a node does not start; on one that runs what fails is told as an outage, nobody
//! is let in who is out, and what is acknowledged has taken place.

use std::error::Error;

use logout_all::{Keys, Sessions};

use crate::{
    client::{Answer, login, logout_all, me, renew},
    node::{Node, NodeProcess},
    pooling::Pooling,
    postgres::Postgres,
};

const EVERY_ROLE: &[&str] = &["lookup", "read", "poll", "write", "end", "wake"];
const ROUNDS: usize = 8;

/// Whether it is the success; else it must be an outage.
fn is_well(answer: Answer) -> bool {
    if answer.status() == 503 {
        answer.outage();
        return false;
    }
    drop(answer.well());
    true
}

/// Told as over, or as an outage.
fn is_out(answer: &Answer) {
    if answer.status() == 503 {
        answer.outage();
    } else {
        answer.ended();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_moved_are_an_outage_at_worst() {
    let server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let direct_node = Node::start(&server.builder()).await;
    let direct = direct_node.address;
    let pooling = Pooling::to(server.port(), EVERY_ROLE).await;
    // Two processes call their statements by the same names.
    let one = Node::start(&server.builder_at(pooling.port())).await;
    let other = NodeProcess::start(&server.url_at("127.0.0.1", pooling.port())).await;
    // What is prepared already is prepared elsewhere from now on.
    let known = login(one.address, "ada").await.token();
    logout_all(other.address, &renew(one.address, &known).await.token()).await.well();
    pooling.move_them();
    let (mut well, mut asked) = (0, 0);
    for round in 0..ROUNDS {
        let at = [one.address, other.address][round % 2];
        let (alive, over) =
            (login(direct, "ada").await.token(), login(direct, "bob").await.token());
        let ending = login(direct, "eve").await.token();
        logout_all(direct, &over).await.well();
        is_out(&me(at, &over).await);
        is_out(&renew(at, &over).await);
        for answer in [me(at, &alive).await, renew(at, &alive).await, login(at, "eve").await] {
            well += usize::from(is_well(answer));
            asked += 1;
        }
        if is_well(logout_all(at, &ending).await) {
            me(direct, &ending).await.ended();
        }
    }
    println!("{well} of {asked} went well; {} transactions were moved", pooling.moved());
    assert!(well < asked, "nothing failed: the pool moves nothing");

    let opened: Result<Sessions, Box<dyn Error>> = async {
        let store = server.builder_at(pooling.port()).connect().await?;
        let keys = Keys::hs256(b"the key of the nodes of the fault tests")?;
        Ok(Sessions::builder(store, keys, "https://faults.example").build().await?)
    }
    .await;
    let refused = opened.unwrap_err().to_string();
    assert!(refused.contains("session mode"), "{refused}");
}
