//! What `INFO` tells of a server, and what its operator must know of it.

use logout_all::{StoreError, StoreErrorKind};

use crate::{
    fault::Fault,
    keys::Layout,
    shared::take,
    wire::{CONNECT_WAIT, Wire},
};

/// What `INFO` tells of a server.
#[derive(Debug, Default)]
pub(crate) struct ServerInfo {
    pub(crate) version: String,
    mode: String,
    role: String,
    policy: String,
    maxmemory: String,
}

impl ServerInfo {
    pub(crate) async fn ask(wire: &Wire) -> Result<Self, Fault> {
        let held = wire.hold().await?;
        // One section a call: several at once are new in 7.0.
        let mut told = String::new();
        for section in ["server", "replication", "memory"] {
            let asked = redis::cmd("INFO").arg(section).to_owned();
            told.push_str(&take::<String>(held.ask(&asked, CONNECT_WAIT).await?)?);
        }
        Ok(Self::read(&told))
    }

    pub(crate) fn layout(&self) -> Layout {
        if self.mode.contains("cluster") { Layout::Cluster } else { Layout::Server }
    }

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

    /// A server by itself must be a primary. Of a cluster any node will do: it names the others.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.role == "master" || self.layout() == Layout::Cluster {
            return Ok(());
        }
        let message = "the Redis server is a replica, which learns of a logout late: give the \
                       primary's address";
        Err(StoreError::new(StoreErrorKind::Unavailable, message))
    }

    /// What an operator must know of a server that may drop sessions.
    pub(crate) fn eviction(&self) -> Option<String> {
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
    fn a_replica_is_refused_unless_it_is_of_a_cluster() {
        let server = ServerInfo::read(INFO);
        server.check().unwrap();
        assert_eq!(server.layout(), Layout::Server);
        let replica = INFO.replace("role:master", "role:slave");
        let refused = ServerInfo::read(&replica).check();
        assert!(refused.unwrap_err().to_string().contains("replica"));
        let of_cluster = ServerInfo::read(&replica.replace("standalone", "cluster"));
        of_cluster.check().unwrap();
        assert_eq!(of_cluster.layout(), Layout::Cluster);
    }

    #[test]
    fn valkey_says_which_it_is() {
        let valkey = INFO.replace("redis_mode", "valkey_version:9.1.2\r\nserver_mode");
        assert_eq!(ServerInfo::read(&valkey).version, "Valkey 9.1.2");
        assert_eq!(ServerInfo::read(INFO).version, "7.0.15");
    }
}
