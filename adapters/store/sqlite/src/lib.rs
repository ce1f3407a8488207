//! The SQLite store of [logout-all](https://docs.rs/logout-all): durable sessions in one file,
//! beside the application's own tables, with its users table joined into every lookup.
//!
//! It knows rows and transactions. It will never know a token's format, a signing key, a cookie
//! or a web framework, and it decides nothing about a session that the core has not decided.
//!
//! # What holds
//! - **One file, several processes.** Any number of stores, in one process or in many on one
//!   machine, may share a file on a local file system.
//! - **A reported logout is on the disk**: write-ahead log, `synchronous=FULL`. Writes that wait
//!   together are committed together, endings before all others.
//! - **Every wait ends.** A verb waits 1 s for its turn, 2 s for a lock that another process
//!   holds, and answers within 4 s, or fails with [`StoreError`](logout_all::StoreError). What was
//!   begun by then goes on in its thread, wholly or not at all; a failed mutation may be repeated.
//! - **The clock is the process's**, compared to the microsecond; all processes on one file are on
//!   one machine, and so on one clock.
//! - **A deletion by hand counts.** `DELETE FROM logout_all_sessions WHERE user_id = '42'` in the
//!   sqlite3 shell ends those sessions, and the journal tells it (reason `by-hand`). It does not
//!   fence off a login that is under way; [`logout_all_in`](SqliteStore::logout_all_in) does.
//!
//! `docs/sqlite.md` of the repository has the schema and the reasons; `docs/scheme.md` what the
//! operations mean.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod builder;
mod connect;
mod end;
mod fault;
mod journal;
mod lane;
mod lease;
mod login;
mod lookup;
mod migrate;
mod renew;
mod row;
mod store;
mod sweep;
mod transaction;
mod users;
mod wakes;

pub use builder::SqliteStoreBuilder;
/// The SQLite binding whose [`Transaction`](rusqlite::Transaction) the `…_in` functions take: the
/// one that `deadpool-sqlite` re-exports too.
pub use deadpool_sqlite::rusqlite;
pub use logout_all::{Before, Clock, Pending, Users};
pub use store::SqliteStore;
