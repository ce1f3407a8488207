//! What a framework's server puts before its handler, and this library over each store.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use logout_all::{
    DeviceLimit, Keys, Limits, MemoryStore, Mode, Persistence, SessionStore, Sessions,
    SessionsBuilder, StoreError, UserAgent, UserData, UserDirectory, UserId, UserState, Users,
    store::{Inserted, NewSession},
};
use logout_all_postgres::PostgresStore;
use logout_all_redis::RedisStore;
use logout_all_sqlite::SqliteStore;
use tokio::task::JoinSet;

use super::{Places, What, decoder::Decoder};
use crate::world;

pub(super) enum Guard {
    Nothing,
    Decode(Arc<Decoder>),
    Sessions(Sessions),
}

pub(super) async fn guard(what: What, places: &Places) -> anyhow::Result<Guard> {
    Ok(match what {
        What::Bare => Guard::Nothing,
        What::Decode => Guard::Decode(Arc::new(Decoder::new())),
        What::Memory => {
            let store = MemoryStore::new();
            fill(&store, places.sessions).await?;
            Guard::Sessions(sessions(store).await?)
        }
        What::Redis => {
            let url = places.redis.as_deref().context("--redis is missing")?;
            Guard::Sessions(sessions(RedisStore::builder(url).connect().await?).await?)
        }
        What::Postgres => {
            let url = places.postgres.as_deref().context("--postgres is missing")?;
            let store = PostgresStore::builder(url).users(accounts()).connect().await?;
            Guard::Sessions(joined(store, Mode::Strict).await?)
        }
        What::Cached => {
            let url = places.postgres.as_deref().context("--postgres is missing")?;
            let store = PostgresStore::builder(url).users(accounts()).connect().await?;
            Guard::Sessions(joined(store, Mode::cached()).await?)
        }
        What::Sqlite => {
            let path = places.sqlite.as_deref().context("--sqlite is missing")?;
            let store = SqliteStore::builder(path).users(accounts()).connect().await?;
            Guard::Sessions(joined(store, Mode::Strict).await?)
        }
        What::Select | What::Literal => bail!("{what:?} is no store"),
    })
}

/// The users table, joined in the statement that finds the session.
pub(crate) fn accounts() -> Users {
    Users::table("accounts").active("NOT locked").columns(["id", "email"])
}

/// Over a store that finds the users by itself.
pub(crate) async fn joined(
    store: impl SessionStore,
    mode: impl Into<Mode>,
) -> anyhow::Result<Sessions> {
    Ok(builder(store)?.mode(mode).build().await?)
}

/// Where the store has no users table, they come from memory: what is measured is the store.
async fn sessions(store: impl SessionStore) -> anyhow::Result<Sessions> {
    Ok(builder(store)?.users(Everybody).build().await?)
}

/// Last-seen times are an hour coarse, and in no turn: one is too short to spread a minute's, which
/// would be a tenth of its requests and not the hundredth that they are in life.
fn builder(store: impl SessionStore) -> anyhow::Result<SessionsBuilder> {
    let builder = Sessions::builder(store, Keys::hs256(world::SECRET)?, world::ISSUER);
    Ok(builder.last_seen_granularity(Duration::from_hours(1)))
}

/// Every user is there, and is called after the id.
struct Everybody;

impl UserDirectory for Everybody {
    async fn find(&self, user: &UserId) -> Result<UserState, StoreError> {
        let id = user.as_str();
        let json = format!(r#"{{"id":"{id}","email":"{}"}}"#, world::email(id));
        Ok(UserState::Active(Some(UserData::from_json(json))))
    }
}

/// Signs so many users in, through the port of the store.
pub(crate) async fn fill<S: SessionStore + Clone>(store: &S, sessions: u32) -> anyhow::Result<()> {
    const AT_ONCE: u32 = 64;
    let mut all = JoinSet::new();
    for lane in 0..AT_ONCE {
        let store = store.clone();
        all.spawn(async move {
            for number in (lane + 1..=sessions).step_by(AT_ONCE as usize) {
                sign_in(&store, number).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    Ok(())
}

async fn sign_in(store: &impl SessionStore, number: u32) -> anyhow::Result<()> {
    const DAY: Duration = Duration::from_hours(24);
    let (user, guid, ref_tok_id) = world::ids(number);
    let ticket = store.epochs(Some(&user)).await?;
    let login = NewSession {
        user,
        guid,
        ref_tok_id,
        epochs: ticket.epochs,
        began_at: ticket.now,
        limits: Limits { idle: DAY, absolute: 10 * DAY, persistence: Persistence::Persistent },
        token_lifetime: Duration::from_hours(1),
        device_limit: DeviceLimit::Unlimited,
        replaces: Vec::new(),
        user_agent: UserAgent::from_bytes(world::USER_AGENT.as_bytes()),
        ip: None,
    };
    match store.insert(&login).await? {
        Inserted::Stored { .. } => Ok(()),
        refused => bail!("user {number} was not signed in: {refused:?}"),
    }
}
