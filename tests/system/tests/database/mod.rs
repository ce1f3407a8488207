//! A PostgreSQL database of its own for each server or test, gone with it.

use std::{
    mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
};

use logout_all_postgres::tokio_postgres::{Client, Config, Error, NoTls};

/// The threads that remove databases.
static LEAVING: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Dropped, it has the database removed, with whatever connections there still are.
pub(crate) struct Database {
    server: Config,
    server_url: String,
    name: String,
    /// Whether it goes with its server, and needs no removal.
    goes_with_server: bool,
}

impl Database {
    pub(crate) async fn new() -> Result<Self, String> {
        Self::create(&server_url()?, false).await
    }

    /// On a server of the test's own.
    #[allow(dead_code, reason = "each test program uses its part")]
    pub(crate) async fn on(server_url: &str) -> Result<Self, String> {
        Self::create(server_url, true).await
    }

    async fn create(server_url: &str, goes_with_server: bool) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server: Config = server_url
            .parse()
            .map_err(|_| "the URL of the PostgreSQL server cannot be read".to_owned())?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("logout_all_system_{}_{count}", std::process::id());
        let sql = connect(&server).await.map_err(|error| no_server(&error))?;
        let created = sql.batch_execute(&format!("CREATE DATABASE {name}")).await;
        created.map_err(|error| no_server(&error))?;
        Ok(Self { server, server_url: server_url.to_owned(), name, goes_with_server })
    }

    /// The same outside of any runtime.
    #[allow(dead_code, reason = "each test program uses its part")]
    #[tokio::main(flavor = "current_thread")]
    pub(crate) async fn new_now() -> Result<Self, String> {
        Self::new().await
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = self.server.clone();
        config.dbname(&self.name);
        config
    }
}

#[allow(dead_code, reason = "each test program uses its part")]
impl Database {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// As a program takes it, with the server's password.
    pub(crate) fn url(&self) -> String {
        let server = self.server_url.as_str();
        let (place, query) = server.split_once('?').unwrap_or((server, ""));
        let (scheme, rest) = place.split_once("://").unwrap_or(("postgres", place));
        let authority = rest.split('/').next().unwrap_or_default();
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        format!("{scheme}://{authority}/{}{query}", self.name)
    }
}

impl Drop for Database {
    /// Does not wait: this may be a thread that drives connections, and PostgreSQL removes no
    /// database as long as one to any other is waiting to be opened (`ProcSignalBarrier`).
    fn drop(&mut self) {
        if self.goes_with_server {
            return;
        }
        let (server, name) = (self.server.clone(), mem::take(&mut self.name));
        let leaving = std::thread::spawn(move || {
            if let Err(error) = remove(&server, &name) {
                eprintln!("the database {name} stays behind: {error}");
            }
        });
        LEAVING.lock().unwrap_or_else(PoisonError::into_inner).push(leaving);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn remove(server: &Config, name: &str) -> Result<(), Error> {
    let sql = connect(server).await?;
    sql.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

#[allow(dead_code, reason = "each test program uses its part")]
/// Dropped, it waits until every database is gone that was dropped before: at the end of a process
/// or a test, and on no thread that drives connections.
pub(crate) struct Gone;

impl Drop for Gone {
    fn drop(&mut self) {
        let leaving = mem::take(&mut *LEAVING.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in leaving {
            // It has said itself what went wrong.
            drop(thread.join());
        }
    }
}

/// Where the server is. That there is none is a failure, and never a reason to run nothing.
fn server_url() -> Result<String, String> {
    std::env::var("TEST_DATABASE_URL").map_err(|_| {
        "TEST_DATABASE_URL is not set: `cargo xtask test-all` brings a PostgreSQL server, `cargo \
         xtask services postgres` starts one by hand, and `--skip postgres::` leaves it out"
            .to_owned()
    })
}

pub(crate) async fn connect(database: &Config) -> Result<Client, Error> {
    let (client, connection) = database.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn no_server(error: &Error) -> String {
    format!("the server of TEST_DATABASE_URL: {error}")
}
