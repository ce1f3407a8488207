//! A PostgreSQL database of its own for each server or test, gone with it.

use std::sync::atomic::{AtomicU32, Ordering};

use logout_all_postgres::tokio_postgres::{Client, Config, Error, NoTls};

/// Dropped, it removes the database, with whatever connections there still are.
pub(crate) struct Database {
    server: Config,
    name: String,
}

impl Database {
    pub(crate) async fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = server()?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("logout_all_system_{}_{count}", std::process::id());
        let sql = connect(&server).await.map_err(no_server)?;
        sql.batch_execute(&format!("CREATE DATABASE {name}")).await.map_err(no_server)?;
        Ok(Self { server, name })
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = self.server.clone();
        config.dbname(&self.name);
        config
    }
}

impl Drop for Database {
    /// Waits until it is done, on a thread and a runtime of its own: at the end of the last test the
    /// process ends.
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            runtime
                .block_on(async { connect(&server).await?.batch_execute(&drop).await })
                .map_err(no_server)
        });
        match thread.join() {
            Ok(Ok(())) => {}
            other => eprintln!("the database {} stays behind: {other:?}", self.name),
        }
    }
}

/// Where the server is. That there is none is a failure, and never a reason to run nothing.
fn server() -> Result<Config, String> {
    let url = std::env::var("TEST_DATABASE_URL").map_err(|_| {
        "TEST_DATABASE_URL is not set: `cargo xtask test-all` brings a PostgreSQL server, `cargo \
         xtask services postgres` starts one by hand, and `--skip postgres::` leaves it out"
    })?;
    url.parse().map_err(|_| "TEST_DATABASE_URL is not the URL of a PostgreSQL server".to_owned())
}

pub(crate) async fn connect(database: &Config) -> Result<Client, Error> {
    let (client, connection) = database.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn no_server(error: Error) -> String {
    format!("the server of TEST_DATABASE_URL: {error}")
}
