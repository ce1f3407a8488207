//! A TCP proxy between a store and its server that does what networks do: it falls silent, in one
//! direction or both, with every connection left open; it delays, it cuts; and it loses one answer.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use logout_all_postgres::{PostgresStore, PostgresStoreBuilder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use crate::postgres::Postgres;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Network {
    Good,
    /// Bytes disappear, both ways, as behind a firewall that forgot its connections: those of before
    /// and of now stay broken when the network is good again.
    BlackHole,
    /// What the store sends disappears.
    OneWayThere,
    /// What the server sends disappears.
    OneWayBack,
    /// Every piece takes so long, each way.
    Slow(Duration),
    /// Connections are closed, old and new.
    Cut,
}

/// How an answer gets lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    /// Its connection is closed in its place.
    Cut,
    /// Nothing comes, and the connection stays open.
    Silence,
}

/// The answer to lose: the first with that tag on a connection of that role.
struct Lose {
    role: &'static str,
    tag: &'static str,
    how: Loss,
}

pub(crate) struct Proxy {
    port: u16,
    user: String,
    shared: Arc<Shared>,
    network: watch::Sender<Network>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    opened: AtomicUsize,
    /// How often the network became a black hole.
    holes: AtomicUsize,
    lose: Mutex<VecDeque<Lose>>,
    lines: Mutex<Vec<Line>>,
}

/// A connection, and whether it waits for an answer.
#[derive(Clone, Default)]
struct Line {
    /// What it says that it is for.
    role: Arc<OnceLock<String>>,
    waits: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) async fn to(server: &Postgres) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Shared>::default();
        let (network, seen) = watch::channel(Network::Good);
        let (server_port, ours) = (server.port(), shared.clone());
        let task = tokio::spawn(async move {
            // Ended with this task, which the proxy's end aborts.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                ours.opened.fetch_add(1, Ordering::SeqCst);
                connections.spawn(connection(client, server_port, ours.clone(), seen.clone()));
            }
        });
        let url = server.url();
        let user = url.rsplit_once('@').unwrap().0.to_owned();
        Self { port, user, shared, network, task }
    }

    /// A store that reaches the server this way.
    pub(crate) fn builder(&self) -> PostgresStoreBuilder {
        PostgresStore::builder(format!("{}@127.0.0.1:{}/postgres", self.user, self.port))
    }

    pub(crate) fn becomes(&self, network: Network) {
        if network == Network::BlackHole {
            self.shared.holes.fetch_add(1, Ordering::SeqCst);
        }
        self.network.send_replace(network);
    }

    /// How many connections were asked for until now.
    pub(crate) fn opened(&self) -> usize {
        self.shared.opened.load(Ordering::SeqCst)
    }

    /// Loses the next answer with that command tag on a connection of that role.
    pub(crate) fn lose(&self, role: &'static str, tag: &'static str, how: Loss) {
        self.shared.lose.lock().unwrap().push_back(Lose { role, tag, how });
    }

    /// Whether no connection of that role waits for an answer: what the database shows as done has been
    /// answered too, and the next answer is of what comes next.
    pub(crate) fn is_quiet(&self, role: &str) -> bool {
        let lines = self.shared.lines.lock().unwrap();
        let mut waiting = lines.iter().filter(|line| line.waits.load(Ordering::SeqCst));
        !waiting.any(|line| line.role.get().is_some_and(|known| known == role))
    }

    /// Whether all answers that were to be lost are.
    pub(crate) fn has_lost_all(&self) -> bool {
        self.shared.lose.lock().unwrap().is_empty()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(
    client: TcpStream,
    server_port: u16,
    shared: Arc<Shared>,
    mut network: watch::Receiver<Network>,
) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let line = Line::default();
    shared.lines.lock().unwrap().push(line.clone());
    let direction = |way| Direction {
        way,
        line: line.clone(),
        network: network.clone(),
        holes: shared.holes.load(Ordering::SeqCst),
        shared: shared.clone(),
    };
    let (there, back) = (direction(Way::There), direction(Way::Back));
    tokio::select! {
        // Whichever ends first closes both.
        () = there.forward(from_client, to_server) => {}
        () = back.forward(from_server, to_client) => {}
        _ = network.wait_for(|network| *network == Network::Cut) => {}
    }
    line.waits.store(false, Ordering::SeqCst);
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// To the server.
    There,
    /// From the server.
    Back,
}

struct Direction {
    way: Way,
    shared: Arc<Shared>,
    /// What that was when the connection was opened.
    holes: usize,
    line: Line,
    network: watch::Receiver<Network>,
}

impl Direction {
    async fn forward(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut bytes = vec![0; 64 * 1024];
        let mut broken = false;
        loop {
            let read = from.read(&mut bytes).await.unwrap_or(0);
            if read == 0 {
                return;
            }
            let piece = &bytes[..read];
            if self.way == Way::There {
                self.line.role.get_or_init(|| role(piece));
                self.line.waits.store(true, Ordering::SeqCst);
            }
            let network = *self.network.borrow();
            broken |= self.holes != self.shared.holes.load(Ordering::SeqCst);
            broken |= match network {
                Network::BlackHole => true,
                Network::OneWayThere => self.way == Way::There,
                Network::OneWayBack => self.way == Way::Back,
                Network::Slow(delay) => {
                    tokio::time::sleep(delay).await;
                    false
                }
                Network::Good | Network::Cut => false,
            };
            match self.loses(piece) {
                Some(Loss::Cut) => return,
                Some(Loss::Silence) => broken = true,
                None => {}
            }
            if !broken && to.write_all(piece).await.is_err() {
                return;
            }
            if self.way == Way::Back {
                self.line.waits.store(false, Ordering::SeqCst);
            }
        }
    }

    fn loses(&self, piece: &[u8]) -> Option<Loss> {
        let mut lose = self.shared.lose.lock().unwrap();
        let next = lose.front()?;
        let tag = format!("{}\0", next.tag);
        let has_tag = piece.windows(tag.len()).any(|text| text == tag.as_bytes());
        if self.way == Way::There
            || !has_tag
            || self.line.role.get().is_none_or(|role| role != next.role)
        {
            return None;
        }
        lose.pop_front().map(|lost| lost.how)
    }
}

/// `write` of a first message with `application_name`, `logout-all write`.
fn role(startup: &[u8]) -> String {
    let words: Vec<&[u8]> = startup.split(|byte| *byte == 0).collect();
    let value = words.windows(2).find(|pair| pair[0] == b"application_name").map(|pair| pair[1]);
    let name = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    name.strip_prefix("logout-all ").unwrap_or_default().to_owned()
}
