//! Sessions in Redis, users in PostgreSQL: the directory joins what the store cannot.
//!
//! ```sh
//! TEST_REDIS_URL=redis://127.0.0.1 TEST_DATABASE_URL=postgres://… \
//!     cargo run -p logout-all-redis --example redis_sessions_postgres_users
//! ```

use std::{env, error::Error, time::Duration};

use deadpool_postgres::{
    Manager, Pool, Runtime, Timeouts,
    tokio_postgres::{Config, NoTls},
};
use logout_all::{
    ClientInfo, EndReason, Keys, Sessions, StoreError, StoreErrorKind, UserData, UserDirectory,
    UserId, UserState,
};
use logout_all_redis::RedisStore;

/// The application's users table, over its own connections.
#[derive(Clone)]
struct People(Pool);

impl UserDirectory for People {
    /// Asked once in each verification, after the session was found.
    async fn find(&self, user: &UserId) -> Result<UserState, StoreError> {
        const SQL: &str = "SELECT json_build_object('email', email)::text FROM pg_temp.people \
                           WHERE id = $1 AND NOT locked";
        // Who is not to be found is not active; what cannot be asked is a failure, and no denial.
        let client = self.0.get().await.map_err(unavailable)?;
        let asked = async { client.query_opt(SQL, &[&user.as_str()]).await };
        let row = tokio::time::timeout(Duration::from_secs(2), asked).await;
        Ok(match row.map_err(unavailable)?.map_err(unavailable)? {
            Some(row) => UserState::Active(Some(UserData::from_json(row.get::<_, String>(0)))),
            None => UserState::Inactive,
        })
    }
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> StoreError {
    let message = "the users table does not answer";
    StoreError::new(StoreErrorKind::Unavailable, message).with_cause(error)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    lock_a_user(&env::var("TEST_REDIS_URL")?, &env::var("TEST_DATABASE_URL")?).await
}

pub(crate) async fn lock_a_user(redis: &str, database: &str) -> Result<(), Box<dyn Error>> {
    let database: Config = database.parse()?;
    // One connection, since the table of this example lives in it alone. Every wait ends.
    let second = Some(Duration::from_secs(1));
    let pool = Pool::builder(Manager::new(database, NoTls))
        .max_size(1)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts { wait: second, create: second, recycle: second })
        .build()?;
    pool.get()
        .await?
        .batch_execute(
            "CREATE TEMP TABLE people (id text PRIMARY KEY, email text, locked boolean NOT NULL);
             INSERT INTO people VALUES ('42', 'ada@example.org', false)",
        )
        .await?;

    let store = RedisStore::builder(redis).prefix("example").connect().await?;
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let builder = Sessions::builder(store, keys, "https://app.example");
    let sessions = builder.users(People(pool.clone())).build().await?;

    let ticket = sessions.begin_login(Some(42)).await?;
    let token = sessions.login(ticket, ClientInfo::default(), &()).await?.issued.token;
    let session = sessions.verify(token.expose().as_bytes()).await?;
    let data: serde_json::Value = session.user()?;
    println!("signed in: {}", data["email"]);
    assert_eq!(data["email"], "ada@example.org");

    // Locked in PostgreSQL: denied at the next request, though the session is in Redis.
    let locking = "UPDATE people SET locked = true WHERE id = '42'";
    pool.get().await?.batch_execute(locking).await?;
    assert!(sessions.verify(token.expose().as_bytes()).await.is_err());
    // And ended, so that it does not live again when the lock is lifted.
    let ended =
        sessions.logout_all(session.user_id(), EndReason::Locked, logout_all::By::Application);
    println!("locked: {} session ended", ended.await?.guids.len());
    Ok(())
}
