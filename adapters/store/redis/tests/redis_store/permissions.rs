//! The permissions that the README names are enough, and no more than is used.

use std::time::Duration;

use logout_all::{By, EndReason, SessionRow, SessionStore, UserId, store::Scope};
use logout_all_redis::RedisStore;
use tokio::time::timeout;

use crate::{cluster::Cluster, end, lives, rotation, server::Server, sign_in, touch_of, user};

/// As the README has them.
const COMMANDS: &str = "+eval +evalsha +info +time +get +set +del +hget +hset +hdel +hlen +hmget \
                        +hgetall +pttl +pexpire +zadd +zrem +zrangebyscore +xadd +xdel +xrange \
                        +xrevrange +lpush +ltrim +lrange +wait +publish +subscribe +ping";
const OF_A_CLUSTER: &str = "+xtrim +asking +cluster|slots";

#[tokio::test]
async fn every_verb_works_with_the_permissions_of_the_page() {
    let page = include_str!("../../README.md");
    let told = page.split("ACL SETUSER").nth(1).unwrap().split("```").next().unwrap();
    let told: Vec<&str> = told.split_whitespace().filter(|word| word.starts_with('+')).collect();
    assert_eq!(told, COMMANDS.split_whitespace().collect::<Vec<_>>());
    let server = Server::start(&[]);
    server.ask::<()>(&format!("ACL SETUSER app on >secret ~logout-all:* &logout-all:* {COMMANDS}"));
    let url = format!("redis://app:secret@127.0.0.1:{}", server.port);
    let store = RedisStore::builder(&url).connect().await.unwrap();
    let ada = user("ada");
    let row = every_verb(&store, &ada).await;
    assert_eq!(store.journal(0, 10).await.unwrap().last_seq, 3);
    let (minute, woken) = (Duration::from_mins(1), store.woken());
    assert!(timeout(minute, woken).await.is_ok(), "it listens");
    assert_eq!(store.raise_lease(minute).await.unwrap().waited, minute);
    let seen = store.lower_given(Duration::ZERO).await.unwrap();
    assert!(store.lower_waited(seen).await.unwrap());
    assert_eq!(store.poll(Some(3), 10).await.unwrap().entries.len(), 1);
    let woken = store.woken();
    end(&store, &ada, Scope::All).await.unwrap();
    assert!(timeout(minute, woken).await.is_ok(), "it is woken");
    // Without the permission to publish, or the channel, an ending is as whole as ever.
    for less in ["-publish", "resetchannels +publish"] {
        server.ask::<()>(&format!("ACL SETUSER app {less}"));
        let row = sign_in(&store, &ada).await;
        let before = store.journal(0, 10).await.unwrap().last_seq;
        end(&store, &ada, Scope::All).await.unwrap();
        assert!(!lives(&store, &row).await);
        assert_eq!(store.history(&ada, 1).await.unwrap()[0].seq, before + 1);
    }

    // Who cannot ask whether it is a primary, is answered nothing.
    server.ask::<()>("ACL SETUSER app -del");
    assert!(store.lookup(&ada, row.guid).await.is_err());
    server.ask::<()>("ACL SETUSER app +del");
    store.ping().await.unwrap();

    server.ask::<()>("ACL SETUSER app -evalsha");
    let error = store.lookup(&ada, row.guid).await.unwrap_err();
    assert!(error.to_string().contains("Permissions"), "{error:?}");
    let error = RedisStore::builder(&url).prefix("other").connect().await.unwrap_err();
    assert!(error.to_string().contains("Permissions"), "{error:?}");
}

/// "On a Redis Cluster, on each of its nodes, also".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_works_with_the_permissions_of_the_page_on_a_cluster() {
    let page = include_str!("../../README.md");
    assert!(page.contains(&format!("also `{OF_A_CLUSTER}`")), "{OF_A_CLUSTER}");
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        let user = format!("ACL SETUSER app on >secret ~logout-all:* {COMMANDS} {OF_A_CLUSTER}");
        node.server.ask::<()>(&user);
    }
    let url = format!("redis://app:secret@127.0.0.1:{}", cluster.nodes[0].proxy.port);
    let store = RedisStore::builder(url).connect().await.unwrap();
    let users: Vec<_> = (0..3).map(|node| cluster.user_of(node)).collect();
    for user in &users {
        every_verb(&store, user).await;
    }
    let [from, to] = cluster.others();
    let (slot, ids) =
        (cluster.slot(users[from].as_str()), [from, to].map(|node| cluster.nodes[node].id()));
    for (node, words) in [(to, "IMPORTING"), (from, "MIGRATING")] {
        let id = &ids[usize::from(node == from)];
        cluster.nodes[node].server.ask::<()>(&format!("CLUSTER SETSLOT {slot} {words} {id}"));
    }
    // (`ASKING`: of a user who has no journal, of the same slot.)
    let nobody = cluster.same_slot(&users[from]);
    let others = store.history(&nobody, 10).await.unwrap();
    assert!(others.iter().all(|entry| entry.user.is_none()), "{others:?}");
}

/// Uses each of them once, and a session that has ended.
async fn every_verb(store: &RedisStore, ada: &UserId) -> SessionRow {
    let row = sign_in(store, ada).await;
    store.touch(&[touch_of(&row)]).await.unwrap();
    store.rotate(&rotation(&row)).await.unwrap();
    store.relabel(ada, row.guid, None).await.unwrap();
    assert_eq!(store.devices(ada).await.unwrap().rows.len(), 1);
    assert!(lives(store, &row).await);
    end(store, ada, Scope::Others(row.guid)).await.unwrap();
    end(store, ada, Scope::All).await.unwrap();
    store.announce_changed(ada, &By::Application).await.unwrap();
    store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
    let own = store.history(ada, 10).await.unwrap();
    assert_eq!(own.iter().filter(|entry| entry.user.is_some()).count(), 2);
    store.sweep(10).await.unwrap();
    store.ping().await.unwrap();
    row
}
