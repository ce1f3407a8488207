//! A server of a test's own, on a free port of loopback, ended with the test.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use logout_all_redis::{RedisStore, RedisStoreBuilder};
use redis::{Client, Connection, FromRedisValue};
use tempfile::TempDir;

/// How long a start may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Dropped, it is killed.
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: TempDir,
    settings: Vec<String>,
    process: Process,
}

/// Dropped, it is killed: a test that panics half way leaves nothing behind.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// With these settings beside the usual ones.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings: Vec<String> = settings.iter().map(|word| (*word).to_owned()).collect();
        for _ in 0..4 {
            let port = free_port();
            let mut process = spawn(port, folder.path(), &settings);
            // Another one may have taken the port in between: ours has then ended.
            if is_ready(port, &mut process.0) {
                return Self { port, folder, settings, process };
            }
        }
        panic!("no server could be started");
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.0.kill().unwrap();
        self.process.0.wait().unwrap();
    }

    /// On the same port and folder, after a [`kill`](Self::kill).
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.port, self.folder.path(), &self.settings);
        assert!(is_ready(self.port, &mut self.process.0), "the server did not start again");
    }

    /// Nothing is answered any more, and nothing refused: the process stands still.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn builder(&self) -> RedisStoreBuilder {
        RedisStore::builder(self.url())
    }

    pub(crate) async fn store(&self) -> RedisStore {
        self.builder().connect().await.unwrap()
    }

    /// Much over one connection.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&mut Connection) -> T) -> T {
        ask(&mut connection(self.port).unwrap())
    }

    /// What an operator types.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &str) -> T {
        let mut connection = connection(self.port).unwrap();
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>()).query(&mut connection).unwrap()
    }

    /// Waits until a replica has all that was written so far. `WAIT` waits for what its own
    /// connection has written, and on a new one for nothing.
    pub(crate) fn replicated(&self) {
        let mut connection = connection(self.port).unwrap();
        redis::cmd("SET").arg("mark").arg(1).arg("PX").arg(1).exec(&mut connection).unwrap();
        let have: i64 = redis::cmd("WAIT").arg(1).arg(1500).query(&mut connection).unwrap();
        assert_eq!(have, 1, "no replica has it");
    }

    /// Waits for what the server says of itself.
    pub(crate) async fn until(&self, words: &str, wanted: &str) {
        let since = Instant::now();
        while !self.ask::<String>(words).contains(wanted) {
            assert!(since.elapsed() < LIMIT, "{words}: no {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// One whose port for a cluster's bus, 10000 above, is free too.
fn free_port() -> u16 {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    for _ in 0..1000 {
        let port = bind(0).unwrap().local_addr().unwrap().port();
        if port < 55_535 && bind(port + 10_000).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

fn spawn(port: u16, folder: &Path, settings: &[String]) -> Process {
    let program = std::env::var_os("TEST_REDIS_SERVER").unwrap_or("redis-server".into());
    let mut command = Command::new(&program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
    command.arg(folder).args(settings).stdin(Stdio::null()).stdout(Stdio::null());
    let process = command.stderr(Stdio::null()).spawn();
    Process(process.unwrap_or_else(|error| {
        panic!("{} cannot be started ({error}): set TEST_REDIS_SERVER", program.display())
    }))
}

fn is_ready(port: u16, process: &mut Child) -> bool {
    let since = Instant::now();
    while process.try_wait().unwrap().is_none() {
        let ready = connection(port).is_ok_and(|mut connection| {
            redis::cmd("PING").query::<String>(&mut connection).is_ok()
        });
        if ready {
            return true;
        }
        assert!(since.elapsed() < LIMIT, "the server is not ready after {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn connection(port: u16) -> redis::RedisResult<Connection> {
    let second = Duration::from_secs(2);
    let client = Client::open(format!("redis://127.0.0.1:{port}"))?;
    let connection = client.get_connection_with_timeout(second)?;
    connection.set_read_timeout(Some(second))?;
    Ok(connection)
}
