//! The permissions that the README names are enough, and no more than is used.

use logout_all::{
    By, EndReason, SessionStore,
    store::{Confirm, Scope, Touch},
};
use logout_all_redis::RedisStore;

use crate::{end, lives, rotation, server::Server, sign_in, user};

/// As the README has them.
const COMMANDS: &str = "+eval +evalsha +info +time +get +set +del +hget +hset +hdel +hlen +hmget \
                        +hgetall +pttl +pexpire +zadd +zrem +zrangebyscore +xadd +xdel +xrange \
                        +xrevrange +lpush +ltrim +lrange +wait";

#[tokio::test]
async fn every_verb_works_with_the_permissions_of_the_page() {
    let page = include_str!("../../README.md");
    let told = page.split("ACL SETUSER").nth(1).unwrap().split("```").next().unwrap();
    let told: Vec<&str> = told.split_whitespace().filter(|word| word.starts_with('+')).collect();
    assert_eq!(told, COMMANDS.split_whitespace().collect::<Vec<_>>());
    let server = Server::start(&[]);
    server.ask::<()>(&format!("ACL SETUSER app on >secret ~logout-all:* {COMMANDS}"));
    let url = format!("redis://app:secret@127.0.0.1:{}", server.port);
    let store = RedisStore::builder(&url).connect().await.unwrap();
    let ada = user("ada");
    let row = sign_in(&store, &ada).await;
    let touch = Touch {
        user: ada.clone(),
        guid: row.guid,
        ref_tok_id: row.ref_tok_id,
        seen_at: row.last_seen_at,
        extension: None,
        user_agent: None,
        confirm: Confirm::Yes,
    };
    store.touch(&[touch]).await.unwrap();
    store.rotate(&rotation(&row)).await.unwrap();
    store.relabel(&ada, row.guid, None).await.unwrap();
    assert_eq!(store.devices(&ada).await.unwrap().rows.len(), 1);
    assert!(lives(&store, &row).await);
    end(&store, &ada, Scope::Others(row.guid)).await.unwrap();
    end(&store, &ada, Scope::All).await.unwrap();
    store.announce_changed(&ada, &By::Application).await.unwrap();
    store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
    assert_eq!(store.history(&ada, 10).await.unwrap().len(), 3);
    assert_eq!(store.journal(0, 10).await.unwrap().last_seq, 3);
    store.sweep(10).await.unwrap();
    store.ping().await.unwrap();

    server.ask::<()>("ACL SETUSER app -evalsha");
    let error = store.lookup(&ada, row.guid).await.unwrap_err();
    assert!(error.to_string().contains("Permissions"), "{error:?}");
    let error = RedisStore::builder(&url).prefix("other").connect().await.unwrap_err();
    assert!(error.to_string().contains("Permissions"), "{error:?}");
}
