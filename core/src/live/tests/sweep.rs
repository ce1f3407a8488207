//! The sweeper of a node, by the clock: after five to fifteen minutes, all that is dead, batch after
//! batch.

use std::time::Duration;

use crate::{By, ClientInfo, EndReason, Guid, Keys, MemoryStore, SessionStore, Sessions, UserId};

/// More than two batches.
const MANY: usize = 1200;

struct Node {
    store: MemoryStore,
    sessions: Sessions,
}

impl Node {
    /// Those that ended with everybody's.
    async fn dead(&self, how_many: usize) -> Vec<(UserId, Guid)> {
        let mut dead = Vec::new();
        for user in 0..how_many {
            let ticket = self.sessions.begin_login(Some(user)).await.unwrap();
            let login = self.sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
            let token = login.issued.token.expose().to_owned();
            let session = self.sessions.verify(token.as_bytes()).await.unwrap();
            dead.push((session.user_id().clone(), session.guid()));
        }
        self.sessions.logout_everyone(EndReason::Everyone, By::Application).await.unwrap();
        dead
    }

    async fn left(&self, of: &[(UserId, Guid)]) -> usize {
        let mut left = 0;
        for (user, guid) in of {
            left += usize::from(self.store.lookup(user, *guid).await.unwrap().row.is_some());
        }
        left
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dead_is_swept_in_rounds() {
    let store = MemoryStore::new();
    let keys = Keys::hs256(b"an example key; take 32 random bytes!").unwrap();
    let builder = Sessions::builder(store.clone(), keys, "https://app.example");
    let node = Node { store, sessions: builder.build().await.unwrap() };

    let dead = node.dead(MANY).await;
    tokio::time::sleep(Duration::from_mins(5) - Duration::from_secs(1)).await;
    assert_eq!(node.left(&dead).await, MANY, "a round came too early");
    tokio::time::sleep(Duration::from_mins(10) + Duration::from_secs(2)).await;
    assert_eq!(node.left(&dead).await, 0, "no round, or not to its end");

    // And again, for ever.
    let dead = node.dead(1).await;
    tokio::time::sleep(Duration::from_mins(16)).await;
    assert_eq!(node.left(&dead).await, 0, "one round was all");
    node.sessions.shutdown().await;
}
