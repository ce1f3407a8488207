//! What cached mode cannot be built with.

use std::time::Duration;

use logout_all::{Cached, Grace, MemoryStore, Sessions, SessionsBuilder};

use super::{Door, cached, keys};

fn builder() -> SessionsBuilder {
    Sessions::builder(MemoryStore::new(), keys(), "https://app.example")
}

async fn refused(builder: SessionsBuilder, word: &str) {
    let why = builder.build().await.unwrap_err().to_string();
    assert!(why.contains(word), "{why}");
}

/// "Without grace, cached mode is refused at build."; on Redis Cluster "cached mode and streams by
/// journal are refused at build".
#[tokio::test]
async fn what_cannot_be_is_refused_at_build() {
    refused(builder().grace(Grace::none()).mode(cached()), "grace").await;
    for lease in [Duration::ZERO, Duration::from_millis(9), Duration::from_millis(60_001)] {
        refused(builder().mode(cached().lease(lease)), "lease").await;
    }
    refused(builder().mode(cached().most_entries(0)), "entry").await;
    refused(builder().mode(cached().most_bytes(Cached::LEAST_BYTES - 1)), "MiB").await;
    let door = Door::default().per_user();
    let by_user = Sessions::builder(door.clone(), keys(), "https://app.example");
    refused(by_user.mode(cached()), "strict").await;
    let by_user = Sessions::builder(door, keys(), "https://app.example");
    by_user.build().await.unwrap();
    for lease in [Cached::SHORTEST_LEASE, Cached::LONGEST_LEASE] {
        builder().mode(cached().lease(lease)).build().await.unwrap();
    }
}
