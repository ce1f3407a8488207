//! Sessions in Redis and users in PostgreSQL, joined by a `UserDirectory`: the example of the Redis
//! store, run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[allow(dead_code, reason = "its `main` is another program's")]
#[path = "../../../adapters/store/redis/examples/redis_sessions_postgres_users.rs"]
mod example;

/// Signs in with the user's data, and denies them from the moment of the lock in PostgreSQL on.
#[tokio::test]
async fn the_directory_joins_what_the_store_cannot() {
    let url = |name| std::env::var(name).expect("a server, as `cargo xtask test-all` brings it");
    example::lock_a_user(&url("TEST_REDIS_URL"), &url("TEST_DATABASE_URL")).await.unwrap();
}
