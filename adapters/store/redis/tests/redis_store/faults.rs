//! What the store does when the server does not: an error within the limit, and the next verb works
//! when it has passed.

use std::time::{Duration, Instant};

use logout_all::{SessionStore, StoreErrorKind, store::Scope};

use crate::{end, lives, login_of, rotation, server::Server, sign_in, stored, user};

/// "Database killed with -9, restarted": an acknowledged logout stays one where the server writes
/// each change down before it answers.
#[tokio::test]
async fn after_a_kill_what_ended_is_ended_and_the_next_verbs_work() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (store, ada) = (server.store().await, user("ada"));
    for _ in 0..2 {
        let (kept, ended) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
        end(&store, &ada, Scope::Device(ended.guid)).await.unwrap();
        server.kill();
        let since = Instant::now();
        let error = store.lookup(&ada, kept.guid).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        let error = end(&store, &ada, Scope::All).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        assert!(since.elapsed() < Duration::from_secs(1), "a refusal took {:?}", since.elapsed());
        server.restart();
        assert!(lives(&store, &kept).await && !lives(&store, &ended).await);
        assert_eq!(end(&store, &ada, Scope::All).await.unwrap().guids, [kept.guid]);
    }
}

/// "Loaded by SHA with fallback": a server that forgets its scripts is given them again.
#[tokio::test]
async fn scripts_that_the_server_lost_are_sent_again() {
    let server = Server::start(&[]);
    let (store, ada) = (server.store().await, user("ada"));
    let row = sign_in(&store, &ada).await;
    server.ask::<()>("SCRIPT FLUSH");
    assert!(lives(&store, &row).await);
    server.ask::<()>("SCRIPT FLUSH");
    assert_eq!(end(&store, &ada, Scope::All).await.unwrap().guids, [row.guid]);
}

/// "Logouts go through on a server that is out of memory", and logins are refused with the reason.
#[tokio::test]
async fn a_full_server_takes_logouts_and_no_logins() {
    let server = Server::start(&[]);
    let (store, ada) = (server.store().await, user("ada"));
    let (first, second) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    let late = login_of(&store, &ada).await;
    server.ask::<()>("CONFIG SET maxmemory 1");
    let error = store.insert(&late).await.unwrap_err();
    assert!(error.to_string().contains("out of memory"), "{error:?}");
    assert!(lives(&store, &first).await);
    let ended = end(&store, &ada, Scope::Device(first.guid)).await.unwrap();
    assert_eq!(ended.guids, [first.guid]);
    assert!(lives(&store, &second).await && !lives(&store, &first).await);
    let ended = end(&store, &ada, Scope::All).await.unwrap();
    assert_eq!(ended.guids, [second.guid]);
    // The fence holds too, also for somebody who has no session.
    end(&store, &user("bob"), Scope::All).await.unwrap();
    store
        .end_everyone(logout_all::EndReason::Everyone, &logout_all::By::Application)
        .await
        .unwrap();
    assert_eq!(store.journal(0, 10).await.unwrap().entries.len(), 4);
    server.ask::<()>("CONFIG SET maxmemory 0");
    assert!(store.insert(&late).await.unwrap().denied().is_some());
}

/// "Learns of a logout late: answers nobody": the same round trip asks whether it is the primary.
#[tokio::test]
async fn a_server_that_became_a_replica_answers_nobody() {
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    let (store, ada) = (server.store().await, user("ada"));
    let row = sign_in(&store, &ada).await;
    server.ask::<()>(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    let error = store.lookup(&ada, row.guid).await.unwrap_err();
    assert!(error.to_string().contains("takes no writes"), "{error:?}");
    assert!(end(&store, &ada, Scope::All).await.is_err());
    assert!(store.rotate(&rotation(&row)).await.is_err());
    let error = server.builder().connect().await.unwrap_err();
    assert!(error.to_string().contains("replica"), "{error:?}");
    server.ask::<()>("REPLICAOF NO ONE");
    store.ping().await.unwrap();
    stored(store.insert(&login_of(&store, &ada).await).await.unwrap());
}

/// "No values in errors": what a damaged row holds is not told, and its owner can be signed out.
#[tokio::test]
async fn a_damaged_row_is_an_error_until_it_is_ended() {
    let server = Server::start(&[]);
    let (store, ada) = (server.store().await, user("ada"));
    let (row, other) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    server.ask::<()>(&format!("HSET logout-all:{{ada}}:sessions {} geheim", row.guid));
    let error = store.lookup(&ada, row.guid).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
    assert!(lives(&store, &other).await);
    end(&store, &ada, Scope::Others(other.guid)).await.unwrap();
    assert!(store.lookup(&ada, row.guid).await.unwrap().row.is_none());
    assert!(lives(&store, &other).await);
}

/// "So this version does already": the lease of a node of a later version is outwaited by this one,
/// and what cannot be read is no lease of zero.
#[tokio::test]
async fn the_lease_is_read_from_the_store() {
    let server = Server::start(&[]);
    let store = server.store().await;
    server.ask::<()>("HSET logout-all:{*}:store lease_given_us 500000 lease_waited_us 700000");
    let lease = store.lease().await.unwrap();
    assert_eq!(
        (lease.given, lease.waited),
        (Duration::from_millis(500), Duration::from_millis(700))
    );
    for damaged in ["-1", "soon"] {
        server.ask::<()>(&format!("HSET logout-all:{{*}}:store lease_waited_us {damaged}"));
        assert_eq!(store.lease().await.unwrap_err().kind(), StoreErrorKind::Corrupt);
    }
}
