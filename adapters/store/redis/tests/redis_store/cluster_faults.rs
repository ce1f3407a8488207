//! What the store does when a part of a cluster does not: the users of the others notice nothing.

use std::time::{Duration, Instant};

use logout_all::{By, Clock, EndReason, SessionRow, SessionStore, UserId, store::Scope};
use logout_all_redis::RedisStore;

use crate::{cluster::Cluster, end, lives, proxy::Cut, rotation, sign_in};

/// One session of a user of each node.
async fn one_of_each(cluster: &Cluster, store: &RedisStore) -> Vec<SessionRow> {
    let mut rows = Vec::new();
    for node in 0..3 {
        rows.push(sign_in(store, &cluster.user_of(node)).await);
    }
    rows
}

/// Every verb of a user whose node is well, each before a silent node would be given up: in a second.
async fn goes_on(store: &RedisStore, row: &mut SessionRow) {
    assert!(soon(lives(store, row)).await);
    let swap = soon(store.rotate(&rotation(row))).await.unwrap();
    let logout_all::store::Swap::Done(after) = swap else { panic!("{swap:?}") };
    *row = *after;
    let other = soon(sign_in(store, &row.user)).await;
    soon(end(store, &row.user, Scope::Device(other.guid))).await.unwrap();
    assert!(!soon(lives(store, &other)).await);
}

async fn soon<T>(verb: impl Future<Output = T>) -> T {
    let limit = Duration::from_millis(950);
    tokio::time::timeout(limit, verb).await.expect("a user whose node is well was held up")
}

/// No verb of this user is answered, and each fails within the limit of a verb.
async fn is_unknown(store: &RedisStore, row: &SessionRow) {
    let since = Instant::now();
    store.lookup(&row.user, row.guid).await.unwrap_err();
    assert!(since.elapsed() < Duration::from_millis(4500), "{:?}", since.elapsed());
    let since = Instant::now();
    end(store, &row.user, Scope::All).await.unwrap_err();
    assert!(since.elapsed() < Duration::from_millis(4500), "{:?}", since.elapsed());
}

async fn until_it_lives(store: &RedisStore, row: &SessionRow) {
    let since = Instant::now();
    while store.lookup(&row.user, row.guid).await.is_err() {
        assert!(since.elapsed() < Duration::from_secs(20), "the user's node does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(lives(store, row).await);
}

/// "One master killed with -9": the users of the others go on as before, its own are told that
/// nobody knows (503), and after its restart all goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_is_missed_by_its_own_users_alone() {
    let mut cluster = Cluster::start().await;
    let store = cluster.store().await;
    let mut rows = one_of_each(&cluster, &store).await;
    let [dead, _] = cluster.others();
    let ended = sign_in(&store, &rows[dead].user).await;
    end(&store, &ended.user, Scope::Device(ended.guid)).await.unwrap();
    cluster.nodes[dead].server.kill();
    let until = Instant::now() + Duration::from_secs(3);
    // Before the other nodes notice, and after.
    while Instant::now() < until {
        for (node, row) in rows.iter_mut().enumerate() {
            if node == dead {
                let error = store.lookup(&row.user, row.guid).await.unwrap_err();
                assert!(!error.to_string().is_empty());
            } else {
                goes_on(&store, row).await;
            }
        }
    }
    is_unknown(&store, &rows[dead]).await;
    cluster.nodes[dead].server.restart();
    until_it_lives(&store, &rows[dead]).await;
    assert!(!lives(&store, &ended).await, "a restart revived a session");
    goes_on(&store, &mut rows[dead]).await;
}

/// "A node that is away keeps no other user from being swept", and its own users are swept later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_passes_over_a_dead_master() {
    let mut cluster = Cluster::start().await;
    let clock = Clock::system();
    let store = cluster.builder().danger_clock(clock.clone()).connect().await.unwrap();
    for _ in 0..2 {
        one_of_each(&cluster, &store).await;
    }
    assert_eq!(store.sweep(100).await.unwrap().sessions, 0);
    clock.advance(Duration::from_hours(24 * 15));
    let [dead, _] = cluster.others();
    cluster.nodes[dead].server.kill();
    assert_eq!(store.sweep(100).await.unwrap().sessions, 4);
    store.sweep(100).await.unwrap_err();
    cluster.nodes[dead].server.restart();
    let since = Instant::now();
    let late = loop {
        match store.sweep(100).await {
            Ok(swept) => break swept.sessions,
            Err(why) => assert!(since.elapsed() < Duration::from_secs(20), "{why:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(late, 2);
    assert_eq!(store.sweep(100).await.unwrap().sessions, 0);
    let store_node = &cluster.nodes[cluster.store_node()].server;
    assert_eq!(store_node.ask::<i64>("ZCARD logout-all:{*}:due"), 0);
}

/// A node that is silent, and refuses nothing, holds nobody up who does not need it: neither while
/// it is asked, nor while it is looked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_master_holds_up_its_own_users_alone() {
    let cluster = Cluster::start().await;
    let store = cluster.store().await;
    let mut rows = one_of_each(&cluster, &store).await;
    let [silent, _] = cluster.others();
    cluster.nodes[silent].server.freeze();
    let of_silent = rows[silent].clone();
    // Its users do not cease to ask.
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let (store, row) = (store.clone(), of_silent.clone());
            tokio::spawn(async move {
                let since = Instant::now();
                let failed = store.lookup(&row.user, row.guid).await.is_err();
                (failed, since.elapsed())
            })
        })
        .collect();
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        for (_, row) in rows.iter_mut().enumerate().filter(|(node, _)| *node != silent) {
            goes_on(&store, row).await;
        }
    }
    for task in asking {
        let (failed, took) = task.await.unwrap();
        assert!(failed && took < Duration::from_millis(4500), "{failed} {took:?}");
    }
    is_unknown(&store, &of_silent).await;
    cluster.nodes[silent].server.thaw();
    until_it_lives(&store, &of_silent).await;
    goes_on(&store, &mut rows[silent]).await;
}

