//! Accounts in the Redis server that the sessions are in: the application's own keys, over the
//! application's own connection.
//!
//! Redis is asked twice for a change of password, once here and once by the store: a crash of the
//! process between the two leaves the new password without the logouts, and the user repeats them.
//! In a database with transactions both commit together.

use std::{collections::HashMap, error::Error, fmt, future::Future, time::Duration};

use logout_all::{StoreError, StoreErrorKind, UserState};
use redis::{
    Client, FromRedisValue, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::runtime::Handle;

use super::{Locked, Replaced, data};

/// How long a new connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// How long one answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// An id is never used again. KEYS: ids by name, the last id, and what the accounts begin with.
const ADD: &str = "
    if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
    local id = redis.call('INCR', KEYS[2])
    redis.call('HSET', KEYS[1], ARGV[1], id)
    redis.call('HSET', KEYS[3] .. id, 'username', ARGV[1], 'hash', ARGV[2], 'locked', 'no')
    return 1";

/// KEYS: the account.
const REPLACE: &str = "
    local account = redis.call('HMGET', KEYS[1], 'hash', 'locked')
    if account[1] ~= ARGV[1] or account[2] ~= 'no' then return 0 end
    redis.call('HSET', KEYS[1], 'hash', ARGV[2])
    return 1";

/// KEYS: the account.
const LOCK: &str = "
    if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'locked', ARGV[1]) end
    return 1";

#[derive(Clone)]
pub(super) struct RedisTable {
    connection: ConnectionManager,
    /// Where the connection is made again: a worker of Actix that drove it would end with it.
    home: Handle,
    prefix: String,
}

impl RedisTable {
    /// Opens a connection that is made again when it is lost.
    pub(super) async fn open(url: &str, prefix: &str) -> Result<Self, StoreError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_WAIT))
            .set_response_timeout(Some(ANSWER_WAIT))
            .set_number_of_retries(1);
        let client = Client::open(url).map_err(unavailable)?;
        let connection = client.get_connection_manager_with_config(config).await;
        let connection = connection.map_err(unavailable)?;
        Ok(Self { connection, home: Handle::current(), prefix: format!("{prefix}:demo") })
    }

    pub(super) async fn add(&self, username: &str, hash: &str) -> Result<(), StoreError> {
        let (last, account) =
            (format!("{}:last", self.prefix), format!("{}:account:", self.prefix));
        self.run(ADD, &[self.ids(), last, account], &[username, hash]).await.map(drop)
    }

    pub(super) async fn id_of(&self, username: &str) -> Result<Option<i64>, StoreError> {
        let command = redis::cmd("HGET").arg(self.ids()).arg(username).to_owned();
        self.ask(command).await
    }

    pub(super) async fn password_hash(&self, id: i64) -> Result<Option<String>, StoreError> {
        Ok(self.active(id).await?.and_then(|mut account| account.remove("hash")))
    }

    pub(super) async fn replace_password(
        &self,
        id: i64,
        shown: &str,
        fresh: &str,
    ) -> Result<Replaced, StoreError> {
        let replaced = self.run(REPLACE, &[self.account(id)], &[shown, fresh]).await?;
        Ok(if replaced == 1 { Replaced::Yes } else { Replaced::Overtaken })
    }

    pub(super) async fn set_locked(&self, id: i64, locked: Locked) -> Result<(), StoreError> {
        let locked = if locked == Locked::Yes { "yes" } else { "no" };
        self.run(LOCK, &[self.account(id)], &[locked]).await.map(drop)
    }

    pub(super) async fn find(&self, id: i64) -> Result<UserState, StoreError> {
        let account = self.active(id).await?;
        let username = account.and_then(|mut account| account.remove("username"));
        Ok(username.map_or(UserState::Inactive, |username| data(id, &username)))
    }

    async fn active(&self, id: i64) -> Result<Option<HashMap<String, String>>, StoreError> {
        let command = redis::cmd("HGETALL").arg(self.account(id)).to_owned();
        let account: HashMap<String, String> = self.ask(command).await?;
        Ok(Some(account).filter(|account| account.get("locked").is_some_and(|it| it == "no")))
    }

    fn ids(&self) -> String {
        format!("{}:ids", self.prefix)
    }

    fn account(&self, id: i64) -> String {
        format!("{}:account:{id}", self.prefix)
    }

    async fn ask<T>(&self, command: redis::Cmd) -> Result<T, StoreError>
    where
        T: FromRedisValue + Send + 'static,
    {
        let mut connection = self.connection.clone();
        self.at_home(async move { command.query_async(&mut connection).await }).await
    }

    /// By `EVAL`, and not by the hash: a demo changes few passwords.
    async fn run(&self, script: &str, keys: &[String], words: &[&str]) -> Result<i64, StoreError> {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(keys.len()).arg(keys).arg(words);
        self.ask(command).await
    }

    async fn at_home<T: Send + 'static>(
        &self,
        work: impl Future<Output = RedisResult<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.home.spawn(work).await.map_err(unavailable)?.map_err(unavailable)
    }
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the accounts in Redis do not answer")
        .with_cause(error)
}

impl fmt::Debug for RedisTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTable").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
