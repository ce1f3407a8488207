//! The connections of a lane: opened and driven on the store's runtime, told what they are for, and
//! asked whether they still are there before one that was idle is lent.

use std::{future::Future, pin::Pin, time::Duration};

use deadpool_postgres::{
    ClientWrapper, Connect, Hook, HookError, Manager, ManagerConfig, Pool, QueueMode,
    RecyclingMethod, Runtime,
};
use logout_all::{StoreError, StoreErrorKind};
use tokio::{runtime::Handle, task::JoinHandle, time::timeout};
use tokio_postgres::{Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{POOL_WAIT, Role};
use crate::{
    fault::{Cause, REPLICA},
    server::{CONNECT_WAIT, Reach},
    silence::{Silence, Trust},
};

/// What a connection that was idle is asked before it is lent, and how long that may take.
const PROBE_WAIT: Duration = Duration::from_millis(500);
/// An idle connection may have died unnoticed, as behind a firewall; a busy one would have told.
const IDLE: Duration = Duration::from_secs(5);

/// A pool of so many at most; none is opened yet.
pub(super) fn pool(
    reach: &Reach,
    role: Role,
    size: usize,
    runtime: &Handle,
    silence: &Silence,
) -> Result<Pool, StoreError> {
    let heard = silence.clone();
    let connect = OnRuntime { tls: reach.tls.clone(), runtime: runtime.clone() };
    let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_connect(reach.config_for(role.name()), connect, fast);
    let pool = Pool::builder(manager)
        .max_size(size)
        // The one in use stays the one in use.
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(POOL_WAIT))
        .create_timeout(Some(CONNECT_WAIT))
        .recycle_timeout(Some(PROBE_WAIT))
        .post_create(Hook::async_fn(move |client, _| Box::pin(set_up(client, role))))
        .pre_recycle(Hook::async_fn(move |client, metrics| {
            let trust = match heard.trust(metrics.recycled.unwrap_or(metrics.created)) {
                Trust::Whole if role == Role::End || metrics.last_used() > IDLE => Trust::Asked,
                trust => trust,
            };
            Box::pin(probe(client, trust, heard.clone()))
        }))
        .build();
    pool.map_err(|error| {
        let message = "the pool of PostgreSQL connections cannot be made";
        StoreError::new(StoreErrorKind::Unavailable, message).with_cause(error)
    })
}

/// Opens and drives connections on the store's runtime, whoever asks for one.
struct OnRuntime {
    tls: MakeRustlsConnect,
    runtime: Handle,
}

type Connecting<'a> = Pin<
    Box<
        dyn Future<Output = Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>>
            + Send
            + 'a,
    >,
>;

impl Connect for OnRuntime {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let (config, tls) = (config.clone(), self.tls.clone());
        let opening = self.runtime.spawn(async move {
            let (client, connection) = config.connect(tls).await?;
            let driver = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    let cause = Cause::of(&error);
                    tracing::debug!(%cause, "a PostgreSQL connection ended");
                }
            });
            Ok((client, driver))
        });
        Box::pin(async move {
            match opening.await {
                Ok(opened) => opened,
                // The runtime is gone: nothing will come, and the pool's own wait ends.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

async fn set_up(client: &mut ClientWrapper, role: Role) -> Result<(), HookError> {
    let answer = timeout(CONNECT_WAIT, client.simple_query(role.set_up())).await;
    let answer = answer.map_err(|_| HookError::message("a new connection did not answer"))?;
    let answer = answer.map_err(|error| HookError::message(Cause::of(&error).to_string()))?;
    let replica = answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten() == Some("t"),
        _ => false,
    });
    if replica {
        return Err(HookError::message(REPLICA));
    }
    Ok(())
}

/// Finds out whether a connection from the pool still is one.
async fn probe(
    client: &mut ClientWrapper,
    trust: Trust,
    silence: Silence,
) -> Result<(), HookError> {
    let dead = HookError::message("the connection is dead");
    if client.is_closed() || trust == Trust::None {
        return Err(dead);
    }
    if trust == Trust::Whole {
        return Ok(());
    }
    match timeout(PROBE_WAIT, client.simple_query("")).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(dead),
        Err(_) => {
            silence.find();
            Err(dead)
        }
    }
}