/// "The node with the store's own keys is needed by all": without it nobody is known, and nobody is
/// denied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_stores_master_nobody_is_known() {
    let mut cluster = Cluster::start().await;
    let store = cluster.store().await;
    let mut rows = one_of_each(&cluster, &store).await;
    let everyone = cluster.store_node();
    cluster.nodes[everyone].server.kill();
    for row in &rows {
        is_unknown(&store, row).await;
    }
    assert!(store.ping().await.is_err());
    store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap_err();
    cluster.nodes[everyone].server.restart();
    for row in &mut rows {
        until_it_lives(&store, row).await;
        goes_on(&store, row).await;
    }
}

/// "With `cluster-require-full-coverage yes`, the default, one dead master stops all": an error, and
/// no answer about anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_full_coverage_required_all_stop_and_all_go_on() {
    let mut cluster = Cluster::with(&[], |_| None).await;
    let store = cluster.store().await;
    let mut rows = one_of_each(&cluster, &store).await;
    let [dead, other] = cluster.others();
    cluster.nodes[dead].server.kill();
    cluster.nodes[other].server.until("CLUSTER INFO", "cluster_state:fail").await;
    let error = store.lookup(&rows[other].user, rows[other].guid).await.unwrap_err();
    assert!(error.to_string().contains("Cluster is down"), "{error:?}");
    cluster.nodes[dead].server.restart();
    for row in &mut rows {
        until_it_lives(&store, row).await;
        goes_on(&store, row).await;
    }
}

/// A node that the others have left behind may be allowed to answer reads
/// (`cluster-allow-reads-when-down`). It answers no verification: it would not know of a logout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_answers_nobody() {
    let mut cluster = Cluster::with(&["--cluster-allow-reads-when-down", "yes"], |_| None).await;
    let store = cluster.store().await;
    let alone = cluster.store_node();
    let row = sign_in(&store, &cluster.user_of(alone)).await;
    for other in cluster.others() {
        cluster.nodes[other].server.kill();
    }
    cluster.nodes[alone].server.until("CLUSTER INFO", "cluster_state:fail").await;
    let exists: i64 = cluster.nodes[alone].server.ask("EXISTS logout-all:{*}:store");
    assert_eq!(exists, 1, "it answers a plain read");
    let error = store.lookup(&row.user, row.guid).await.unwrap_err();
    assert!(error.to_string().contains("Cluster is down"), "{error:?}");
}

/// "What was perhaps done is never sent again": of a request or an answer that is lost, the change
/// happened once or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_never_sent_twice() {
    let cluster = Cluster::start().await;
    let store = cluster.store().await;
    for node in 0..3 {
        let (user, proxy) = (cluster.user_of(node), &cluster.nodes[node].proxy);
        let row = sign_in(&store, &user).await;
        for cut in [Cut::Request, Cut::Answer] {
            let happened = u64::from(cut == Cut::Answer);
            let before = store.lookup(&user, row.guid).await.unwrap().row.unwrap();
            let rotation = rotation(&before);
            proxy.cut_at(&rotation.next.expose().simple().to_string(), cut);
            store.rotate(&rotation).await.unwrap_err();
            assert!(!proxy.cut_is_pending());
            let after = store.lookup(&user, row.guid).await.unwrap().row.unwrap();
            assert_eq!(after.generation, before.generation + happened, "{cut:?}");

            // Of two that came, the journal would tell.
            let told = |user: UserId| {
                let store = store.clone();
                async move { store.history(&user, 100).await.unwrap().len() }
            };
            let entries = told(user.clone()).await;
            proxy.cut_at("changed", cut);
            store.announce_changed(&user, &By::Application).await.unwrap_err();
            let more = usize::try_from(happened).unwrap();
            assert_eq!(told(user.clone()).await, entries + more, "{cut:?}");
        }
    }
}

/// "A replica that takes a dead master's place is found", without a restart of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_is_found() {
    let mut cluster = Cluster::start().await;
    let [primary, _] = cluster.others();
    cluster.add_replica(primary, &["--cluster-require-full-coverage", "no"]).await;
    let store = cluster.builder().wait_for_replicas(1, Duration::from_secs(1));
    let (store, ada) = (store.connect().await.unwrap(), cluster.user_of(primary));
    let (kept, ended) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    end(&store, &ada, Scope::Device(ended.guid)).await.unwrap();
    cluster.nodes[primary].server.kill();
    until_it_lives(&store, &kept).await;
    assert!(!lives(&store, &ended).await, "a reported ending was undone");
    // The old one comes back as a replica, and is not asked.
    cluster.nodes[primary].server.restart();
    cluster.nodes[primary].server.until("INFO replication", "role:slave").await;
    assert!(lives(&store, &kept).await);
    store.rotate(&rotation(&kept)).await.unwrap();
}
