//! Where the processes of one test keep what they have: a folder, and perhaps a database, gone with
//! the test.

use std::{ffi::OsString, path::Path, process::Command};

use logout_all_sqlite::rusqlite;
use tempfile::TempDir;

use crate::{
    database::{self, Database},
    keys::Numbered,
    program::{self, Program, Starting},
    servers::{Framework, Store},
};

/// 32 bytes, the same for all processes on one network store.
const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

/// The same, for a node in the process of the tests.
#[allow(dead_code, reason = "each test program uses its part")]
pub(crate) const KEY_BYTES: &[u8; 32] = &{
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < 32 {
        bytes[at as usize] = at + 1;
        at += 1;
    }
    bytes
};

pub(crate) struct Home {
    framework: Framework,
    store: Store,
    folder: TempDir,
    database: Option<Database>,
    redis: Option<Numbered>,
}

impl Home {
    pub(crate) async fn new(framework: Framework, store: Store) -> Self {
        let (database, redis) = match store {
            Store::Postgres => (Some(Database::new().await.unwrap()), None),
            Store::Redis => (None, Some(Numbered::new().unwrap())),
            Store::Memory | Store::Sqlite => (None, None),
            Store::RedisCluster => panic!("no program keeps its accounts on a cluster"),
        };
        Self { framework, store, folder: tempfile::tempdir().unwrap(), database, redis }
    }

