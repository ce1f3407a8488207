//! Which node has which slots, as `CLUSTER SLOTS` tells it.

use std::sync::Arc;

use redis::{FromRedisValue, Value};
use uuid::Uuid;

use crate::slot::SLOTS;

/// A node, by the address that the cluster gives for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

impl Node {
    /// Without a name, a node is on the host that was asked. None: no address.
    pub(crate) fn new(host: &str, port: u16, asked: Option<&str>) -> Option<Self> {
        // IPv6 addresses stand in brackets in some answers.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = if bare.is_empty() { asked? } else { bare };
        // `?` says that the node has not been told its name.
        (host != "?" && port != 0).then(|| Self { host: host.into(), port })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Topology {
    /// By slot.
    masters: Vec<Option<Node>>,
    replicas: Vec<Node>,
}

impl Topology {
    /// None for what no node of a cluster tells.
    pub(crate) fn read(answer: Value, asked: Option<&str>) -> Option<Self> {
        let mut topology = Self { masters: vec![None; SLOTS], replicas: Vec::new() };
        for range in Vec::<Vec<Value>>::from_redis_value(answer).ok()? {
            let mut range = range.into_iter();
            let (first, last) = (range.next()?, range.next()?);
            let (first, last) = (usize::from_redis_value(first), usize::from_redis_value(last));
            let mut nodes = range.map(|node| node_of(node, asked));
            let master = nodes.next()?;
            if let (Some(slots), Some(_)) =
                (topology.masters.get_mut(first.ok()?..=last.ok()?), &master)
            {
                slots.fill(master);
            }
            topology.replicas.extend(nodes.flatten());
        }
        Some(topology)
    }

    pub(crate) fn node_of(&self, slot: usize) -> Option<Node> {
        self.masters.get(slot).cloned().flatten()
    }

    pub(crate) fn moved(&mut self, slot: usize, node: &Node) {
        if let Some(master) = self.masters.get_mut(slot) {
            *master = Some(node.clone());
        }
    }

    /// Each once.
    pub(crate) fn masters(&self) -> Vec<Node> {
        let mut masters: Vec<Node> = Vec::new();
        for node in self.masters.iter().flatten() {
            // Slots come in ranges: the last one is nearly always it.
            if masters.last() != Some(node) && !masters.contains(node) {
                masters.push(node.clone());
            }
        }
        masters
    }

    pub(crate) fn nodes(&self) -> Vec<Node> {
        let mut nodes = self.masters();
        nodes.extend(self.replicas.iter().cloned());
        nodes
    }

    /// Masters first, the others after them, each in an order of chance.
    pub(crate) fn shuffled(&self) -> Vec<Node> {
        let mut masters = self.masters();
        masters.sort_by_cached_key(|_| Uuid::new_v4());
        let mut replicas = self.replicas.clone();
        replicas.sort_by_cached_key(|_| Uuid::new_v4());
        replicas.dedup();
        masters.extend(replicas);
        masters
    }
}

/// Address and port, and more that does not matter here.
fn node_of(node: Value, asked: Option<&str>) -> Option<Node> {
    let mut fields = Vec::<Value>::from_redis_value(node).ok()?.into_iter();
    let host: Option<String> = FromRedisValue::from_redis_value(fields.next()?).ok()?;
    let port: u16 = FromRedisValue::from_redis_value(fields.next()?).ok()?;
    Node::new(host.as_deref().unwrap_or_default(), port, asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, nodes: &[(Value, i64)]) -> Value {
        let mut range = vec![Value::Int(first), Value::Int(last)];
        for (host, port) in nodes {
            let more = Value::Array(vec![text("hostname"), text("a.example")]);
            range.push(Value::Array(vec![host.clone(), Value::Int(*port), text("id"), more]));
        }
        Value::Array(range)
    }

    #[test]
    fn a_slot_has_the_node_that_is_named_first() {
        let answer = Value::Array(vec![
            range(0, 1, &[(text("10.0.0.1"), 1), (text("10.0.0.9"), 9)]),
            range(3, 3, &[(Value::Nil, 2)]),
            range(4, 4, &[(text("?"), 3)]),
        ]);
        let mut topology = Topology::read(answer, Some("asked")).unwrap();
        let node = |host: &str, port| Node { host: host.into(), port };
        assert_eq!(topology.node_of(1), Some(node("10.0.0.1", 1)));
        assert_eq!(topology.node_of(2), None);
        assert_eq!(topology.node_of(3), Some(node("asked", 2)));
        assert_eq!(topology.node_of(4), None, "it has not been told its own name");
        assert_eq!(topology.node_of(16384), None);
        assert_eq!(topology.masters(), [node("10.0.0.1", 1), node("asked", 2)]);
        assert_eq!(topology.nodes().len(), 3);
        topology.moved(1, &node("asked", 2));
        assert_eq!(topology.node_of(1), Some(node("asked", 2)));
        assert_eq!(topology.node_of(0), Some(node("10.0.0.1", 1)));
    }

    #[test]
    fn what_is_no_map_is_none() {
        for answer in [Value::Okay, Value::Array(vec![Value::Nil]), range(5, 4, &[])] {
            assert!(Topology::read(answer, None).is_none());
        }
        let past = Value::Array(vec![range(9, 70_000, &[(text("h"), 1)])]);
        assert!(Topology::read(past, None).unwrap().masters().is_empty());
        assert_eq!(Node::new("[::1]", 7, None).unwrap().host.as_ref(), "::1");
        assert_eq!(Node::new("", 7, None), None);
    }
}
