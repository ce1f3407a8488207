//! What is a cluster's own when all is well. That it keeps the laws of the port is proved by the
//! suite `logout-all-conformance`.

use std::time::{Duration, Instant, SystemTime};

use logout_all::{
    By, Clock, EndReason, SessionStore, StoreErrorKind,
    store::{JournalOrder, Scope},
};
use logout_all_redis::RedisStore;

use crate::{
    cluster::Cluster,
    end, lives, login_of,
    network::{acceptor, authority},
    rotation, sign_in, stored,
};

/// "The mode is found at the start; the rest of the nodes are named by the one that is given": each
/// has its part, and every verb finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_has_its_users() {
    let cluster = Cluster::start().await;
    let store = cluster.store().await;
    assert!(store.info().version.ends_with(", cluster"), "{:?}", store.info());
    for node in 0..3 {
        for user in cluster.users_of(node, 3) {
            let (row, other) = (sign_in(&store, &user).await, sign_in(&store, &user).await);
            store.rotate(&rotation(&row)).await.unwrap();
            assert_eq!(store.devices(&user).await.unwrap().rows.len(), 2);
            end(&store, &user, Scope::Device(row.guid)).await.unwrap();
            assert!(!lives(&store, &row).await && lives(&store, &other).await);
            let keys: Vec<String> = cluster.nodes[node].server.ask(&format!("KEYS *{{{user}}}*"));
            assert_eq!(keys.len(), 2, "sessions and journal: {keys:?}");
        }
    }
    // Seen from a node that knew nothing, too, and no verb is refused because of its first node.
    for node in &cluster.nodes {
        let other = RedisStore::builder(node.proxy.url()).connect().await.unwrap();
        other.ping().await.unwrap();
        for user in (0..3).map(|node| cluster.user_of(node)) {
            assert_eq!(other.devices(&user).await.unwrap().rows.len(), 1);
        }
    }
}

/// "A user's journal is in the user's slot; nobody can follow them all."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_is_of_the_user_and_everybody_and_a_common_journal_is_refused() {
    let cluster = Cluster::start().await;
    let (store, ada) = (cluster.store().await, cluster.user_of(cluster.others()[0]));
    let bob = cluster.user_of(cluster.others()[1]);
    for _ in 0..2 {
        end(&store, &ada, Scope::All).await.unwrap();
        store.announce_changed(&bob, &By::Application).await.unwrap();
        store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
    }
    let told = |entries: Vec<logout_all::JournalEntry>| {
        let told = entries.into_iter().map(|entry| (entry.seq, entry.reason));
        told.collect::<Vec<_>>()
    };
    let (own, all) = (EndReason::Operator, EndReason::Everyone);
    let wanted = [(2, all), (2, own), (1, all), (1, own)];
    assert_eq!(told(store.history(&ada, 9).await.unwrap()), wanted);
    assert_eq!(told(store.history(&ada, 3).await.unwrap()), wanted[..3]);
    let changed = EndReason::Changed;
    let of_bob = [(2, all), (2, changed), (1, all), (1, changed)];
    assert_eq!(told(store.history(&bob, 9).await.unwrap()), of_bob);

    assert_eq!(store.journal_order(), JournalOrder::PerUser);
    let error = store.journal(0, 10).await.unwrap_err();
    assert!(error.to_string().contains("history"), "{error:?}");
}

/// "A user's journal is cut to a thousand entries, and is gone with its last one's time."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_journal_does_not_grow_for_ever() {
    let cluster = Cluster::start().await;
    let node = cluster.others()[0];
    let (store, ada) = (cluster.store().await, cluster.user_of(node));
    for _ in 0..1010 {
        store.announce_changed(&ada, &By::Application).await.unwrap();
    }
    let ask = |words: &str| -> i64 {
        cluster.nodes[node].server.ask(&format!("{words} logout-all:{{{ada}}}:journal"))
    };
    assert_eq!(ask("XLEN"), 1000);
    let history = store.history(&ada, 5000).await.unwrap();
    assert_eq!((history.len(), history[0].seq, history[999].seq), (1000, 1010, 11));
    let days = Duration::from_millis(u64::try_from(ask("PTTL")).unwrap()).as_secs() / 86400;
    assert!((30..=31).contains(&days), "{days} days");

    // Of those past 30 days, some go with each new one.
    let clock = Clock::system();
    let later = cluster.builder().danger_clock(clock.clone()).connect().await.unwrap();
    clock.advance(Duration::from_hours(24 * 31));
    for _ in 0..10 {
        later.announce_changed(&ada, &By::Application).await.unwrap();
    }
    assert_eq!(ask("XLEN"), 10);
    assert_eq!(later.history(&ada, 5000).await.unwrap().len(), 10);
}

