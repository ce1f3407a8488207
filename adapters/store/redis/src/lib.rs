//! The Redis store of [logout-all](https://docs.rs/logout-all): sessions for any number of servers
//! in Redis or Valkey, on one primary or on a Redis Cluster.
//!
//! It knows keys and scripts. It will never know a token's format, a signing key, a cookie or a web
//! framework, and it decides nothing about a session that the core has not decided. It joins no
//! users table: a `UserDirectory` of the application says who is active.
//!
//! # What holds
//! - **A logout is final on every node** once it has returned: every verification asks the primary,
//!   in one round trip (on a cluster two side by side), and writes nothing. A server that has become
//!   a replica is noticed by that same round trip, and answers nobody.
//! - **Each change is one script**, wholly or not at all, and takes place only if all that was read
//!   for it is still so.
//! - **Every wait ends.** A verb waits 3 s for a new connection, 1 s for what it reads, 2 s for what
//!   it writes, and answers within 4 s in all, or fails with
//!   [`StoreError`](logout_all::StoreError). A failed mutation may be repeated.
//! - **Logouts have a connection of their own**, and go through on a server that is out of memory.
//! - **The clock is the server's** (`TIME`), compared to the microsecond.
//! - **What is lost is signed out.** An emptied server has no session, and fences off every login
//!   that was under way.
//! - **On a cluster** a user's keys are in one slot, and what is the store's own is read beside
//!   them. There is no common journal ([`JournalOrder::PerUser`](logout_all::store::JournalOrder)):
//!   [`journal`](logout_all::SessionStore::journal) is refused, `history` is not.
//!
//! What a failover can lose, and what to do about it, is in `docs/redis.md` of the repository;
//! `docs/scheme.md` says what the operations mean.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod builder;
mod change;
mod cluster;
mod coalesce;
mod connect;
mod end;
mod fault;
mod info;
mod journal;
mod keys;
mod lease;
mod line;
mod login;
mod lookup;
mod renew;
mod row;
mod script;
mod server;
mod shared;
mod slot;
mod store;
mod sweep;
mod topology;
mod touch;
mod wait;
mod wakes;
mod wire;

pub use builder::RedisStoreBuilder;
pub use logout_all::Clock;
pub use store::RedisStore;
