//! The HTTP cases over every framework and every store: one behaviour, whatever it is made of.

mod database;

use std::{any::Any, future::Future, process::ExitCode};

use database::{Database, Gone};
use example_support::{Accounts, AdminToken, App, HashCost, open_postgres, open_sqlite};
use libtest_mimic::{Arguments, Trial};
use logout_all::{MemoryStore, SessionStore, SessionsBuilder};
use logout_all_conformance::cases::{Cell, Running, Settings, trials};
use tokio::{net::TcpListener, sync::oneshot};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let _gone = Gone;
    let mut all: Vec<Trial> = Vec::new();
    for store in [Store::Memory, Store::Sqlite, Store::Postgres] {
        let trials = trials(Axum(store));
        // Nothing is asked of a server that no trial of this run needs.
        if !arguments.list && trials.iter().any(|trial| is_chosen(&arguments, trial.name())) {
            match store.version() {
                Ok(version) => println!("version: {} {version}", store.name()),
                // The trials will fail, each with the reason.
                Err(why) => println!("version: {} unknown: {why}", store.name()),
            }
        }
        all.extend(trials);
    }
    libtest_mimic::run(&arguments, all).exit_code()
}

/// Whether the run of these arguments has that trial in it.
fn is_chosen(arguments: &Arguments, trial: &str) -> bool {
    let is = |pattern: &String| {
        if arguments.exact { trial == pattern } else { trial.contains(pattern.as_str()) }
    };
    arguments.filter.iter().all(is) && !arguments.skip.iter().any(is)
}

#[derive(Clone, Copy)]
enum Store {
    Memory,
    Sqlite,
    Postgres,
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    fn version(self) -> Result<String, String> {
        let runtime = tokio::runtime::Runtime::new().map_err(text)?;
        runtime.block_on(async {
            let (cost, clock) = (HashCost::DangerCheap, logout_all::Clock::system());
            match self {
                Self::Memory => Ok(MemoryStore::new().info().version),
                Self::Sqlite => {
                    let folder = tempfile::tempdir().map_err(text)?;
                    let path = folder.path().join("version.db");
                    let (store, _) = open_sqlite(&path, cost, clock).await.map_err(text)?;
                    Ok(store.info().version)
                }
                Self::Postgres => {
                    let database = Database::new().await?;
                    let opened = open_postgres(&database.config(), cost, clock).await;
                    Ok(opened.map_err(text)?.0.info().version)
                }
            }
        })
    }
}

/// The example on Axum over one of the stores.
struct Axum(Store);

impl Cell for Axum {
    fn name(&self) -> String {
        format!("axum::{}", self.0.name())
    }

    async fn start(&self, settings: Settings) -> Result<Running, String> {
        serve(self.0, settings, |listener, app, stopped| async {
            // It ends with the process or with its case; nobody waits for its outcome.
            let _ = example_axum::serve(listener, app, stopped).await;
        })
        .await
    }
}

/// One of the examples' servers over one of the stores, in this process.
async fn serve<F>(
    store: Store,
    settings: Settings,
    server: impl FnOnce(TcpListener, App, Stopped) -> F,
) -> Result<Running, String>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (builder, accounts, kept) = open(store, &settings).await?;
    let sessions = builder.build().await.map_err(text)?;
    let admin_token = AdminToken::random().map_err(text)?;
    let shown = admin_token.expose().to_owned();
    let app = App::with_clock(sessions.clone(), accounts.clone(), admin_token, settings.clock());

    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
    let address = listener.local_addr().map_err(text)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped: Stopped = Box::pin(async move { drop(stopped.await) });
    tokio::spawn(server(listener, app, stopped));
    let add = move |name: String, password: String| {
        let accounts = accounts.clone();
        async move {
            let id = accounts.add(&name, &password).await.map_err(|why| format!("{why:?}"))?;
            Ok(id.to_string())
        }
    };
    Ok(Running::new(address, sessions, shown, add).keeping((stop, kept)))
}

/// An empty store, and what it is gone with.
async fn open(
    store: Store,
    settings: &Settings,
) -> Result<(SessionsBuilder, Accounts, Box<dyn Any + Send + Sync>), String> {
    let (cost, clock) = (HashCost::DangerCheap, settings.clock());
    match store {
        Store::Memory => {
            let accounts = Accounts::memory(cost).map_err(text)?;
            let store = MemoryStore::with_clock(clock);
            let builder = settings.sessions(store).users(accounts.clone());
            Ok((builder, accounts, Box::new(())))
        }
        Store::Sqlite => {
            let folder = tempfile::tempdir().map_err(text)?;
            let path = folder.path().join("matrix.db");
            let (store, accounts) = open_sqlite(&path, cost, clock).await.map_err(text)?;
            Ok((settings.sessions(store), accounts, Box::new(folder)))
        }
        Store::Postgres => {
            let database = Database::new().await?;
            let opened = open_postgres(&database.config(), cost, clock).await;
            let (store, accounts) = opened.map_err(text)?;
            Ok((settings.sessions(store), accounts, Box::new(database)))
        }
    }
}

type Stopped = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