/// Of two nodes that are asked side by side one answers later, and knows of a login since an end of
/// everybody that the other had not heard of: that login is nobody's to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_a_later_epoch_than_the_one_read_beside_it_lives() {
    let cluster = Cluster::start().await;
    let node = cluster.others()[0];
    let (one, two, ada) = (cluster.store().await, cluster.store().await, cluster.user_of(node));
    end(&one, &ada, Scope::SignedInBefore(SystemTime::UNIX_EPOCH)).await.unwrap();
    for _ in 0..3 {
        let proxy = &cluster.nodes[node].proxy;
        proxy.slow_down(Duration::from_millis(500));
        let ending = tokio::spawn({
            let (one, ada) = (one.clone(), ada.clone());
            async move { end(&one, &ada, Scope::SignedInBefore(SystemTime::UNIX_EPOCH)).await }
        });
        // Its question to the user's node is on the way, and the one to the store's is answered.
        tokio::time::sleep(Duration::from_millis(150)).await;
        proxy.slow_down(Duration::ZERO);
        two.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
        let row = sign_in(&two, &ada).await;
        assert!(!ending.is_finished());
        assert_eq!(ending.await.unwrap().unwrap().guids, []);
        assert!(lives(&two, &row).await, "a login since was ended by what began before it");
    }
}

/// "The global epoch is read beside the script": an end of everybody is final on every node once it
/// has returned, and no login that was under way survives it, also while both race.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_everybody_is_final_on_every_node() {
    let cluster = Cluster::start().await;
    let (one, two) = (cluster.store().await, cluster.store().await);
    let users: Vec<_> = (0..3).flat_map(|node| cluster.users_of(node, 4)).collect();
    for round in 0..10_u64 {
        let mut rows = Vec::new();
        for user in &users {
            rows.push(sign_in(&one, user).await);
        }
        let racing = users.iter().map(|user| {
            let (store, user) = (two.clone(), user.clone());
            tokio::spawn(async move {
                let login = login_of(&store, &user).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
                (login.epochs.global, store.insert(&login).await.unwrap())
            })
        });
        let racing: Vec<_> = racing.collect();
        tokio::time::sleep(Duration::from_millis(round % 5)).await;
        one.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
        let now = two.epochs(None).await.unwrap().epochs.global;
        for row in &rows {
            assert!(!lives(&two, row).await, "a session outlived everybody");
        }
        for task in racing {
            let (began, answer) = task.await.unwrap();
            if let (true, logout_all::store::Inserted::Stored { row, .. }) = (began < now, answer) {
                assert!(!lives(&two, &row).await, "a login from before outlived everybody");
            }
        }
    }
}

