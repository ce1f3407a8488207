//! A part of its own of the Redis server for each server or test, its keys gone with it: a prefix,
//! or for programs, which know one prefix alone, a database.

#![allow(dead_code, reason = "each test program uses its part")]

use std::sync::atomic::{AtomicU32, Ordering};

/// Dropped, it removes the keys.
pub(crate) struct Prefix {
    url: String,
    name: String,
}

impl Prefix {
    /// That there is no server is a failure, and never a reason to run nothing.
    pub(crate) fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = server()?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { url, name: format!("test-{}-{count}", std::process::id()) })
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
}

impl Numbered {
    /// A process of tests has fifteen of them.
    pub(crate) fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let server = server()?;
        let begin = server.find("://").map_or(0, |at| at + 3);
        let end = server[begin..].find('/').map_or(server.len(), |at| begin + at);
        let numbered = Self { url: format!("{}/{number}", &server[..end]) };
        numbered.ask::<()>(&["FLUSHDB"]).map_err(|error| format!("database {number}: {error}"))?;
        Ok(numbered)
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
        if let Err(error) = remove(&self.url, &self.name) {
            eprintln!("the keys of {} stay behind: {error}", self.name);
        }
    }
}

fn remove(url: &str, prefix: &str) -> redis::RedisResult<()> {
    let wait = std::time::Duration::from_secs(3);
    let mut connection = redis::Client::open(url)?.get_connection_with_timeout(wait)?;
    connection.set_read_timeout(Some(wait))?;
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{prefix}:*")).arg("COUNT").arg(1000);
        let (next, keys): (u64, Vec<Vec<u8>>) = scan.query(&mut connection)?;
        if !keys.is_empty() {
            redis::cmd("UNLINK").arg(keys).exec(&mut connection)?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}
