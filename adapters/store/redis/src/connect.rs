//! Opening a store: what must be true of the server before it is handed out, and what its operator
//! is told.

use std::sync::{Arc, atomic::AtomicI64};

use logout_all::{StoreError, StoreErrorKind};
use redis::Value;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    RedisStore, RedisStoreBuilder,
    change::{Shared, Which, take},
    fault::Fault,
    keys::Keys,
    line::{CONNECT_WAIT, Line},
    server::Reach,
    store::Inner,
};

pub(crate) async fn connect(builder: &RedisStoreBuilder) -> Result<RedisStore, StoreError> {
    let runtime = Handle::try_current().map_err(|error| {
        let message = "connect a RedisStore inside a Tokio runtime: its connections live there";
        StoreError::new(StoreErrorKind::Stopped, message).with_cause(error)
    })?;
    let reach =
        Arc::new(Reach::new(&builder.url, builder.plain, builder.root_certificate.as_ref())?);
    let lookups = Line::new(&reach);
    let opening = async {
        // One section a call: several at once are new in 7.0.
        let mut told = String::new();
        for section in ["server", "replication", "memory"] {
            let asked = redis::cmd("INFO").arg(section).to_owned();
            let answer: Value = lookups.ask(&asked, CONNECT_WAIT).await?;
            told.push_str(&take::<String>(answer)?);
        }
        Ok::<_, Fault>(told)
    };
    let told = timeout(CONNECT_WAIT * 2, opening).await.map_err(|_| Fault::silent().told())?;
    let server = ServerInfo::read(&told.map_err(Fault::told)?);
    server.check()?;
    if let Some(warning) = server.eviction() {
        tracing::warn!("{warning}");
    }
    let shared = Shared {
        keys: Keys::new(&builder.prefix),
        clock: builder.clock.clone(),
        global_epoch: AtomicI64::new(0),
    };
    let opened = async {
        shared.make(&lookups).await?;
        shared.read(&lookups, None, Which::Epochs).await
    };
    timeout(CONNECT_WAIT * 2, opened)
        .await
        .map_err(|_| Fault::silent().told())?
        .map_err(Fault::told)?;
    let inner = Inner {
        shared,
        runtime,
        lookups,
        writes: Line::new(&reach),
        endings: Line::new(&reach),
        replicas: builder.replicas,
        version: server.version,
    };
    Ok(RedisStore { inner: Arc::new(inner) })
}

/// What `INFO` tells of a server.
#[derive(Debug, Default)]
struct ServerInfo {
    version: String,
    mode: String,
    role: String,
    policy: String,
    maxmemory: String,
}

impl ServerInfo {
    fn read(text: &str) -> Self {
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.unwrap_or_default().trim().to_owned()
        };
        let (valkey, redis) = (field("valkey_version"), field("redis_version"));
        Self {
            version: if valkey.is_empty() { redis } else { format!("Valkey {valkey}") },
            mode: field("redis_mode") + &field("server_mode"),
            role: field("role"),
            policy: field("maxmemory_policy"),
            maxmemory: field("maxmemory"),
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        let refuse =
            |message: &str| Err(StoreError::new(StoreErrorKind::Unavailable, message.to_owned()));
        if self.mode.contains("cluster") {
            return refuse("Redis Cluster is not supported: give one primary (docs/redis.md)");
        }
        if self.role != "master" {
            return refuse(
                "the Redis server is a replica, which learns of a logout late: give the primary's \
                 address",
            );
        }
        Ok(())
    }

    /// What an operator must know of a server that may drop sessions.
    fn eviction(&self) -> Option<String> {
        if self.policy == "noeviction" || self.policy.is_empty() {
            return None;
        }
        let when = match self.maxmemory.as_str() {
            "0" | "" => "as soon as maxmemory is set",
            _ => "when its memory is full",
        };
        Some(format!(
            "this Redis server drops sessions {when}, and signs their users out (maxmemory-policy \
             {}): set it to noeviction, or give the sessions a server of their own",
            self.policy
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\
                        # Replication\r\nrole:master\r\n\
                        # Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n";

    #[test]
    fn a_server_that_may_drop_sessions_is_warned_about() {
        assert_eq!(ServerInfo::read(INFO).eviction(), None);
        for policy in ["allkeys-lru", "volatile-ttl", "volatile-lru", "allkeys-random"] {
            let info = INFO.replace("noeviction", policy);
            let warning = ServerInfo::read(&info).eviction().unwrap();
            assert!(warning.contains(policy) && warning.contains("noeviction"), "{warning}");
            assert!(warning.contains("as soon as"), "{warning}");
            let full = ServerInfo::read(&info.replace("maxmemory:0", "maxmemory:100"));
            assert!(full.eviction().unwrap().contains("is full"));
        }
    }

    #[test]
    fn a_cluster_and_a_replica_are_refused() {
        ServerInfo::read(INFO).check().unwrap();
        let cluster = ServerInfo::read(&INFO.replace("standalone", "cluster")).check();
        assert!(cluster.unwrap_err().to_string().contains("Cluster"));
        let replica = ServerInfo::read(&INFO.replace("role:master", "role:slave")).check();
        assert!(replica.unwrap_err().to_string().contains("replica"));
    }

    #[test]
    fn valkey_says_which_it_is() {
        let valkey = INFO.replace("redis_mode", "valkey_version:9.1.2\r\nserver_mode");
        assert_eq!(ServerInfo::read(&valkey).version, "Valkey 9.1.2");
        assert_eq!(ServerInfo::read(INFO).version, "7.0.15");
    }
}
