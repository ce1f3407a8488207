//! A TCP proxy in front of the server that can fall silent, as a firewall does: connections stay
//! open and nothing comes through any more; or that has TLS on its side of the client.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    silence: Arc<Mutex<Arc<AtomicBool>>>,
}

impl Proxy {
    pub(crate) async fn to(server: u16, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silence: Arc<Mutex<Arc<AtomicBool>>> = Arc::default();
        let proxy = Self { port, silence: Arc::clone(&silence) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let silent = Arc::clone(&silence.lock().unwrap());
                let tls = tls.clone();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
                        return;
                    };
                    match tls {
                        None => join(client, server, silent).await,
                        Some(tls) => {
                            let Ok(client) = tls.accept(client).await else { return };
                            join(client, server, silent).await;
                        }
                    }
                });
            }
        });
        proxy
    }

    /// Nothing comes through the connections that are open now, nor ever will. New ones are well.
    pub(crate) fn swallow(&self) {
        let old = std::mem::take(&mut *self.silence.lock().unwrap());
        old.store(true, Ordering::SeqCst);
    }
}

/// Whichever side ends first closes both.
async fn join(client: impl AsyncRead + AsyncWrite, server: TcpStream, silent: Arc<AtomicBool>) {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = forward(from_client, to_server, &silent) => {}
        () = forward(from_server, to_client, &silent) => {}
    }
}

async fn forward(from: impl AsyncRead, to: impl AsyncWrite, silent: &AtomicBool) {
    let (mut from, mut to) = (std::pin::pin!(from), std::pin::pin!(to));
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut bytes).await.unwrap_or(0);
        if silent.load(Ordering::SeqCst) {
            // Open for as long as the test is.
            std::future::pending::<()>().await;
        }
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
