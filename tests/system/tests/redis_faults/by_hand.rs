//! What `docs/operations.md` has an operator type on Redis, typed.

use logout_all::{SessionStore, UserId};

use crate::{
    client::{login, me, renew},
    node::Node,
    server::Server,
};

const PAGE: &str = include_str!("../../../../docs/operations.md");

/// The words of the page's `redis-cli` line that has this key.
fn typed(key: &str) -> Vec<String> {
    let mut lines = PAGE.lines().filter(|line| line.starts_with("redis-cli "));
    let line = lines.find(|line| line.contains(key)).unwrap();
    // A shell's words: what is in double quotes is one.
    let quoted = line.trim_start_matches("redis-cli ").split('"').enumerate();
    let words = quoted.flat_map(|(at, part)| match at % 2 {
        1 => vec![part.to_owned()],
        _ => part.split_whitespace().map(str::to_owned).collect(),
    });
    words.collect()
}

async fn run(server: &Server, words: &[String]) -> redis::Value {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd(&words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

/// "This ends the sessions *and* fences off logins under way", and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_out_and_so_is_a_login_under_way() {
    let server = Server::start(&[]);
    let node = Node::start(&server.builder()).await;
    let (one, other) = (login(node.address, "42").await, login(node.address, "43").await);
    let (one, other) = (one.token(), other.token());
    let user = UserId::new("42").unwrap();
    let ticket = node.sessions.begin_login(Some("42")).await.unwrap();
    let store = server.store().await;
    // As at three in the morning: a full server takes it too.
    server.ask::<()>("CONFIG SET maxmemory 1");
    let mut before = store.epochs(Some(&user)).await.unwrap().epochs.user;
    // Twice in one moment: an epoch never goes back.
    for _ in 0..2 {
        run(&server, &typed("{42}:sessions")).await;
        let epoch = store.epochs(Some(&user)).await.unwrap().epochs.user;
        assert!(epoch > before, "{epoch} after {before}");
        before = epoch;
    }
    server.ask::<()>("CONFIG SET maxmemory 0");
    me(node.address, &one).await.ended();
    renew(node.address, &one).await.ended();
    me(node.address, &other).await.well();
    let late = node.sessions.login(ticket, logout_all::ClientInfo::default(), &()).await;
    assert!(late.is_err(), "a login from before got in");
    let fresh = login(node.address, "42").await.token();
    me(node.address, &fresh).await.well();
}

/// "Final at once and fences every login under way."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_out() {
    let server = Server::start(&[]);
    let node = Node::start(&server.builder()).await;
    let one = login(node.address, "ada").await.token();
    let ticket = node.sessions.begin_login(Some("bob")).await.unwrap();
    server.ask::<()>("CONFIG SET maxmemory 1");
    run(&server, &typed("{*}:store")).await;
    server.ask::<()>("CONFIG SET maxmemory 0");
    me(node.address, &one).await.ended();
    let late = node.sessions.login(ticket, logout_all::ClientInfo::default(), &()).await;
    assert!(late.is_err(), "a login from before got in");
    let fresh = login(node.address, "ada").await.token();
    run(&server, &typed("{*}:store")).await;
    me(node.address, &fresh).await.ended();
}
