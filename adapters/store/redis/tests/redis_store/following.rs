//! Polls of the journal, the lease lengths and wake-ups: under endings at once, a server that is emptied,
//! full, frozen or fails over, and a connection that is killed. (What they answer is proved by the laws
//! L73 to L75.)

use std::{
    future::Future,
    time::{Duration, Instant},
};

use logout_all::{
    By, Clock, EndReason, JournalEntry, SessionStore, StoreErrorKind,
    store::{Lease, Polled, Scope},
};
use logout_all_redis::RedisStore;
use tokio::{task::JoinSet, time::timeout};

use crate::{cluster::Cluster, end, rotation, server::Server, sign_in, user};

const SOON: Duration = Duration::from_secs(5);
/// How long a wake-up that must not come is waited for.
const A_WHILE: Duration = Duration::from_millis(200);

fn millis(length: u64) -> Duration {
    Duration::from_millis(length)
}

fn lengths(given: u64, waited: u64) -> Lease {
    Lease { given: millis(given), waited: millis(waited) }
}

async fn comes(what: &str, woken: impl Future<Output = ()>) -> Duration {
    let since = Instant::now();
    assert!(timeout(SOON, woken).await.is_ok(), "no wake-up: {what}");
    since.elapsed()
}

/// Waits until the connection listens: the first wake-up is that it does.
async fn listening(store: &RedisStore) {
    comes("the first", store.woken()).await;
    while timeout(A_WHILE, store.woken()).await.is_ok() {}
}

/// "`seq` is gapless in commit order": a follower with small answers, beside four nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_misses_nothing() {
    const WRITERS: u64 = 4;
    const EACH: u64 = 50;
    let server = Server::start(&[]);
    let store = server.store().await;
    store.raise_lease(millis(500)).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = server.store().await;
        writers.spawn(async move {
            let one = user(&format!("writer {writer}"));
            for turn in 0..EACH {
                end(&store, &one, Scope::All).await.unwrap();
                let told = store.poll(Some(0), 10_000).await.unwrap();
                let mine = told.entries.iter().filter(|entry| entry.user.as_ref() == Some(&one));
                assert_eq!(mine.count() as u64, turn + 1, "what has returned is told");
            }
        });
    }
    let mut followed: Vec<JournalEntry> = store.poll(None, 1).await.unwrap().entries;
    let (last, since) = (1 + WRITERS * EACH, Instant::now());
    while followed[followed.len() - 1].seq < last {
        let known = followed[followed.len() - 1].clone();
        let told = store.poll(Some(known.seq), 3).await.unwrap();
        assert_eq!(told.entries[0], known, "the known entry comes first");
        for (seq, entry) in (known.seq..).zip(&told.entries) {
            assert_eq!(entry.seq, seq);
        }
        followed.extend(told.entries.into_iter().skip(1));
        assert!(since.elapsed() < Duration::from_secs(30), "{} of {last}", followed.len());
    }
    writers.join_all().await;
    let journal = store.journal(0, 10_000).await.unwrap().entries;
    assert!(journal.ends_with(&followed));
}

/// "Truncation never removes the newest entry."
#[tokio::test]
async fn after_a_sweep_the_newest_entry_is_there_and_an_older_one_is_missed() {
    let server = Server::start(&[]);
    let clock = Clock::system();
    let store = server.builder().danger_clock(clock.clone()).connect().await.unwrap();
    for number in 0..5 {
        end(&store, &user(&format!("user-{number}")), Scope::All).await.unwrap();
    }
    let newest = store.poll(None, 1).await.unwrap().entries;
    clock.advance(Duration::from_hours(31 * 24));
    for _ in 0..3 {
        store.sweep(100).await.unwrap();
    }
    assert_eq!(store.poll(Some(5), 100).await.unwrap().entries, newest);
    let missed = store.poll(Some(2), 100).await.unwrap();
    assert_eq!((missed.last_seq, &missed.entries), (5, &newest));
}

