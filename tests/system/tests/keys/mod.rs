//! A part of its own of the Redis server for each server or test, its keys gone with it: a prefix,
//! or for programs, which know one prefix alone, a database.

#![allow(dead_code, reason = "each test program uses its part")]

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

/// Dropped, it removes the keys.
pub(crate) struct Prefix {
    url: String,
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Server,
    Cluster,
}

impl Prefix {
    /// That there is no server is a failure, and never a reason to run nothing.
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self::at(server()?, Kind::Server))
    }

    /// On the cluster.
    pub(crate) fn on_cluster() -> Result<Self, String> {
        let url = std::env::var("TEST_REDIS_CLUSTER_URL").map_err(|_| {
            "TEST_REDIS_CLUSTER_URL is not set: `cargo xtask test-all` brings a Redis Cluster, \
             `cargo xtask services redis` starts one by hand, and `--skip redis-cluster::` leaves \
             it out"
        })?;
        Ok(Self::at(url, Kind::Cluster))
    }

    fn at(url: String, kind: Kind) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self { url, name: format!("test-{}-{count}", std::process::id()), kind }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

fn server() -> Result<String, String> {
    std::env::var("TEST_REDIS_URL").map_err(|_| {
        "TEST_REDIS_URL is not set: `cargo xtask test-all` brings a Redis server, `cargo xtask \
         services redis` starts one by hand, and `--skip redis::` leaves it out"
            .to_owned()
    })
}

/// One of the databases 1 to 15, emptied. Dropped, it is emptied again.
pub(crate) struct Numbered {
    url: String,
    /// Given back when it is dropped.
    _number: Option<Number>,
}

/// A number that nobody else in this process has.
struct Number(usize);

/// Those that are in use: a process of tests has fifteen at a time.
static IN_USE: Mutex<[bool; 16]> = Mutex::new([false; 16]);

impl Number {
    fn free() -> Result<Self, String> {
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        let number = (1..in_use.len()).find(|number| !in_use[*number]);
        let number = number.ok_or("all 15 databases of Redis are in use: run fewer at once")?;
        in_use[number] = true;
        Ok(Self(number))
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        IN_USE.lock().unwrap_or_else(PoisonError::into_inner)[self.0] = false;
    }
}

impl Numbered {
    pub(crate) fn new() -> Result<Self, String> {
        let number = Number::free()?;
        let server = server()?;
        let begin = server.find("://").map_or(0, |at| at + 3);
        let end = server[begin..].find('/').map_or(server.len(), |at| begin + at);
        let (url, number) = (format!("{}/{}", &server[..end], number.0), Some(number));
        let numbered = Self { url, _number: number };
        let emptied = numbered.ask::<()>(&["FLUSHDB"]);
        emptied.map_err(|error| format!("a database of Redis: {error}"))?;
        Ok(numbered)
    }

    /// On a server that nobody else uses.
    pub(crate) fn on(server_url: &str) -> Self {
        Self { url: format!("{server_url}/1"), _number: None }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// By another program's hand.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let wait = std::time::Duration::from_secs(3);
        let client = redis::Client::open(self.url.as_str())?;
        let mut connection = client.get_connection_with_timeout(wait)?;
        connection.set_read_timeout(Some(wait))?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        if let Err(error) = self.ask::<()>(&["FLUSHDB"]) {
            eprintln!("the keys of a test stay behind: {error}");
        }
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        let removed = match self.kind {
            Kind::Server => remove(&self.url, &self.name),
            Kind::Cluster => nodes(&self.url)
                .and_then(|urls| urls.iter().try_for_each(|url| remove(url, &self.name))),
        };
        if let Err(error) = removed {
            eprintln!("the keys of {} stay behind: {error}", self.name);
        }
    }
}

fn connect(url: &str) -> redis::RedisResult<redis::Connection> {
    let wait = std::time::Duration::from_secs(3);
    let connection = redis::Client::open(url)?.get_connection_with_timeout(wait)?;
    connection.set_read_timeout(Some(wait))?;
    Ok(connection)
}

/// The URLs of a cluster's masters.
fn nodes(url: &str) -> redis::RedisResult<Vec<String>> {
    let slots: Vec<Vec<redis::Value>> =
        redis::cmd("CLUSTER").arg("SLOTS").query(&mut connect(url)?)?;
    let info = redis::IntoConnectionInfo::into_connection_info(url)?;
    let password = info.redis_settings().password().unwrap_or_default().to_owned();
    let address = |range: Vec<redis::Value>| {
        // First slot, last slot, master (host, port, …), replicas.
        let master: Vec<redis::Value> = redis::from_redis_value(range[2].clone())?;
        let host: String = redis::from_redis_value(master[0].clone())?;
        let port: u16 = redis::from_redis_value(master[1].clone())?;
        Ok(format!("redis://:{password}@{host}:{port}"))
    };
    slots.into_iter().map(address).collect()
}

fn remove(url: &str, prefix: &str) -> redis::RedisResult<()> {
    let mut connection = connect(url)?;
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{prefix}:*")).arg("COUNT").arg(1000);
        let (next, keys): (u64, Vec<Vec<u8>>) = scan.query(&mut connection)?;
        if !keys.is_empty() {
            // One by one: on a cluster they are in many slots.
            let mut unlink = redis::pipe();
            for key in keys {
                unlink.cmd("UNLINK").arg(key).ignore();
            }
            unlink.exec(&mut connection)?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}