/// "After FLUSHALL of the store's master everybody is signed out", those of the other masters too;
/// "of another master, its users".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_master_signs_out_and_signs_nobody_in() {
    let cluster = Cluster::start().await;
    let store = cluster.store().await;
    let [near, far] = cluster.others();
    let (ada, bob) = (cluster.user_of(near), cluster.user_of(far));
    let (of_ada, of_bob) = (sign_in(&store, &ada).await, sign_in(&store, &bob).await);
    cluster.nodes[near].server.ask::<()>("FLUSHALL");
    assert!(!lives(&store, &of_ada).await && lives(&store, &of_bob).await);
    let of_ada = sign_in(&store, &ada).await;

    let (fenced, open) = (login_of(&store, &ada).await, login_of(&store, &bob).await);
    end(&store, &bob, Scope::Device(of_bob.guid)).await.unwrap();
    let of_bob = sign_in(&store, &bob).await;
    let before = store.epochs(None).await.unwrap().epochs.global;
    cluster.nodes[cluster.store_node()].server.ask::<()>("FLUSHALL");
    for row in [&of_ada, &of_bob] {
        assert!(!lives(&store, row).await);
        assert!(store.devices(&row.user).await.unwrap().rows.is_empty());
    }
    for login in [&fenced, &open] {
        assert!(store.insert(login).await.unwrap().denied().is_some());
    }
    let after = store.epochs(None).await.unwrap().epochs.global;
    assert!(after > before, "{after} is not after {before}");
    let row = stored(store.insert(&login_of(&store, &ada).await).await.unwrap());
    assert!(lives(&store, &row).await);
}

/// What an operator gives need not be the node that is up: "one or more seeds".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_seed_that_answers_will_do() {
    let mut cluster = Cluster::start().await;
    let [away, _] = cluster.others();
    let ada = cluster.user_of(cluster.store_node());
    cluster.nodes[away].server.kill();
    let dead = cluster.nodes[away].proxy.url();
    assert!(RedisStore::builder(&dead).connect().await.is_err());
    let seed = cluster.nodes[cluster.store_node()].proxy.url();
    let since = Instant::now();
    let store = RedisStore::builder(dead).seed(&seed).connect().await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    assert!(lives(&store, &sign_in(&store, &ada).await).await);

    let error = RedisStore::builder(format!("{seed}/1")).connect().await.unwrap_err();
    assert!(error.to_string().contains("no database of the number"), "{error:?}");
    // A server by itself is no seed of anything.
    let server = crate::server::Server::start(&[]);
    let error = server.builder().seed(seed).connect().await.unwrap_err();
    assert!(error.to_string().contains("Cluster"), "{error:?}");
}

/// `WAIT` goes to the user's node, over the connection that wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ending_waits_for_the_replica_of_the_users_node() {
    let mut cluster = Cluster::start().await;
    let [with, without] = cluster.others();
    cluster.add_replica(with, &["--cluster-require-full-coverage", "no"]).await;
    let store = cluster.builder().wait_for_replicas(1, Duration::from_secs(1));
    let store = store.connect().await.unwrap();
    let (ada, bob) = (cluster.user_of(with), cluster.user_of(without));
    for _ in 0..3 {
        let (of_ada, of_bob) = (sign_in(&store, &ada).await, sign_in(&store, &bob).await);
        let ended = end(&store, &ada, Scope::Device(of_ada.guid)).await.unwrap();
        assert_eq!(ended.guids, [of_ada.guid]);
        let error = end(&store, &bob, Scope::Device(of_bob.guid)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TimedOut);
        assert!(error.to_string().contains("0 of 1 replicas"), "{error:?}");
    }
}

/// "TLS is verified", on each node by its own address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_is_reached_by_tls_and_verified() {
    let (authority, file) = authority();
    let good = acceptor("127.0.0.1", &authority);
    let foreign = acceptor("db.example", &authority);
    let cluster = Cluster::with(&[], |_| Some(good.clone())).await;
    let connect = async |cluster: &Cluster| {
        let url = format!("rediss://127.0.0.1:{}", cluster.nodes[cluster.store_node()].proxy.port);
        RedisStore::builder(url).root_certificate(file.path()).connect().await.unwrap()
    };
    let store = connect(&cluster).await;
    for user in (0..3).map(|node| cluster.user_of(node)) {
        let row = sign_in(&store, &user).await;
        assert_eq!(end(&store, &user, Scope::All).await.unwrap().guids, [row.guid]);
    }

    let [near, far] = cluster.others();
    let tls = |node| Some(if node == near { foreign.clone() } else { good.clone() });
    let cluster = Cluster::with(&[], tls).await;
    let store = connect(&cluster).await;
    sign_in(&store, &cluster.user_of(far)).await;
    assert!(store.epochs(Some(&cluster.user_of(near))).await.is_err());
}
