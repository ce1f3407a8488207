//! A cluster of a test's own: three masters on loopback, each behind a proxy, which is the address
//! that it announces. What the tests of a cluster need is here; the tests are in `cluster_*.rs`.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use logout_all::UserId;
use logout_all_redis::{RedisStore, RedisStoreBuilder};
use tokio_rustls::TlsAcceptor;

use crate::{proxy::Proxy, server::Server, user};

/// How long the nodes may take to agree.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
}

pub(crate) struct Node {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
}

impl Node {
    async fn start(settings: &[&str], tls: Option<TlsAcceptor>) -> Self {
        let proxy = Proxy::to(0, tls).await;
        let announced = proxy.port.to_string();
        let mut all = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        all.extend(["--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", &announced]);
        all.extend(["--appendonly", "yes", "--appendfsync", "always"]);
        all.extend(settings);
        let server = Server::start(&all);
        proxy.lead_to(server.port);
        Self { server, proxy }
    }

    pub(crate) fn id(&self) -> String {
        self.server.ask("CLUSTER MYID")
    }
}

/// The node that has the slot at first.
fn home(slot: u16) -> usize {
    usize::from(slot) * 3 / 16384
}

impl Cluster {
    /// What one node does not serve is no matter to the others.
    pub(crate) async fn start() -> Self {
        Self::with(&["--cluster-require-full-coverage", "no"], |_| None).await
    }

    /// With these settings beside the usual ones, and TLS by the number of the node.
    pub(crate) async fn with(
        settings: &[&str],
        tls: impl Fn(usize) -> Option<TlsAcceptor>,
    ) -> Self {
        let mut nodes = Vec::new();
        for number in 0..3 {
            let node = Node::start(settings, tls(number)).await;
            let slots = (0..16384_u16).filter(|slot| home(*slot) == number);
            let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
            node.server.ask::<()>(&format!("CLUSTER ADDSLOTS {}", slots.join(" ")));
            node.server.ask::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
            nodes.push(node);
        }
        let cluster = Self { nodes };
        for node in &cluster.nodes[1..] {
            cluster.meets(node);
        }
        cluster.agrees().await;
        cluster
    }

    fn meets(&self, node: &Node) {
        self.nodes[0].server.ask::<()>(&format!("CLUSTER MEET 127.0.0.1 {}", node.server.port));
    }

    /// Waits until every node serves, and knows of all.
    pub(crate) async fn agrees(&self) {
        let since = Instant::now();
        let known = format!("cluster_known_nodes:{}\r", self.nodes.len());
        for node in &self.nodes {
            loop {
                let info: String = node.server.ask("CLUSTER INFO");
                let all = info.contains("cluster_slots_ok:16384");
                if info.contains("cluster_state:ok") && info.contains(&known) && all {
                    break;
                }
                assert!(since.elapsed() < LIMIT, "the nodes do not agree: {info}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// A replica of a master, once it has all that the master had.
    pub(crate) async fn add_replica(&mut self, master: usize, settings: &[&str]) {
        let node = Node::start(settings, None).await;
        let id = self.nodes[master].id();
        self.meets(&node);
        node.server.until("CLUSTER NODES", &id).await;
        node.server.ask::<()>(&format!("CLUSTER REPLICATE {id}"));
        node.server.until("INFO replication", "master_link_status:up").await;
        self.nodes[master].server.until("INFO replication", "state=online").await;
        self.nodes.push(node);
        self.agrees().await;
    }

    pub(crate) fn builder(&self) -> RedisStoreBuilder {
        RedisStore::builder(self.nodes[0].proxy.url())
    }

    pub(crate) async fn store(&self) -> RedisStore {
        self.builder().connect().await.unwrap()
    }

    pub(crate) fn slot(&self, tag: &str) -> u16 {
        self.nodes[0].server.ask(&format!("CLUSTER KEYSLOT {{{tag}}}"))
    }

    /// The number of the node that the store's own keys are on.
    pub(crate) fn store_node(&self) -> usize {
        home(self.slot("*"))
    }

    /// So many users of that node.
    pub(crate) fn users_of(&self, node: usize, count: usize) -> Vec<UserId> {
        let names = (0..).map(|number| format!("user-{number}"));
        let its = names.filter(|name| home(self.slot(name)) == node);
        its.take(count).map(|name| user(&name)).collect()
    }

    /// Another user of the same slot.
    pub(crate) fn same_slot(&self, user: &UserId) -> UserId {
        let wanted = self.slot(user.as_str());
        let mut names = (0..).map(|number| format!("other-{number}"));
        let name = self.nodes[0].server.with(|connection| {
            names.find(|name| {
                let slot = redis::cmd("CLUSTER").arg("KEYSLOT").arg(name).query::<u16>(connection);
                slot.unwrap() == wanted
            })
        });
        crate::user(&name.unwrap())
    }

    pub(crate) fn user_of(&self, node: usize) -> UserId {
        self.users_of(node, 1).remove(0)
    }

    /// Two nodes that have not the store's keys.
    pub(crate) fn others(&self) -> [usize; 2] {
        let store = self.store_node();
        [(store + 1) % 3, (store + 2) % 3]
    }

    /// Moves a slot, as a resharding does it: one key at a time, and a pause after each step.
    pub(crate) async fn move_slot(&self, slot: u16, from: usize, to: usize, pause: Duration) {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (from_id, to_id) = (source.id(), target.id());
        target.server.ask::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
        source.server.ask::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
        tokio::time::sleep(pause).await;
        loop {
            let keys: Vec<String> = source.server.ask(&format!("CLUSTER GETKEYSINSLOT {slot} 1"));
            let Some(key) = keys.first() else { break };
            let port = target.server.port;
            source.server.ask::<()>(&format!("MIGRATE 127.0.0.1 {port}  0 5000 KEYS {key}"));
            tokio::time::sleep(pause).await;
        }
        let others: HashSet<usize> = (0..self.nodes.len()).filter(|at| *at != to).collect();
        for node in [to].into_iter().chain(others) {
            self.nodes[node].server.ask::<()>(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
        }
    }
}
