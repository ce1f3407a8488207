//! The routes of a Redis Cluster: which node has a slot, a wire to each node, and what to do when a
//! node says that it is not the one.
//!
//! A node that answers `MOVED`, `ASK` or `TRYAGAIN` has done nothing, and what was asked is asked
//! again elsewhere or later. After anything else a change is never sent twice. What is known of the
//! slots is a hint: a node refuses what it does not serve, so nothing wrong comes of an old map.
//!
//! A node that is dead or silent holds up those alone who need it: nobody waits for the map to be
//! read anew but who failed by the old one.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};

use logout_all::{StoreError, StoreErrorKind};
use redis::{ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::time::timeout;

use crate::{
    fault::Fault,
    script::Call,
    server::Reach,
    topology::{Node, Topology},
    wire::{Held, Wire},
};

/// How many times an answer is looked for at another node.
const REDIRECTS: usize = 8;
/// How long a slot that is being moved is waited for.
const MOVING: Duration = Duration::from_secs(3);
/// How often the map is read anew at most.
const EVERY: Duration = Duration::from_millis(100);
/// How long one node has for its answer to that; a few are asked at once.
const MAP_WAIT: Duration = Duration::from_secs(1);
const ASKED_AT_ONCE: usize = 3;

/// The ways to the nodes, for one purpose.
#[derive(Clone)]
pub(crate) struct Routes {
    shared: Arc<Shared>,
    wires: Arc<Mutex<HashMap<Node, Wire>>>,
}

/// What the lines of one store know together.
pub(crate) struct Shared {
    seeds: Vec<Arc<Reach>>,
    topology: RwLock<Topology>,
    /// When the map was read last, or could not be. Held by whoever reads it.
    read: tokio::sync::Mutex<Option<Instant>>,
}

impl Shared {
    /// Of a cluster that one of these nodes is of.
    pub(crate) fn new(seeds: Vec<Arc<Reach>>) -> Arc<Self> {
        let (topology, read) = (RwLock::default(), tokio::sync::Mutex::default());
        Arc::new(Self { seeds, topology, read })
    }

    fn topology(&self) -> RwLockReadGuard<'_, Topology> {
        self.topology.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Topology)) {
        change(&mut self.topology.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Routes {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), wires: Arc::default() }
    }

    pub(crate) async fn hold(&self, slot: usize) -> Result<Held, Fault> {
        let mut node = self.shared.topology().node_of(slot);
        if node.is_none() {
            self.refresh().await?;
            node = self.shared.topology().node_of(slot);
        }
        let Some(node) = node else {
            let message = "no node of the Redis Cluster is known that has the slot";
            return Err(StoreError::new(StoreErrorKind::Unavailable, message).into());
        };
        self.wire(&node)?.hold().await
    }

    /// The masters.
    pub(crate) fn masters(&self) -> Vec<(Node, Result<Wire, Fault>)> {
        let masters = self.shared.topology().masters();
        masters.into_iter().map(|node| (node.clone(), self.wire(&node))).collect()
    }

    pub(crate) async fn call_over(
        &self,
        mut held: Held,
        call: &Call,
        wait: Duration,
    ) -> Result<(Value, Held), Fault> {
        let began = Instant::now();
        let (mut redirects, mut pause) = (0, Duration::from_millis(5));
        loop {
            let error = match held.call(call, wait).await? {
                Ok(answer) => return Ok((answer, held)),
                Err(error) => error,
            };
            match kind_of(&error) {
                Some(ServerErrorKind::Moved) if redirects < REDIRECTS => {
                    redirects += 1;
                    let node = named(&error, &held)?;
                    self.shared.change(|known| known.moved(call.slot(), &node));
                    held = self.wire(&node)?.hold().await?;
                    // One slot has moved: others may have, too.
                    let routes = self.clone();
                    tokio::spawn(async move { drop(routes.refresh().await) });
                    continue;
                }
                Some(ServerErrorKind::Ask) => {
                    let node = named(&error, &held)?;
                    let other = self.wire(&node)?.hold().await?;
                    let said = other.call_asking(call, wait).await?;
                    let turned_away = said.as_ref().err().and_then(kind_of).is_some_and(is_moving);
                    if !turned_away {
                        return Ok((other.sorted(said).await?, other));
                    }
                }
                Some(ServerErrorKind::TryAgain) => {}
                _ => return Ok((held.sorted(Err(error)).await?, held)),
            }
            // Some of the user's keys are there and some here. In a moment all are there.
            if began.elapsed() > MOVING {
                let message = "the user's slot of the Redis Cluster is being moved to another node; \
                               nothing was changed, and the operation may be repeated";
                let error = StoreError::new(StoreErrorKind::Unavailable, message);
                return Err(Fault::Refused(error));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(40));
        }
    }

    /// Reads anew which node has which slots, unless that was just done.
    pub(crate) async fn refresh(&self) -> Result<(), Fault> {
        let came = Instant::now();
        let mut read = self.shared.read.lock().await;
        if read.is_some_and(|at| at + EVERY > came) {
            return Ok(());
        }
        let candidates = self.candidates();
        let mut outcome = Err(Fault::silent());
        for few in candidates.chunks(ASKED_AT_ONCE) {
            outcome = first_answer(few).await.map(|topology| {
                let known = topology.nodes();
                self.shared.change(|topology_before| *topology_before = topology);
                lock(&self.wires).retain(|node, _| known.contains(node));
            });
            if outcome.is_ok() {
                break;
            }
        }
        *read = Some(Instant::now());
        outcome
    }

    /// Whom to ask, in an order of chance: masters, replicas, and the nodes that were given.
    fn candidates(&self) -> Vec<Wire> {
        let nodes = self.shared.topology().shuffled();
        let known = nodes.iter().filter_map(|node| self.wire(node).ok());
        known.chain(self.shared.seeds.iter().map(Wire::new)).collect()
    }

    fn wire(&self, node: &Node) -> Result<Wire, Fault> {
        if let Some(wire) = lock(&self.wires).get(node) {
            return Ok(wire.clone());
        }
        // By the manner of the first one that was given: TLS or not, and who we are.
        let Some(seed) = self.shared.seeds.first() else { return Err(astray()) };
        let reach = Arc::new(seed.at(&node.host, node.port)?);
        Ok(lock(&self.wires).entry(node.clone()).or_insert_with(|| Wire::new(&reach)).clone())
    }
}

