//! What is Redis's own about the Redis store. That it keeps the port's laws is proved by the suite
//! `logout-all-conformance`.
//!
//! Each test starts a server of its own, to kill it, fill it or make a replica of it:
//! `TEST_REDIS_SERVER` names the program (`cargo xtask services redis` prints it); without it
//! `redis-server` must be in the PATH.

// Helpers of tests are no tests by their attribute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cluster;
mod cluster_faults;
mod cluster_moves;
mod cluster_verbs;
mod coalesced;
mod failover;
mod faults;
mod following;
mod lifetime;
mod losses;
mod network;
mod permissions;
mod proxy;
mod replicas;
mod server;
mod sweeping;
mod touching;

use std::time::Duration;

use logout_all::{
    By, DeviceLimit, EndReason, Ended, Guid, Limits, Persistence, RefTokId, SessionRow,
    SessionStore, StoreError, UserId,
    scheme::TokenTimes,
    store::{Confirm, Ending, Inserted, NewSession, Rotation, Scope, Touch},
};
use logout_all_redis::RedisStore;

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// A login whose ticket is taken now.
pub(crate) async fn login_of(store: &RedisStore, user: &UserId) -> NewSession {
    let ticket = store.epochs(Some(user)).await.unwrap();
    NewSession {
        user: user.clone(),
        guid: Guid::random(),
        ref_tok_id: RefTokId::random(),
        epochs: ticket.epochs,
        began_at: ticket.now,
        limits: Limits {
            idle: Duration::from_hours(14 * 24),
            absolute: Duration::from_hours(90 * 24),
            persistence: Persistence::Persistent,
        },
        token_lifetime: Duration::from_hours(1),
        device_limit: DeviceLimit::Unlimited,
        replaces: Vec::new(),
        user_agent: None,
        ip: None,
    }
}

pub(crate) async fn sign_in(store: &RedisStore, user: &UserId) -> SessionRow {
    stored(store.insert(&login_of(store, user).await).await.unwrap())
}

pub(crate) fn stored(inserted: Inserted) -> SessionRow {
    match inserted {
        Inserted::Stored { row, .. } => *row,
        refused => panic!("a good login was refused: {refused:?}"),
    }
}

pub(crate) async fn lives(store: &RedisStore, row: &SessionRow) -> bool {
    let found = store.lookup(&row.user, row.guid).await.unwrap();
    found.row.is_some_and(|row| row.is_live(found.epochs, found.now))
}

pub(crate) async fn end(
    store: &RedisStore,
    user: &UserId,
    scope: Scope,
) -> Result<Ended, StoreError> {
    let (reason, by) = (EndReason::Operator, By::Application);
    store.end(&Ending { user: user.clone(), scope, reason, by }).await
}

/// The first sight of the row's token.
pub(crate) fn touch_of(row: &SessionRow) -> Touch {
    Touch {
        user: row.user.clone(),
        guid: row.guid,
        ref_tok_id: row.ref_tok_id,
        seen_at: row.last_seen_at,
        extension: None,
        user_agent: None,
        confirm: Confirm::Yes,
    }
}

pub(crate) fn rotation(row: &SessionRow) -> Rotation {
    let times = TokenTimes { issued_at: row.token_issued_at, expires_at: row.token_expires_at };
    Rotation {
        user: row.user.clone(),
        guid: row.guid,
        expected: row.ref_tok_id,
        next: RefTokId::random(),
        times,
        extension: None,
        auth_time: None,
        user_agent: None,
    }
}
