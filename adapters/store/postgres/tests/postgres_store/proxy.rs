//! A TCP proxy in front of the server that can fall silent, as a firewall does: connections stay
//! open and nothing comes through any more; or that cuts a connection between a commit and its
//! answer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use logout_all_postgres::tokio_postgres::{Config, config::Host};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) struct Proxy {
    port: u16,
    silence: Arc<std::sync::Mutex<Arc<AtomicBool>>>,
    frozen: Arc<AtomicBool>,
    cut_at_commit: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) async fn to(config: &Config) -> Self {
        let host = match &config.get_hosts()[0] {
            Host::Tcp(name) => name.clone(),
            Host::Unix(_) => panic!("these tests need a server that listens on TCP"),
        };
        let server = (host, config.get_ports().first().copied().unwrap_or(5432));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silence = Arc::new(std::sync::Mutex::new(Arc::new(AtomicBool::new(false))));
        let cut_at_commit = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&cut_at_commit);
        let frozen = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&frozen);
        let proxy = Self { port, silence: Arc::clone(&silence), frozen, cut_at_commit };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let silent = if stopped.load(Ordering::SeqCst) {
                    Arc::new(AtomicBool::new(true))
                } else {
                    Arc::clone(&silence.lock().unwrap())
                };
                let (server, cut) = (server.clone(), Arc::clone(&cut));
                tokio::spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    let never = Arc::new(AtomicBool::new(false));
                    let there = forward(from_client, to_server, Arc::clone(&silent), never);
                    let back = forward(from_server, to_client, silent, cut);
                    // Whichever ends first closes both.
                    tokio::select! { () = there => {}, () = back => {} }
                });
            }
        });
        proxy
    }

    pub(crate) fn config(&self, config: &Config) -> Config {
        let mut through = Config::new();
        through.host("127.0.0.1").port(self.port);
        through.user(config.get_user().unwrap()).dbname(config.get_dbname().unwrap());
        if let Some(password) = config.get_password() {
            through.password(password);
        }
        through
    }

    /// Nothing comes through the connections that are open now, nor ever will. New ones are well.
    pub(crate) fn swallow(&self) {
        let old = std::mem::take(&mut *self.silence.lock().unwrap());
        old.store(true, Ordering::SeqCst);
    }

    /// Nothing comes through any connection, new ones among them, as with a server that stands still.
    pub(crate) fn freeze(&self) {
        self.swallow();
        self.frozen.store(true, Ordering::SeqCst);
    }

    /// New connections are well again.
    pub(crate) fn thaw(&self) {
        self.frozen.store(false, Ordering::SeqCst);
    }

    /// The next answer to a COMMIT does not arrive: its connection is closed instead.
    pub(crate) fn cut_at_commit(&self) {
        self.cut_at_commit.store(true, Ordering::SeqCst);
    }
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    silent: Arc<AtomicBool>,
    cut_at_commit: Arc<AtomicBool>,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut bytes).await.unwrap_or(0);
        if silent.load(Ordering::SeqCst) {
            // Open for as long as the test is.
            std::future::pending::<()>().await;
        }
        let committed = bytes[..read].windows(7).any(|text| text == b"COMMIT\0");
        if committed && cut_at_commit.swap(false, Ordering::SeqCst) {
            return;
        }
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
