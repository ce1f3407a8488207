//! Opening a store: what must be true of the server or the cluster before it is handed out, and what
//! its operator is told.

use std::sync::{Arc, atomic::AtomicI64};

use logout_all::{StoreError, StoreErrorKind};
use tokio::{runtime::Handle, task::JoinSet, time::timeout};

use crate::{
    RedisStore, RedisStoreBuilder,
    cluster::{self, Routes},
    coalesce,
    fault::Fault,
    info::ServerInfo,
    keys::{Keys, Layout, Whose},
    line::Line,
    server::Reach,
    shared::{Shared, Which},
    store::Inner,
    wakes::wakes,
    wire::{CONNECT_WAIT, Wire},
};

pub(crate) async fn connect(builder: &RedisStoreBuilder) -> Result<RedisStore, StoreError> {
    let runtime = Handle::try_current().map_err(|error| {
        let message = "connect a RedisStore inside a Tokio runtime: its connections live there";
        StoreError::new(StoreErrorKind::Stopped, message).with_cause(error)
    })?;
    let root = builder.root_certificate.as_ref();
    let first = Arc::new(Reach::new(&builder.url, builder.plain, root)?);
    let mut seeds = vec![first];
    for url in &builder.seeds {
        seeds.push(Arc::new(Reach::new(url, builder.plain, root)?));
    }
    let server = anyone(&seeds).await?;
    server.check()?;
    let layout = server.layout();
    if layout == Layout::Server && seeds.len() > 1 {
        let message = "seeds are nodes of one Redis Cluster, and this server is of none";
        return Err(StoreError::new(StoreErrorKind::Unavailable, message));
    }
    let [lookups, writes, endings, polls] = match layout {
        Layout::Server => {
            warn(None, &server);
            [(); 4].map(|()| Line::to_server(&seeds[0]))
        }
        Layout::Cluster => {
            let routes = cluster::Shared::new(seeds.clone());
            let lines = [(); 4].map(|()| Routes::new(&routes));
            lines[0].refresh().await.map_err(Fault::told)?;
            warn_of_masters(&lines[0]).await;
            lines.map(Line::Cluster)
        }
    };
    let shared = Arc::new(Shared {
        keys: Keys::new(&builder.prefix, layout),
        clock: builder.clock.clone(),
        global_epoch: AtomicI64::new(0),
    });
    let opened = async {
        shared.make(&lookups).await?;
        shared.read(&lookups, Whose::Store, Which::Epochs).await
    };
    timeout(CONNECT_WAIT * 2, opened)
        .await
        .map_err(|_| Fault::silent().told())?
        .map_err(Fault::told)?;
    let version = match layout {
        Layout::Server => server.version,
        Layout::Cluster => format!("{}, cluster", server.version),
    };
    let replicas = builder.replicas;
    let (together, wakes) = match layout {
        Layout::Server => (
            Some(coalesce::start(&lookups, &shared, &runtime)),
            Some(wakes(&seeds[0], &shared.keys.channel, &runtime)),
        ),
        Layout::Cluster => (None, None),
    };
    let inner = Inner {
        shared,
        runtime,
        together,
        lookups,
        writes,
        endings,
        polls,
        wakes,
        replicas,
        version,
    };
    Ok(RedisStore { inner: Arc::new(inner) })
}

/// What the first of them that answers says of itself; the error is the first one's.
async fn anyone(seeds: &[Arc<Reach>]) -> Result<ServerInfo, StoreError> {
    let mut outcome = Err(Fault::silent().told());
    for (number, seed) in seeds.iter().enumerate() {
        let wire = Wire::new(seed);
        let told = timeout(CONNECT_WAIT * 2, ServerInfo::ask(&wire)).await;
        match told.unwrap_or_else(|_| Err(Fault::silent())) {
            Ok(info) => return Ok(info),
            Err(fault) if number == 0 => outcome = Err(fault.told()),
            Err(_) => {}
        }
    }
    outcome
}

fn warn(node: Option<&str>, server: &ServerInfo) {
    if let Some(warning) = server.eviction() {
        tracing::warn!(node, "{warning}");
    }
}

/// Each master may drop sessions by itself. One that is away now is not waited for long.
async fn warn_of_masters(routes: &Routes) {
    let mut asked = JoinSet::new();
    for (node, wire) in routes.masters() {
        asked.spawn(async move {
            let told = async { ServerInfo::ask(&wire.ok()?).await.ok() };
            let info = timeout(CONNECT_WAIT / 3, told).await.ok().flatten()?;
            Some((format!("{}:{}", node.host, node.port), info))
        });
    }
    while let Some(told) = asked.join_next().await {
        if let Ok(Some((node, info))) = told {
            warn(Some(&node), &info);
        }
    }
}