    /// On a server of the test's own.
    #[allow(dead_code, reason = "each test program uses its part")]
    pub(crate) async fn on(framework: Framework, store: Store, server_url: &str) -> Self {
        let (database, redis) = match store {
            Store::Postgres => (Some(Database::on(server_url).await.unwrap()), None),
            Store::Redis => (None, Some(Numbered::on(server_url))),
            _ => panic!("{} has no server", store.name()),
        };
        Self { framework, store, folder: tempfile::tempdir().unwrap(), database, redis }
    }

    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.framework.name(), self.store.name())
    }

    pub(crate) fn store(&self) -> Store {
        self.store
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    pub(crate) fn redis(&self) -> Option<&Numbered> {
        self.redis.as_ref()
    }

    /// What all processes together have logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap()
    }

    /// The program over this store, on a free port.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(self.framework, arguments)
    }

    /// Another framework's program over this store.
    pub(crate) fn command_of(&self, framework: Framework, arguments: &[&str]) -> Command {
        let listening = ["--listen", "127.0.0.1:0"].map(OsString::from);
        let stored = match self.store {
            Store::Memory => &["--store", "memory"][..],
            Store::Sqlite => &["--store", "sqlite:demo.db"],
            Store::Postgres | Store::Redis | Store::RedisCluster => &[],
        };
        let all = listening.into_iter().chain(stored.iter().chain(arguments).map(OsString::from));
        let mut command = program::command(framework, self.folder(), all);
        if let Some(url) = self.url() {
            command.env("LOGOUT_ALL_STORE", url).env("SESSION_KEY", KEY);
        }
        command
    }

    /// Of the network store.
    fn url(&self) -> Option<String> {
        let database = self.database.as_ref().map(Database::url);
        database.or_else(|| self.redis.as_ref().map(|redis| redis.url().to_owned()))
    }

    /// The port of the network store's server.
    #[allow(dead_code, reason = "each test program uses its part")]
    pub(crate) fn server_port(&self) -> u16 {
        let url = self.url().expect("a network store");
        let (_, place) = authority(&url);
        place.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port in the URL")
    }

    /// The program that reaches the store's server through that port of this machine.
    #[allow(dead_code, reason = "each test program uses its part")]
    pub(crate) fn command_through(
        &self,
        port: u16,
        framework: Framework,
        arguments: &[&str],
    ) -> Command {
        let url = self.url().expect("a network store");
        let (before, place) = authority(&url);
        let after = &url[before.len() + place.len()..];
        let mut command = self.command_of(framework, arguments);
        command.env("LOGOUT_ALL_STORE", format!("{before}127.0.0.1:{port}{after}"));
        command
    }

    /// The same with no argument but these.
    pub(crate) fn bare_command(&self, arguments: &[&str]) -> Command {
        program::command(self.framework, self.folder(), arguments)
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Starting {
        Starting::new(self.command(arguments), self.folder())
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Program {
        self.spawn(arguments).ready()
    }

    /// By another program's hand, on the tables as each store names them: one row in text, or none.
    pub(crate) async fn sql(&self, sqlite: &str, postgres: &str) -> Option<Vec<Option<String>>> {
        if let Some(database) = &self.database {
            let sql = database::connect(&database.config()).await.unwrap();
            let row = sql.query_opt(postgres, &[]).await.unwrap()?;
            return Some((0..row.len()).map(|at| row.get(at)).collect());
        }
        let sql = self.sqlite();
        let mut statement = sql.prepare(sqlite).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let row = rows.next().unwrap()?;
        Some((0..columns).map(|at| row.get(at).unwrap()).collect())
    }

    /// The file of the demo, opened beside the processes.
    pub(crate) fn sqlite(&self) -> rusqlite::Connection {
        let sql = rusqlite::Connection::open(self.folder().join("demo.db")).unwrap();
        sql.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        sql
    }

    /// By another program's hand: whether the session was there.
    pub(crate) async fn delete_row(&self, id: &str, guid: &str) -> bool {
        if let Some(redis) = &self.redis {
            let key = format!("logout-all:{{{id}}}:sessions");
            return redis.ask(&["HDEL", &key, guid]).unwrap();
        }
        let sqlite = format!(
            "DELETE FROM logout_all_sessions WHERE user_id = '{id}' AND lower(hex(guid)) = '{}' \
             RETURNING user_id",
            guid.replace('-', "")
        );
        let postgres =
            format!("DELETE FROM logout_all.sessions WHERE guid = '{guid}' RETURNING user_id");
        self.sql(&sqlite, &postgres).await.is_some()
    }

    /// All but the newest entry go, as those do that are too old.
    #[allow(dead_code, reason = "each test program uses its part")]
    pub(crate) async fn truncate_journal(&self) {
        if let Some(redis) = &self.redis {
            let removed = redis.ask(&["XTRIM", "logout-all:{*}:journal", "MAXLEN", "1"]);
            assert!(removed.is_ok_and(|removed: u64| removed > 0));
            return;
        }
        let sql = "DELETE FROM logout_all.journal WHERE seq < (SELECT max(seq) FROM \
                   logout_all.journal) RETURNING 'removed'";
        let database = self.database.as_ref().expect("a network store");
        let rows = database::connect(&database.config()).await.unwrap().query(sql, &[]).await;
        assert!(!rows.unwrap().is_empty());
    }

    /// By another program's hand.
    pub(crate) async fn lock(&self, username: &str, id: &str) {
        if let Some(redis) = &self.redis {
            let key = format!("logout-all:demo:account:{id}");
            return redis.ask(&["HSET", &key, "locked", "yes"]).unwrap();
        }
        let lock = format!(
            "UPDATE demo_accounts SET locked = TRUE WHERE username = '{username}' RETURNING username"
        );
        assert!(self.sql(&lock, &lock).await.is_some());
    }

    /// A user with the password of ada; his id.
    pub(crate) async fn add_user(&self, username: &str) -> String {
        if let Some(redis) = &self.redis {
            return add_to_redis(redis, username);
        }
        let add = |id: &str| {
            format!(
                "INSERT INTO demo_accounts (username, password_hash) SELECT '{username}', \
                 password_hash FROM demo_accounts WHERE username = 'ada' RETURNING {id}"
            )
        };
        let row = self.sql(&add("CAST(id AS TEXT)"), &add("id::text")).await.unwrap();
        row.into_iter().next().flatten().unwrap()
    }
}

/// What is before host and port, and those.
#[allow(dead_code, reason = "each test program uses its part")]
fn authority(url: &str) -> (&str, &str) {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url[begin..].find(['/', '?']).map_or(url.len(), |at| begin + at);
    let host = url[..end].rfind('@').map_or(begin, |at| at + 1);
    (&url[..host], &url[host..end])
}

fn add_to_redis(redis: &Numbered, username: &str) -> String {
    let ada: String = redis.ask(&["HGET", "logout-all:demo:ids", "ada"]).unwrap();
    let hash: String =
        redis.ask(&["HGET", &format!("logout-all:demo:account:{ada}"), "hash"]).unwrap();
    let id: i64 = redis.ask(&["INCR", "logout-all:demo:last"]).unwrap();
    let (id, key) = (id.to_string(), format!("logout-all:demo:account:{id}"));
    redis.ask::<()>(&["HSET", "logout-all:demo:ids", username, &id]).unwrap();
    let account = ["HSET", &key, "username", username, "hash", &hash, "locked", "no"];
    redis.ask::<()>(&account).unwrap();
    id
}
