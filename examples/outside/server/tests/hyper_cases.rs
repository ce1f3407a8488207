//! The HTTP cases over the server on bare hyper: the whole program.

use std::process::ExitCode;

use example_hyper_server::{App, Users, serve};
use logout_all::MemoryStore;
use logout_all_conformance::cases::{Cell, Running, Settings};
use tokio::{net::TcpListener, task::JoinSet};

struct Hyper;

impl Cell for Hyper {
    fn name(&self) -> String {
        "hyper::memory".to_owned()
    }

    async fn start(&self, settings: Settings) -> Result<Running, String> {
        let users = Users::default();
        let store = MemoryStore::with_clock(settings.clock());
        let builder = settings.sessions(store).users(users.clone());
        let sessions = builder.build().await.map_err(|why| why.to_string())?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|why| why.to_string())?;
        let address = listener.local_addr().map_err(|why| why.to_string())?;
        let mut server = JoinSet::new(); // dropped, it stops
        server.spawn(serve(listener, App::new(sessions.clone(), users.clone(), "open sesame")));
        let add = move |name, password| std::future::ready(Ok(users.add(name, password)));
        Ok(Running::new(address, sessions, "open sesame", add).keeping(server))
    }
}

fn main() -> ExitCode {
    logout_all_conformance::run_cases(Hyper)
}
