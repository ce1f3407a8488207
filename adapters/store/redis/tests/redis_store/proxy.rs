//! A TCP proxy in front of the server, with the faults of a network: it falls silent as a firewall
//! does (connections stay open and nothing comes through any more), cuts a connection at a word, is
//! slow, or leads elsewhere after a failover. It can have TLS on its side of the client.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    network: Arc<Network>,
}

/// What is true of all connections, and of those to come.
#[derive(Default)]
struct Network {
    server: AtomicU16,
    /// Milliseconds that each piece takes.
    delay: AtomicU64,
    cut: Mutex<Option<(Vec<u8>, Cut)>>,
    silence: Mutex<Arc<AtomicBool>>,
    /// Calls of scripts that clients have sent, heard or not.
    calls: AtomicU64,
}

/// What is lost, together with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The request: the server never sees it.
    Request,
    /// The answer: the server has done what was asked.
    Answer,
}

impl Proxy {
    pub(crate) async fn to(server: u16, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let network = Arc::new(Network { server: AtomicU16::new(server), ..Network::default() });
        let proxy = Self { port, network: Arc::clone(&network) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let network = Arc::clone(&network);
                let silent = Arc::clone(&network.silence.lock().unwrap());
                let tls = tls.clone();
                tokio::spawn(async move {
                    let port = network.server.load(Ordering::SeqCst);
                    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    match tls {
                        None => join(client, server, &silent, &network).await,
                        Some(tls) => {
                            let Ok(client) = tls.accept(client).await else { return };
                            join(client, server, &silent, &network).await;
                        }
                    }
                });
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Nothing comes through the connections that are open now, nor ever will. New ones are well.
    pub(crate) fn swallow(&self) {
        let old = std::mem::take(&mut *self.network.silence.lock().unwrap());
        old.store(true, Ordering::SeqCst);
    }

    /// Nothing comes through the connections that are open now, nor through new ones, until
    /// [`hear_again`](Self::hear_again).
    pub(crate) fn black_hole(&self) {
        self.network.silence.lock().unwrap().store(true, Ordering::SeqCst);
    }

    /// New connections are well; those in which something was lost stay silent.
    pub(crate) fn hear_again(&self) {
        *self.network.silence.lock().unwrap() = Arc::default();
    }

    /// How many calls of scripts were sent so far.
    pub(crate) fn calls(&self) -> u64 {
        self.network.calls.load(Ordering::SeqCst)
    }

    /// The next request with this word in it loses its connection.
    pub(crate) fn cut_at(&self, word: &str, cut: Cut) {
        *self.network.cut.lock().unwrap() = Some((word.as_bytes().to_vec(), cut));
    }

    /// Whether no request has met the cut yet.
    pub(crate) fn cut_is_pending(&self) -> bool {
        self.network.cut.lock().unwrap().is_some()
    }

    /// Each request and each answer takes so much longer.
    pub(crate) fn slow_down(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap();
        self.network.delay.store(delay, Ordering::SeqCst);
    }

    /// New connections lead there: the name of the primary after a failover.
    pub(crate) fn lead_to(&self, server: u16) {
        self.network.server.store(server, Ordering::SeqCst);
    }
}

impl Network {
    fn cut(&self, bytes: &[u8]) -> Option<Cut> {
        let mut wanted = self.cut.lock().unwrap();
        let (word, cut) = wanted.as_ref()?;
        let found = bytes.windows(word.len()).any(|part| part == word).then_some(*cut);
        if found.is_some() {
            *wanted = None;
        }
        found
    }
}

/// Whichever side ends first closes both.
async fn join(
    client: impl AsyncRead + AsyncWrite,
    server: TcpStream,
    silent: &AtomicBool,
    network: &Network,
) {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = server.into_split();
    let answers_are_lost = AtomicBool::new(false);
    let requests = |bytes: &[u8]| match network.cut(bytes) {
        Some(Cut::Request) => false,
        Some(Cut::Answer) => {
            answers_are_lost.store(true, Ordering::SeqCst);
            true
        }
        None => true,
    };
    let answers = |_: &[u8]| !answers_are_lost.load(Ordering::SeqCst);
    tokio::select! {
        () = forward(from_client, to_server, silent, network, requests) => {}
        () = forward(from_server, to_client, silent, network, answers) => {}
    }
}

/// Each piece that may pass, until one may not.
async fn forward(
    from: impl AsyncRead,
    to: impl AsyncWrite,
    silent: &AtomicBool,
    network: &Network,
    passes: impl Fn(&[u8]) -> bool,
) {
    let (mut from, mut to) = (std::pin::pin!(from), std::pin::pin!(to));
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut bytes).await.unwrap_or(0);
        let calls = bytes[..read].windows(7).filter(|word| word == b"EVALSHA").count();
        network.calls.fetch_add(calls as u64, Ordering::SeqCst);
        if silent.load(Ordering::SeqCst) {
            if read == 0 {
                // Open for as long as the test is.
                std::future::pending::<()>().await;
            }
            continue;
        }
        let delay = network.delay.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        let piece = &bytes[..read];
        if read == 0 || !passes(piece) {
            return;
        }
        if to.write_all(piece).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
