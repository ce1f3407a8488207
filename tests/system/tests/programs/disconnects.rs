//! Clients that disconnect at random moments: nothing is done by half, nobody loses a session that
//! he did not end, no connection of a pool is lost, and no answer goes to another user.
//!
//! By default 500 per framework, over both databases; `LOGOUT_ALL_DISCONNECTS=10000` makes it that
//! many, `LOGOUT_ALL_SEED` repeats a run.

use std::sync::Arc;

use logout_all_conformance::client::{Request, Response};
use tokio::task::JoinSet;

use crate::{
    dice::Dice,
    home::Home,
    program::Program,
    talk::{bearer, code, login, renewal, send_owned, token_of},
    wanderer::Wanderer,
};

/// How many, per framework.
const COUNT: &str = "LOGOUT_ALL_DISCONNECTS";
const DEFAULT: usize = 500;
const DATABASES: usize = 2;

/// The users, each with clients of his own, all at once.
const USERS: [&str; 6] = ["anna", "berta", "cora", "dora", "emma", "frida"];

/// More than any pool has connections, and fewer than the queue for a core is long.
const AT_ONCE: usize = 48;

/// Two rotations are so far apart that the grace, a third, is longer than a busy server takes.
const OPTIONS: &[&str] = &["--device-limit", "unlimited", "--min-renewal-interval", "1500ms"];

pub(crate) async fn clients_that_disconnect_leave_nothing_half_done(home: Home) {
    let count = std::env::var(COUNT).map_or(DEFAULT, |text| text.parse().expect("a number"));
    let seed = Dice::seed();
    eprintln!("{}: LOGOUT_ALL_SEED={seed} repeats this run", home.name());
    let mut server = home.start(OPTIONS);
    let home = Arc::new(home);
    let mut wanderers = JoinSet::new();
    for (number, name) in USERS.into_iter().enumerate() {
        let id = home.add_user(name).await;
        let dice = Dice::new(seed, number as u64);
        let others = USERS.iter().filter(|other| **other != name).copied().collect();
        let mut wanderer =
            Wanderer::new(name, id, others, dice, server.address, Arc::clone(&home)).await;
        let rounds = count.div_ceil(DATABASES * USERS.len());
        wanderers.spawn(async move {
            for _ in 0..rounds {
                wanderer.disconnect().await;
            }
        });
    }
    while let Some(ended) = wanderers.join_next().await {
        ended.unwrap();
    }

    the_pools_are_whole(&server).await;
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));
    let log = home.log();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}

/// So many at once as no pool has connections, of each kind.
async fn the_pools_are_whole(server: &Program) {
    let logins = (0..AT_ONCE).map(|_| login("ada", "lovelace")).collect();
    let tokens = all_answered(server, logins, token_of).await;
    let of_each =
        |request: fn(&str) -> Request| tokens.iter().map(|token| request(token)).collect();
    let me = of_each(|token| bearer(token, Request::new("GET", "/me")));
    all_answered(server, me, |answer| assert_eq!(answer.status(), 200, "{answer}")).await;
    all_answered(server, of_each(renewal), token_of).await;
    let logout = of_each(|token| bearer(token, Request::new("DELETE", "/auth/session")));
    all_answered(server, logout, |answer| assert_eq!(answer.status(), 204, "{answer}")).await;
    let me = of_each(|token| bearer(token, Request::new("GET", "/me")));
    all_answered(server, me, |answer| assert_eq!(code(answer), "session-ended")).await;
}

async fn all_answered<T>(
    server: &Program,
    requests: Vec<Request>,
    read: impl Fn(&Response) -> T,
) -> Vec<T> {
    let mut asked = JoinSet::new();
    for request in requests {
        asked.spawn(send_owned(server.address, request));
    }
    asked.join_all().await.iter().map(read).collect()
}
