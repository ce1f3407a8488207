//! Times to live: sessions vanish by themselves, epochs never do.

use std::time::{Duration, Instant};

use logout_all::{
    Limits, SessionStore,
    store::{NewSession, Scope, Touch},
};

use crate::{end, login_of, server::Server, sign_in, stored, touch_of, user};

/// "Times to live set": the last session of a user takes the key along; an epoch has none.
#[tokio::test]
async fn expired_sessions_vanish_and_epochs_stay() {
    let server = Server::start(&[]);
    let (store, ada) = (server.store().await, user("ada"));
    end(&store, &ada, Scope::All).await.unwrap();
    let epoch = store.epochs(Some(&ada)).await.unwrap().epochs.user;
    let login = login_of(&store, &ada).await;
    let brief = Limits { idle: Duration::from_millis(100), ..login.limits };
    stored(store.insert(&NewSession { limits: brief, ..login }).await.unwrap());
    let left: i64 = server.ask("PTTL logout-all:{ada}:sessions");
    assert!((1..=1200).contains(&left), "{left} ms");
    let since = Instant::now();
    while server.ask::<bool>("EXISTS logout-all:{ada}:sessions") {
        assert!(since.elapsed() < Duration::from_secs(10), "an expired session stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.ask::<i64>("PTTL logout-all:{ada}:epoch"), -1);
    assert_eq!(store.epochs(Some(&ada)).await.unwrap().epochs.user, epoch);
    // Nothing but the sweeper's two entries is left of it, and they go at the next sweep.
    assert_eq!(server.ask::<i64>("ZCARD logout-all:{*}:due"), 1);
    store.sweep(100).await.unwrap();
    assert_eq!(server.ask::<i64>("ZCARD logout-all:{*}:due"), 0);
    assert_eq!(server.ask::<i64>("ZCARD logout-all:{*}:stamped"), 0);
}

/// The key lives as long as the last of its rows, also when that is moved by activity.
#[tokio::test]
async fn the_longest_session_of_a_user_decides() {
    let server = Server::start(&[]);
    let (store, ada) = (server.store().await, user("ada"));
    let long = sign_in(&store, &ada).await;
    let days = |left: i64| left / 86_400_000;
    assert_eq!(days(server.ask("PTTL logout-all:{ada}:sessions")), 14);
    let login = login_of(&store, &ada).await;
    let brief = Limits { idle: Duration::from_mins(1), ..login.limits };
    stored(store.insert(&NewSession { limits: brief, ..login }).await.unwrap());
    assert_eq!(days(server.ask("PTTL logout-all:{ada}:sessions")), 14);
    let extension = Some(long.expires_at + Duration::from_hours(24));
    let touch = Touch { extension, ..touch_of(&long) };
    store.touch(&[touch]).await.unwrap();
    assert_eq!(days(server.ask("PTTL logout-all:{ada}:sessions")), 15);
}

/// What `docs/redis.md` says of memory: `cargo test -p logout-all-redis -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement: it prints and proves nothing"]
async fn memory_per_session() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let memory = || {
        let info: String = server.ask("INFO memory");
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        line.trim().parse::<usize>().unwrap()
    };
    let before = memory();
    let agent = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    for (users, devices) in [(10_000, 1), (1_000, 10)] {
        let start = memory();
        for number in 0..users {
            let user = user(&format!("user-{devices}-{number}"));
            for _ in 0..devices {
                let login = login_of(&store, &user).await;
                let user_agent = logout_all::UserAgent::from_bytes(agent);
                store.insert(&NewSession { user_agent, ..login }).await.unwrap();
            }
        }
        let each = (memory() - start) / (users * devices);
        println!("{users} users with {devices} devices: {each} bytes per session");
    }
    println!("in all {} bytes", memory() - before);
}
