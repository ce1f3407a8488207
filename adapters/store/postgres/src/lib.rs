//! The PostgreSQL store of [logout-all](https://docs.rs/logout-all): sessions for any number of
//! servers, in a schema beside the application's own tables, with its users table joined into every
//! lookup.
//!
//! It knows rows and transactions. It will never know a token's format, a signing key, a cookie
//! or a web framework, and it decides nothing about a session that the core has not decided.
//!
//! # What holds
//! - **A logout is final on every node** once it has returned: every verification reads the
//!   primary, in one statement, by primary keys, and writes nothing.
//! - **Your transaction is respected**: [`logout_all_in`](PostgresStore::logout_all_in) and its
//!   siblings end sessions inside it, and no open transaction holds up another user's logout.
//! - **Every wait ends.** A verb waits 1 s for a connection, 3 s for a new one, 2 s for a statement,
//!   and answers within 4 s in all, or fails with [`StoreError`](logout_all::StoreError). A failed
//!   mutation happened wholly or not at all, and may be repeated.
//! - **Logouts have connections of their own**, so that a flood of logins or verifications does not
//!   hold them up.
//! - **The clock is the server's** (`clock_timestamp()`), compared to the microsecond.
//! - **Any hand may end sessions.** `SELECT logout_all.logout_user('42')` does what the library
//!   does; `DELETE FROM logout_all.sessions WHERE user_id = '42'` ends those sessions, and the
//!   journal tells it (reason `by-hand`), but fences off no login that is under way.
//!
//! `docs/postgres.md` of the repository has the set-up, the privileges and the plain SQL;
//! `docs/scheme.md` what the operations mean.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod builder;
mod coalesce;
mod connect;
mod db;
mod end;
mod fault;
mod instant;
mod journal;
mod lane;
mod lease;
mod login;
mod lookup;
mod migrate;
mod renew;
mod row;
mod server;
mod silence;
mod store;
mod sweep;
mod touch;
mod transaction;
mod turns;
mod user_data;
mod users;
mod wakes;

pub use builder::PostgresStoreBuilder;
pub use logout_all::{Before, Clock, Pending, Users};
pub use server::Server;
pub use store::PostgresStore;
/// The driver whose [`Transaction`](tokio_postgres::Transaction) the `…_in` functions take.
pub use tokio_postgres;