/// "Nodes of both follow the same journal during an upgrade": an entry with a later release's reason is
/// read as unspecified, and ends no following.
#[tokio::test]
async fn a_reason_of_a_later_release_is_followed() {
    let server = Server::start(&[]);
    let store = server.store().await;
    end(&store, &user("ada"), Scope::All).await.unwrap();
    let id = uuid::Uuid::new_v4();
    server.ask::<()>(&format!(
        "XADD logout-all:{{*}}:journal 2-0 user ada guid {id} reason a-later-one by policy id {id} at 1"
    ));
    server.ask::<()>("HSET logout-all:{*}:store last_seq 2");
    let told = store.poll(Some(1), 10).await.unwrap().entries;
    assert_eq!((told[1].seq, told[1].reason), (2, EndReason::Unspecified));
    assert_eq!(store.journal(0, 10).await.unwrap().entries, told);
}

/// L74: of many first nodes one writes the entry; and a full server takes it all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_raise_to_the_longest_and_write_one_entry() {
    let server = Server::start(&[]);
    let stores = [server.store().await, server.store().await];
    server.ask::<()>("CONFIG SET maxmemory 1");
    let mut nodes = JoinSet::new();
    for (node, store) in (1..=8).zip(stores.iter().cycle().cloned()) {
        nodes.spawn(async move {
            let lease = store.raise_lease(millis(100 * node)).await.unwrap();
            assert!(lease.given >= millis(100 * node) && lease.waited >= lease.given, "{lease:?}");
        });
    }
    nodes.join_all().await;
    let [store, other] = &stores;
    assert_eq!(store.lease().await.unwrap(), lengths(800, 800));
    let told = store.journal(0, 10).await.unwrap().entries;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].reason, &told[0].user), (EndReason::Changed, &None));
    assert_eq!(store.history(&user("ada"), 10).await.unwrap(), told);
    // At least, to the nanosecond.
    let odd = store.raise_lease(millis(900) + Duration::from_nanos(1)).await.unwrap();
    assert_eq!(odd.given, millis(900) + Duration::from_micros(1));

    let seen = store.lower_given(millis(200)).await.unwrap();
    other.raise_lease(millis(400)).await.unwrap();
    assert!(!store.lower_waited(seen).await.unwrap(), "a raise since");
    assert_eq!(other.poll(None, 1).await.unwrap().lease.given, millis(400));
}

/// "After FLUSHALL the poll's answer shows it": no lease, and not the entry that was known, also when
/// its number is given out again; and a node that raises makes all of it anew.
#[tokio::test]
async fn a_store_that_was_emptied_knows_nothing_of_what_was_known() {
    let server = Server::start(&[]);
    let store = server.store().await;
    store.raise_lease(millis(500)).await.unwrap();
    end(&store, &user("ada"), Scope::All).await.unwrap();
    let known = store.poll(None, 1).await.unwrap().entries;
    assert_eq!(known[0].seq, 2);
    server.ask::<()>("FLUSHALL");
    let emptied = Polled { lease: Lease::default(), last_seq: 0, entries: Vec::new() };
    assert_eq!(store.poll(Some(2), 10).await.unwrap(), emptied);
    assert_eq!(store.lower_given(millis(1)).await.unwrap(), Lease::default());
    assert!(server.ask::<bool>("HEXISTS logout-all:{*}:store store_id"), "half a store was made");
    assert_eq!(store.raise_lease(millis(300)).await.unwrap(), lengths(300, 300));
    end(&store, &user("ada"), Scope::All).await.unwrap();
    let again = store.poll(Some(2), 10).await.unwrap();
    assert_eq!((again.last_seq, again.entries[0].seq), (2, 2));
    assert_ne!(again.entries, known, "the number of the old one, and another entry");
}

