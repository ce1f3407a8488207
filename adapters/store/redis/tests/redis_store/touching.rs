//! Activity of many sessions is written in few calls, each session by itself.

use std::time::Duration;

use logout_all::{Label, SessionStore, store::Touch};

use crate::{
    cluster::Cluster,
    coalesced::{calls, sessions},
    server::Server,
    sign_in, touch_of, user,
};

/// "sorted, batched": two calls for each 64 sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_touches_are_few_calls() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let rows = sessions(&store, 500).await;
    let touches: Vec<Touch> = rows.iter().map(touch_of).collect();
    let before = calls(&server);
    assert_eq!(store.touch(&touches).await.unwrap(), []);
    let made = calls(&server) - before;
    println!("{made} calls for {} touches", touches.len());
    assert!(made <= 16, "{made} calls for {} touches", touches.len());
    for row in &rows {
        let found = store.lookup(&row.user, row.guid).await.unwrap().row.unwrap();
        assert!(found.confirmed_at.is_some(), "{found:?}");
    }
}

/// One whose keys are damaged holds up no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_session_holds_up_no_other() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let (ada, bob, eve) = (
        sign_in(&store, &user("ada")).await,
        sign_in(&store, &user("bob")).await,
        sign_in(&store, &user("eve")).await,
    );
    let _: () = server.ask("SET logout-all:{ada}:epoch nonsense");
    let _: () = server.ask("DEL logout-all:{bob}:sessions");
    let _: () = server.ask("SET logout-all:{bob}:sessions nonsense");
    store.touch(&[touch_of(&ada), touch_of(&bob), touch_of(&eve)]).await.unwrap();
    let found = store.lookup(&eve.user, eve.guid).await.unwrap().row.unwrap();
    assert!(found.confirmed_at.is_some(), "{found:?}");
}

/// On a cluster, where each session goes by itself, too: it is not asked for again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_session_holds_up_no_other_on_a_cluster() {
    let cluster = Cluster::start().await;
    let node = cluster.others()[0];
    let (store, users) = (cluster.store().await, cluster.users_of(node, 4));
    let mut rows = Vec::new();
    for user in &users {
        rows.push(sign_in(&store, user).await);
    }
    let ask = |words: String| cluster.nodes[node].server.ask::<()>(&words);
    ask(format!("SET logout-all:{{{}}}:epoch nonsense", users[0]));
    ask(format!("DEL logout-all:{{{}}}:sessions", users[1]));
    ask(format!("SET logout-all:{{{}}}:sessions nonsense", users[1]));
    ask(format!("HSET logout-all:{{{}}}:sessions {} nonsense", users[2], rows[2].guid));
    let touches: Vec<Touch> = rows.iter().map(touch_of).collect();
    assert_eq!(store.touch(&touches).await.unwrap(), []);
    let found = store.lookup(&users[3], rows[3].guid).await.unwrap().row.unwrap();
    assert!(found.confirmed_at.is_some(), "{found:?}");
}

/// A session that is changed between the two scripts of a batch is decided anew, and alone: neither
/// the other change nor the touch is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_changed_meanwhile_loses_nothing() {
    const MOST: usize = 300;
    let server = Server::start(&[]);
    let store = server.store().await;
    let (mut rows, mut contested) = (sessions(&store, 64).await, 0);
    for round in 0..MOST {
        let later = |row| {
            let touch = touch_of(row);
            Touch { seen_at: touch.seen_at + Duration::from_millis(1), ..touch }
        };
        let touches: Vec<Touch> = rows.iter().map(later).collect();
        let before = calls(&server);
        let label = Label::new(&format!("round {round}")).unwrap();
        let (outcome, ()) = tokio::join!(store.touch(&touches), async {
            for row in &rows[..4] {
                store.relabel(&row.user, row.guid, Some(&label)).await.unwrap().unwrap();
            }
        });
        assert_eq!(outcome.unwrap(), []);
        // A relabelling is two calls, and more where the touch came first; so is the touch itself.
        contested += usize::from(calls(&server) - before > 4 * 2 + 2);
        for (number, row) in rows.iter_mut().enumerate() {
            let found = store.lookup(&row.user, row.guid).await.unwrap().row.unwrap();
            assert!(found.last_seen_at >= touches[number].seen_at, "{number}: {found:?}");
            assert!(number >= 4 || found.label.as_ref() == Some(&label), "{number}: {found:?}");
            *row = found;
        }
        if contested == 5 {
            return;
        }
    }
    panic!("only {contested} of {MOST} rounds met");
}
