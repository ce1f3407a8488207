//! A Rocket on a port of its own, for what the local client does not send.

#![allow(dead_code, reason = "each test program uses its part")]

use std::net::SocketAddr;

use logout_all_conformance::client::{Request, Response, send};
use rocket::{
    Build, Config, Rocket, Shutdown,
    config::{LogLevel, Shutdown as Ending},
    fairing::AdHoc,
};
use tokio::{sync::oneshot, task::JoinHandle};

pub(crate) struct Server {
    address: SocketAddr,
    ending: Shutdown,
    running: JoinHandle<()>,
}

/// Without anything that a file or a variable says.
pub(crate) fn config() -> Config {
    let shutdown = Ending { ctrlc: false, ..Ending::default() };
    Config { port: 0, log_level: LogLevel::Off, shutdown, ..Config::release_default() }
}

impl Server {
    pub(crate) async fn start(rocket: Rocket<Build>) -> Self {
        let (tell, told) = oneshot::channel();
        let tell = std::sync::Mutex::new(Some(tell));
        let rocket = rocket.attach(AdHoc::on_liftoff("told", move |rocket| {
            Box::pin(async move {
                let address = (rocket.config().address, rocket.config().port).into();
                let told =
                    tell.lock().unwrap().take().map(|tell| tell.send((address, rocket.shutdown())));
                assert!(matches!(told, Some(Ok(()))));
            })
        }));
        let running = tokio::spawn(async move { drop(rocket.launch().await.unwrap()) });
        let (address, ending) = told.await.unwrap();
        Self { address, ending, running }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn send(&self, request: &Request) -> Response {
        send(self.address, request).await.unwrap()
    }

    pub(crate) async fn end(self) {
        self.ending.notify();
        self.running.await.unwrap();
    }
}