/// A replica that took the primary's place is one; while it is none, its answers are no answers.
#[tokio::test]
async fn what_a_replica_says_is_no_answer() {
    let (primary, other) = (Server::start(&[]), Server::start(&[]));
    let store = primary.store().await;
    store.raise_lease(millis(500)).await.unwrap();
    store.poll(None, 10).await.unwrap();
    primary.ask::<()>(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    assert_eq!(store.poll(None, 10).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert!(store.raise_lease(millis(600)).await.is_err());
    primary.ask::<()>("REPLICAOF NO ONE");
    store.poll(None, 10).await.unwrap();
}

/// "No answer, no lease": a poll of a server that stands still fails in time, and is well when it has
/// passed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_ends_a_poll_in_time() {
    let server = Server::start(&[]);
    let store = server.store().await;
    store.raise_lease(millis(500)).await.unwrap();
    store.poll(None, 10).await.unwrap();
    server.freeze();
    let since = Instant::now();
    let mut polls = JoinSet::new();
    for _ in 0..5 {
        let store = store.clone();
        polls.spawn(async move { store.poll(None, 10).await.unwrap_err() });
    }
    for error in polls.join_all().await {
        assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{error:?}");
    }
    assert!(since.elapsed() < millis(2500), "{:?}", since.elapsed());
    server.thaw();
    let since = Instant::now();
    while store.poll(None, 10).await.is_err() {
        assert!(since.elapsed() < SOON, "it did not come back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ending_wakes_every_node_and_nothing_else_does() {
    let server = Server::start(&[]);
    let (store, other) = (server.store().await, server.store().await);
    let foreign = server.builder().prefix("other").connect().await.unwrap();
    let ada = user("ada");
    for one in [&store, &other, &foreign] {
        listening(one).await;
    }
    let (woken, never) = (other.woken(), foreign.woken());
    let row = sign_in(&store, &ada).await;
    store.rotate(&rotation(&row)).await.unwrap();
    store.relabel(&ada, row.guid, None).await.unwrap();
    store.sweep(10).await.unwrap();
    end(&store, &user("stranger"), Scope::Device(row.guid)).await.unwrap();
    assert!(timeout(A_WHILE, woken).await.is_err(), "nothing has ended");

    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let (mine, others) = (store.woken(), other.woken());
        end(&store, &ada, Scope::All).await.unwrap();
        slowest = slowest.max(comes("on its own node", mine).await);
        slowest = slowest.max(comes("on another", others).await);
    }
    println!("the slowest of ten wake-ups came {slowest:?} after the logout had returned");
    let woken = other.woken();
    store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
    comes("everybody", woken).await;
    assert!(timeout(A_WHILE, never).await.is_err(), "another store is not woken");
}

/// "Nothing breaks when the listening connection is killed", nor with the server: it wakes again later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_killed_listens_again() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (store, ada) = (server.store().await, user("ada"));
    listening(&store).await;
    for _ in 0..2 {
        let woken = store.woken();
        assert_eq!(server.ask::<i64>("CLIENT KILL TYPE pubsub"), 1);
        end(&store, &ada, Scope::All).await.unwrap();
        comes("what was missed", woken).await;
        let woken = store.woken();
        end(&store, &ada, Scope::All).await.unwrap();
        comes("on the new connection", woken).await;
    }
    let woken = store.woken();
    server.kill();
    server.restart();
    assert_eq!(store.poll(None, 1).await.unwrap().last_seq, 4);
    comes("what may have been missed", woken).await;
}

/// One that nobody asks for is not opened; with the store it goes.
#[tokio::test]
async fn the_connection_comes_with_the_first_who_waits_and_goes_with_the_store() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let listeners = || server.ask::<String>("CLIENT LIST TYPE pubsub").lines().count();
    end(&store, &user("ada"), Scope::All).await.unwrap();
    assert_eq!(listeners(), 0);
    listening(&store).await;
    drop(store.woken());
    assert_eq!(listeners(), 1);
    drop(store);
    let since = Instant::now();
    while listeners() > 0 {
        assert!(since.elapsed() < SOON, "it is still there");
        tokio::time::sleep(millis(10)).await;
    }
}

/// On a cluster nobody follows: refused, not answered in part, and nothing is written for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_refuses_to_be_followed() {
    let cluster = Cluster::start().await;
    let url = format!("redis://127.0.0.1:{}", cluster.nodes[0].proxy.port);
    let store = RedisStore::builder(url).connect().await.unwrap();
    for refused in [
        store.poll(None, 1).await.map(drop),
        store.raise_lease(millis(100)).await.map(drop),
        store.lower_given(millis(100)).await.map(drop),
        store.lower_waited(Lease::default()).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Unsupported);
    }
    assert_eq!(store.lease().await.unwrap(), Lease::default());
    let woken = store.woken();
    store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
    assert!(timeout(A_WHILE, woken).await.is_err());
}
