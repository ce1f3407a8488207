//! The examples' servers in this process: every framework over every store.

#![allow(dead_code, reason = "each test program uses its part")]

use std::{any::Any, fmt::Display, future::Future, io, net::SocketAddr, pin::Pin};

use example_support::{
    Accounts, AdminToken, App, Door, HashCost, open_postgres, open_redis, open_sqlite,
};
use logout_all::{Clock, MemoryStore, SessionStore, Sessions, SessionsBuilder};
use logout_all_redis::RedisStore;
use tokio::sync::oneshot;

use crate::{database::Database, keys::Prefix};

/// A framework, by its example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framework {
    Axum,
    Actix,
    Rocket,
}

/// A store, with the accounts of the examples beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    Sqlite,
    Postgres,
    Redis,
    /// The sessions on a cluster, the accounts in memory.
    RedisCluster,
}

/// Completes when a server shall end.
pub(crate) type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Framework {
    pub(crate) const ALL: [Self; 3] = [Self::Axum, Self::Actix, Self::Rocket];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::Rocket => "rocket",
        }
    }

    pub(crate) async fn serve(self, door: Door, app: App, stopped: Stopped) -> io::Result<()> {
        match self {
            Self::Axum => example_axum::serve(door, app, stopped).await,
            Self::Actix => example_actix::serve(door, app, stopped).await,
            Self::Rocket => example_rocket::serve(door, app, stopped).await,
        }
    }
}

impl Store {
    pub(crate) const ALL: [Self; 4] = [Self::Memory, Self::Sqlite, Self::Postgres, Self::Redis];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::RedisCluster => "redis-cluster",
        }
    }

    /// The version of what is behind it.
    pub(crate) async fn version(self) -> Result<String, String> {
        let (cost, clock) = (HashCost::DangerCheap, Clock::system());
        match self {
            Self::Memory => Ok(MemoryStore::new().info().version),
            Self::Sqlite => {
                let folder = tempfile::tempdir().map_err(text)?;
                let path = folder.path().join("version.db");
                let (store, _) = open_sqlite(&path, cost, clock).await.map_err(text)?;
                Ok(store.info().version)
            }
            Self::Postgres => {
                let database = Database::new().await?;
                let opened = open_postgres(&database.config(), cost, clock).await;
                Ok(opened.map_err(text)?.0.info().version)
            }
            Self::Redis => {
                let prefix = Prefix::new()?;
                let opened = open_redis(prefix.url(), prefix.name(), cost, clock).await;
                Ok(opened.map_err(text)?.0.info().version)
            }
            Self::RedisCluster => {
                let prefix = Prefix::on_cluster()?;
                Ok(on_cluster(&prefix, clock).await?.info().version)
            }
        }
    }

    /// An empty one, and what it is gone with.
    async fn open(
        self,
        setup: &impl Setup,
    ) -> Result<(SessionsBuilder, Accounts, Box<dyn Any + Send + Sync>), String> {
        let (cost, clock) = (HashCost::DangerCheap, setup.clock());
        match self {
            Self::Memory => {
                let accounts = Accounts::memory(cost).map_err(text)?;
                let store = MemoryStore::with_clock(clock);
                let builder = setup.sessions(store).users(accounts.clone());
                Ok((builder, accounts, Box::new(())))
            }
            Self::Sqlite => {
                let folder = tempfile::tempdir().map_err(text)?;
                let path = folder.path().join("test.db");
                let (store, accounts) = open_sqlite(&path, cost, clock).await.map_err(text)?;
                Ok((setup.sessions(store), accounts, Box::new(folder)))
            }
            Self::Postgres => {
                let database = Database::new().await?;
                let opened = open_postgres(&database.config(), cost, clock).await;
                let (store, accounts) = opened.map_err(text)?;
                Ok((setup.sessions(store), accounts, Box::new(database)))
            }
            Self::Redis => {
                let prefix = Prefix::new()?;
                let opened = open_redis(prefix.url(), prefix.name(), cost, clock).await;
                let (store, accounts) = opened.map_err(text)?;
                let builder = setup.sessions(store).users(accounts.clone());
                Ok((builder, accounts, Box::new(prefix)))
            }
            Self::RedisCluster => {
                let (prefix, accounts) =
                    (Prefix::on_cluster()?, Accounts::memory(cost).map_err(text)?);
                let store = on_cluster(&prefix, clock).await?;
                let builder = setup.sessions(store).users(accounts.clone());
                Ok((builder, accounts, Box::new(prefix)))
            }
        }
    }
}

async fn on_cluster(prefix: &Prefix, clock: Clock) -> Result<RedisStore, String> {
    let builder = RedisStore::builder(prefix.url()).prefix(prefix.name()).danger_clock(clock);
    builder.connect().await.map_err(text)
}

/// How the sessions of a server are to be set up.
pub(crate) trait Setup {
    fn clock(&self) -> Clock;

    fn sessions(&self, store: impl SessionStore) -> SessionsBuilder;
}

/// A server that answers. Dropped, it ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
    pub(crate) admin_token: String,
    pub(crate) kept: Box<dyn Any + Send + Sync>,
}

/// A server of that framework over that store, on a port of its own.
pub(crate) async fn start(
    framework: Framework,
    store: Store,
    setup: &impl Setup,
) -> Result<Server, String> {
    let (builder, accounts, kept) = store.open(setup).await?;
    let sessions = builder.build().await.map_err(text)?;
    let token = AdminToken::random().map_err(text)?;
    let admin_token = token.expose().to_owned();
    let app = App::with_clock(sessions.clone(), accounts.clone(), token, setup.clock());

    let door = Door::reserve(([127, 0, 0, 1], 0).into()).map_err(text)?;
    let address = door.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped: Stopped = Box::pin(async move { drop(stopped.await) });
    opened(door, |door| framework.serve(door, app, stopped)).await?;
    Ok(Server { address, sessions, accounts, admin_token, kept: Box::new((stop, kept)) })
}

/// Has a server run until it ends by itself, and waits until it listens.
pub(crate) async fn opened<F>(door: Door, serve: impl FnOnce(Door) -> F) -> Result<(), String>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let door = door.when_open(move || {
        // Whoever waits for it is here.
        let _ = tell.send(());
    });
    let server = tokio::spawn(serve(door));
    match told.await {
        Ok(()) => Ok(()),
        Err(_) => match server.await {
            Ok(outcome) => Err(format!("the server did not open its port: {outcome:?}")),
            Err(panic) => Err(panic.to_string()),
        },
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
