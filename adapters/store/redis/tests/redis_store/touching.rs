//! Activity of many sessions is written in few calls, each session by itself.

use logout_all::{SessionStore, store::Touch};

use crate::{
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
