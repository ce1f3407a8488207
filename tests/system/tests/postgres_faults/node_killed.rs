//! "process killed during a renewal; answer lost | the client's retry succeeds".

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{
    client::{login, me, renew, try_renew},
    node::{Node, NodeProcess},
    postgres::Postgres,
};

/// Killed a little later in each round, so that all points of a renewal are met.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_killed_during_renewals_and_each_retry_on_another_node_succeeds() {
    const ROUNDS: u64 = 8;
    const CLIENTS: usize = 10;
    let server = Postgres::start().await;
    server.builder().migrate().await.unwrap();
    let other = Node::start(&server.builder()).await;
    let sql = server.sql().await;
    let (mut tried, mut answered, mut carried_out) = (0, 0, 0);
    for round in 0..ROUNDS {
        let node = NodeProcess::start(&server.url()).await;
        let user = format!("user-{round}");
        let mut tokens = Vec::new();
        for _ in 0..CLIENTS {
            tokens.push(login(node.address, &user).await.token());
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
        let mut renewals = JoinSet::new();
        for token in tokens {
            let at = node.address;
            tried += 1;
            renewals.spawn(async move {
                let renewed = try_renew(at, &token).await;
                (token, renewed)
            });
        }
        tokio::time::sleep(Duration::from_millis(round * 5)).await;
        node.kill().await;
        for (token, renewed) in renewals.join_all().await {
            // The client of an answer that came has the successor; the others ask again.
            if let Ok(renewed) = renewed {
                assert_eq!(renewed.status(), 200, "{renewed}");
                answered += 1;
                continue;
            }
            let retry = renew(other.address, &token).await.well();
            assert!(["rotated", "recovered", "replayed"].contains(&retry.renewal()), "{retry}");
            carried_out += usize::from(retry.renewal() != "rotated");
            me(other.address, &retry.token()).await.well();
        }
        let asked = "SELECT count(*), min(generation), max(generation) FROM logout_all.sessions \
                     WHERE user_id = $1";
        let found = sql.query_one(asked, &[&user]).await.unwrap();
        let found: (i64, i64, i64) = (found.get(0), found.get(1), found.get(2));
        // No session was lost, and each token has one successor.
        assert_eq!(found, (CLIENTS.try_into().unwrap(), 1, 1));
    }
    println!(
        "of {tried} renewals {answered} were answered, {carried_out} were not but carried out"
    );
    assert!(answered < tried, "no renewal was interrupted");
}
