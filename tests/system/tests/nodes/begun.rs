//! Logins that are under way while their user is logged out on another node. Each is begun and finished
//! in two calls, by a node in this process, so that the history knows when it had begun.

use std::time::Duration;

use logout_all::{AuthError, ClientInfo, Denied, Keys, Sessions, UserId};
use logout_all_postgres::PostgresStore;
use logout_all_redis::RedisStore;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    behind::three,
    client::Client,
    history::{Call, Outcome, Recorder, What},
    home::{Home, KEY_BYTES},
    rounds::judge,
    servers::{Framework, Store},
};

const USERS: usize = 6;
const ROUNDS: usize = 10;
const LEASE: Duration = Duration::from_millis(200);
const OPTIONS: &[&str] = &["--mode", "cached", "--lease", "200ms"];

pub(crate) async fn a_login_under_way_is_refused_or_over(store: Store) {
    let home = Home::new(Framework::Axum, store).await;
    let nodes = three(&home, OPTIONS);
    let here = node_of(&home).await;
    let (recorder, mut users) = (Recorder::new(), JoinSet::new());
    for number in 0..USERS {
        let name = format!("user{number}");
        let id = UserId::new(&home.add_user(&name).await).unwrap();
        let client = Client::new(name, &nodes, recorder.clone());
        let here = here.clone();
        users.spawn(async move {
            for turn in 0..ROUNDS {
                round(&client, &here, &id, number + turn).await;
            }
        });
    }
    while let Some(ended) = users.join_next().await {
        ended.unwrap();
    }
    let history = recorder.history();
    let split = |outcome| {
        let like = |call: &&Call| call.node == HERE && call.outcome == outcome;
        history.iter().filter(like).count()
    };
    let (finished, overtaken) = (split(Outcome::Accepted), split(Outcome::Denied));
    println!("{}: {overtaken} logins were overtaken, {finished} finished", store.name());
    assert!(overtaken > 10 && finished > 10, "{overtaken}, {finished}");
    judge(&history);
}

/// The number of the node in this process.
const HERE: usize = 3;

async fn node_of(home: &Home) -> Sessions {
    let keys = Keys::hs256(KEY_BYTES).unwrap();
    let builder = if let Some(redis) = home.redis() {
        let store = RedisStore::builder(redis.url()).connect().await.unwrap();
        Sessions::builder(store, keys, "logout-all-demo")
    } else {
        let config = home.database().unwrap().config();
        let store = PostgresStore::builder(config).connect().await.unwrap();
        Sessions::builder(store, keys, "logout-all-demo")
    };
    builder.build().await.unwrap()
}

async fn round(client: &Client, here: &Sessions, user: &UserId, turn: usize) {
    let known = client.sign_in(turn).await.unwrap();
    client.everywhere(&known, What::Verify).await;
    let start = client.recorder().now();
    let ticket = here.begin_login(Some(user)).await.unwrap();
    let began = client.recorder().now();

    // It ends before, during and after the commit, while the logout waits, and after that.
    let steps = [0, 0, 1, 2, 4, 8, 16, 30, 100, 250];
    let pause = Duration::from_millis(steps[turn % steps.len()]);
    // On each other turn the login is to be first.
    let head_start = Duration::from_millis(if turn.is_multiple_of(2) { 0 } else { 3 });
    let (ended, login) = tokio::join!(
        async {
            sleep(head_start).await;
            client.ask(turn + 1, &known, What::LogoutAll).await
        },
        async {
            sleep(pause).await;
            here.login(ticket, ClientInfo::default(), &()).await
        }
    );
    assert_eq!(ended, Outcome::Accepted);
    let outcome = match &login {
        Ok(_) => Outcome::Accepted,
        Err(AuthError::Denied(Denied::LoginOvertaken)) => Outcome::Denied,
        Err(other) => panic!("{other:?}"),
    };
    let token = login.ok().map(|login| login.issued.token.expose().to_owned());
    let device = client.signed_in_elsewhere(token.unwrap_or_default());
    let session = device.session.clone();
    let end = client.recorder().now();
    let what = What::Login;
    client.recorder().add(Call { node: HERE, session, what, start, began, end, outcome });
    if outcome == Outcome::Accepted {
        // After both have returned, and again when entries made meanwhile would be in use.
        client.everywhere(&device, What::Verify).await;
        client.everywhere(&device, What::Renew).await;
    }
    // Whoever begins now is let in.
    let fresh = client.sign_in(turn + 2).await.unwrap();
    let outcomes = client.everywhere(&fresh, What::Verify).await;
    assert!(outcomes.iter().all(|it| *it == Outcome::Accepted), "{outcomes:?}");
    sleep(LEASE / 10).await;
}