/// The first map that one of them tells, or why none of them does.
async fn first_answer(wires: &[Wire]) -> Result<Topology, Fault> {
    let mut asked = tokio::task::JoinSet::new();
    for wire in wires {
        let wire = wire.clone();
        asked.spawn(async move {
            let told = async {
                let held = wire.hold().await?;
                let command = redis::cmd("CLUSTER").arg("SLOTS").to_owned();
                let answer = held.ask(&command, MAP_WAIT).await?;
                // A node that was reset knows of none.
                let told = Topology::read(answer, held.reach().host());
                told.filter(|topology| !topology.masters().is_empty()).ok_or_else(astray)
            };
            timeout(MAP_WAIT, told).await.unwrap_or_else(|_| Err(Fault::silent()))
        });
    }
    let mut outcome = Err(Fault::silent());
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(topology)) => return Ok(topology),
            Ok(Err(fault)) => outcome = Err(fault),
            Err(_stopped) => {}
        }
    }
    outcome
}

fn kind_of(error: &RedisError) -> Option<ServerErrorKind> {
    match error.kind() {
        ErrorKind::Server(kind) => Some(kind),
        _ => None,
    }
}

/// What a node answers while it takes a slot over, or just before or after.
fn is_moving(kind: ServerErrorKind) -> bool {
    use ServerErrorKind::{Ask, Moved, TryAgain};
    matches!(kind, Ask | Moved | TryAgain)
}

/// The node that an error names. One without a host is on the host that was asked.
fn named(error: &RedisError, held: &Held) -> Result<Node, Fault> {
    let node = error.redirect_node().and_then(|(address, _)| {
        let (host, port) = address.rsplit_once(':')?;
        Node::new(host, port.parse().ok()?, held.reach().host())
    });
    node.ok_or_else(astray)
}

fn astray() -> Fault {
    let message = "a node of the Redis Cluster knows of no others, or names one that cannot be one";
    Fault::Refused(StoreError::new(StoreErrorKind::Unavailable, message))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}
