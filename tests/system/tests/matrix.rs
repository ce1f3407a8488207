//! The HTTP cases over every framework and every store: one behaviour, whatever it is made of.

use std::{future::Future, process::ExitCode};

use example_support::{Accounts, AdminToken, App, HashCost, open_sqlite};
use libtest_mimic::{Arguments, Trial};
use logout_all::{MemoryStore, SessionStore, SessionsBuilder};
use logout_all_conformance::cases::{Cell, Running, Settings, trials};
use tokio::{net::TcpListener, sync::oneshot};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut all: Vec<Trial> = Vec::new();
    all.extend(trials(Axum(Store::Memory)));
    all.extend(trials(Axum(Store::Sqlite)));
    if !arguments.list {
        for store in [Store::Memory, Store::Sqlite] {
            match store.version() {
                Ok(version) => println!("version: {} {version}", store.name()),
                // The trials will fail, each with the reason.
                Err(why) => println!("version: {} unknown: {why}", store.name()),
            }
        }
    }
    libtest_mimic::run(&arguments, all).exit_code()
}

#[derive(Clone, Copy)]
enum Store {
    Memory,
    Sqlite,
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        }
    }

    fn version(self) -> Result<String, String> {
        match self {
            Self::Memory => Ok(MemoryStore::new().info().version),
            Self::Sqlite => {
                let runtime = tokio::runtime::Runtime::new().map_err(text)?;
                runtime.block_on(async {
                    let folder = tempfile::tempdir().map_err(text)?;
                    let path = folder.path().join("version.db");
                    let (cost, clock) = (HashCost::DangerCheap, logout_all::Clock::system());
                    let (store, _) = open_sqlite(&path, cost, clock).await.map_err(text)?;
                    Ok(store.info().version)
                })
            }
        }
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
    let folder = tempfile::tempdir().map_err(text)?;
    let cost = HashCost::DangerCheap;
    let (builder, accounts): (SessionsBuilder, Accounts) = match store {
        Store::Memory => {
            let accounts = Accounts::memory(cost).map_err(text)?;
            let store = MemoryStore::with_clock(settings.clock());
            (settings.sessions(store).users(accounts.clone()), accounts)
        }
        Store::Sqlite => {
            let path = folder.path().join("matrix.db");
            let (store, accounts) =
                open_sqlite(&path, cost, settings.clock()).await.map_err(text)?;
            (settings.sessions(store), accounts)
        }
    };
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
    Ok(Running::new(address, sessions, shown, add).keeping((stop, folder)))
}

type Stopped = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
