//! Slots move from node to node while users come and go.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use logout_all::{
    SessionRow, SessionStore, UserId,
    store::{Scope, Swap},
};
use logout_all_redis::RedisStore;
use tokio::task::JoinHandle;

use crate::{cluster::Cluster, end, lives, login_of, rotation, sign_in, stored};

/// How often two users did what they do, and when they shall cease.
#[derive(Default)]
struct Traffic {
    renewals: AtomicU64,
    logouts: AtomicU64,
    stop: AtomicBool,
}

/// A user who verifies and renews without end.
fn goes_on(
    store: &RedisStore,
    mut row: SessionRow,
    traffic: &Arc<Traffic>,
) -> JoinHandle<SessionRow> {
    let (store, traffic) = (store.clone(), Arc::clone(traffic));
    tokio::spawn(async move {
        while !traffic.stop.load(Ordering::SeqCst) {
            let found = store.lookup(&row.user, row.guid).await.unwrap();
            let known = found.row.expect("a live session was denied");
            assert!(known.is_live(found.epochs, found.now), "a live session was denied");
            assert_eq!(known.ref_tok_id, row.ref_tok_id, "a rotation was lost, or came twice");
            row = match store.rotate(&rotation(&row)).await.unwrap() {
                Swap::Done(next) => *next,
                Swap::Lost => panic!("a rotation by the current token was refused"),
            };
            traffic.renewals.fetch_add(1, Ordering::SeqCst);
        }
        row
    })
}

/// Logs one session after the other out, and sees each gone.
fn logs_out(store: &RedisStore, user: &UserId, traffic: &Arc<Traffic>) -> JoinHandle<()> {
    let (store, user, traffic) = (store.clone(), user.clone(), Arc::clone(traffic));
    tokio::spawn(async move {
        while !traffic.stop.load(Ordering::SeqCst) {
            let rounds = traffic.logouts.load(Ordering::SeqCst);
            let row = sign_in(&store, &user).await;
            let late = login_of(&store, &user).await;
            let scope = if rounds % 2 == 0 { Scope::All } else { Scope::Device(row.guid) };
            let ended = end(&store, &user, scope).await.unwrap();
            assert!(ended.guids.contains(&row.guid));
            assert!(!lives(&store, &row).await, "a logout was lost");
            if rounds % 2 == 0 {
                let answer = store.insert(&late).await.unwrap();
                assert!(answer.denied().is_some(), "a login from before a logout got in");
            }
            traffic.logouts.fetch_add(1, Ordering::SeqCst);
        }
    })
}

/// "Its users wait for a moment": no denial, no error, nothing lost, while the slot of two users
/// moves to and fro; nor while the store's own does.
async fn survives_moves(cluster: &Cluster, slot: u16, one: &UserId) {
    let store = cluster.store().await;
    let traffic = Arc::new(Traffic::default());
    let other = cluster.same_slot(one);
    let first = goes_on(&store, sign_in(&store, one).await, &traffic);
    let second = logs_out(&store, &other, &traffic);
    let (mut from, mut moves) = (usize::from(slot) * 3 / 16384, 0);
    let done = || {
        let often = |count: &AtomicU64| count.load(Ordering::SeqCst) >= 20;
        often(&traffic.renewals) && often(&traffic.logouts)
    };
    while moves < 6 || !done() {
        assert!(moves < 200 && !first.is_finished() && !second.is_finished(), "{moves} moves");
        let to = (from + 1 + moves % 2) % 3;
        cluster.move_slot(slot, from, to, Duration::from_millis(10)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        (from, moves) = (to, moves + 1);
    }
    traffic.stop.store(true, Ordering::SeqCst);
    let row = first.await.unwrap();
    second.await.unwrap();
    let (renewals, logouts) =
        (traffic.renewals.load(Ordering::SeqCst), traffic.logouts.load(Ordering::SeqCst));
    assert!(lives(&store, &row).await);
    assert_eq!(row.generation, renewals, "a rotation was lost, or came twice");
    let told = store.history(&other, 1000).await.unwrap().len() as u64;
    assert_eq!(told, logouts.min(1000), "a logout is not in the journal, or is there twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_slot_moves_under_traffic() {
    let cluster = Cluster::start().await;
    let ada = cluster.user_of(cluster.others()[0]);
    let slot = cluster.slot(ada.as_str());
    survives_moves(&cluster, slot, &ada).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stores_slot_moves_under_traffic() {
    let cluster = Cluster::start().await;
    let ada = cluster.user_of(cluster.others()[0]);
    let slot = cluster.slot("*");
    survives_moves(&cluster, slot, &ada).await;
}

/// "A slot that was left half moved": its users wait, and are then told that nobody knows; nobody
/// else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_is_left_half_moved_is_an_error_in_time() {
    let cluster = Cluster::start().await;
    let store = cluster.store().await;
    let [from, to] = cluster.others();
    let ada = cluster.user_of(from);
    let (row, bob) = (sign_in(&store, &ada).await, sign_in(&store, &cluster.user_of(to)).await);
    let slot = cluster.slot(ada.as_str());
    let ids = [from, to].map(|node| cluster.nodes[node].id());
    let ask = |node: usize, words: String| cluster.nodes[node].server.ask::<()>(&words);
    ask(to, format!("CLUSTER SETSLOT {slot} IMPORTING {}", ids[0]));
    ask(from, format!("CLUSTER SETSLOT {slot} MIGRATING {}", ids[1]));
    let since = std::time::Instant::now();
    let error = store.lookup(&ada, row.guid).await.unwrap_err();
    assert!(error.to_string().contains("moved"), "{error:?}");
    assert!(since.elapsed() < Duration::from_millis(4500), "{:?}", since.elapsed());
    assert!(lives(&store, &bob).await);
    // What needs one key alone is answered by the node that takes the slot over (`ASK`).
    assert!(store.history(&ada, 9).await.unwrap().is_empty());
    ask(to, format!("CLUSTER SETSLOT {slot} STABLE"));
    ask(from, format!("CLUSTER SETSLOT {slot} STABLE"));
    assert!(lives(&store, &row).await);
    stored(store.insert(&login_of(&store, &ada).await).await.unwrap());
}
