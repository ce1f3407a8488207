//! A TCP proxy between a store and its server that does what networks do: it falls silent, in one
//! direction or both, with every connection left open; it delays, it cuts, all connections or those
//! of one role; and it loses one answer.

#![allow(dead_code, reason = "each test program uses its part")]

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

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
    shared: Arc<Shared>,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

/// The network as it is, for all connections or for those of one role.
#[derive(Clone, Copy)]
struct State {
    network: Network,
    of: Option<&'static str>,
}

impl State {
    fn network_of(self, line: &Line) -> Network {
        let concerned = self.of.is_none_or(|role| line.has_role(role));
        if concerned { self.network } else { Network::Good }
    }
}

#[derive(Default)]
struct Shared {
    opened: AtomicUsize,
    lose: Mutex<VecDeque<Lose>>,
    lines: Mutex<Vec<Line>>,
}

/// A connection, and whether it waits for an answer.
#[derive(Clone, Default)]
struct Line {
    /// What it says that it is for, as soon as it has said it.
    role: Arc<OnceLock<String>>,
    waits: Arc<AtomicBool>,
    /// It fell into a black hole, and nothing comes through any more.
    lost: Arc<AtomicBool>,
    /// How many pieces the server has sent that came through.
    answered: Arc<AtomicUsize>,
}

impl Line {
    fn has_role(&self, role: &str) -> bool {
        self.role.get().is_some_and(|known| known == role)
    }
}

impl Proxy {
    /// To a server of this machine.
    pub(crate) async fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Shared>::default();
        let (state, seen) = watch::channel(State { network: Network::Good, of: None });
        let ours = shared.clone();
        let task = tokio::spawn(async move {
            // Ended with this task, which the proxy's end aborts.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                ours.opened.fetch_add(1, Ordering::SeqCst);
                connections.spawn(connection(client, server_port, ours.clone(), seen.clone()));
            }
        });
        Self { port, shared, state, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn becomes(&self, network: Network) {
        self.change(State { network, of: None });
    }

    /// For the connections of that role alone, old and new; for all others it is good.
    pub(crate) fn becomes_for(&self, role: &'static str, network: Network) {
        self.change(State { network, of: Some(role) });
    }

    fn change(&self, state: State) {
        self.state.send_replace(state);
        // Those too over which nothing is sent while it lasts.
        for line in self.shared.lines.lock().unwrap().iter() {
            if state.network_of(line) == Network::BlackHole {
                line.lost.store(true, Ordering::SeqCst);
            }
        }
    }

    /// How much has come from the server over connections of that role until now.
    pub(crate) fn answered(&self, role: &str) -> usize {
        let lines = self.shared.lines.lock().unwrap();
        let known = lines.iter().filter(|line| line.has_role(role));
        known.map(|line| line.answered.load(Ordering::SeqCst)).sum()
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
    mut state: watch::Receiver<State>,
) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let line = Line::default();
    shared.lines.lock().unwrap().push(line.clone());
    let direction =
        |way| Direction { way, line: line.clone(), state: state.clone(), shared: shared.clone() };
    let (there, back) = (direction(Way::There), direction(Way::Back));
    tokio::select! {
        // Whichever ends first closes both.
        () = there.forward(from_client, to_server) => {}
        () = back.forward(from_server, to_client) => {}
        _ = state.wait_for(|state| state.network_of(&line) == Network::Cut) => {}
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
    line: Line,
    state: watch::Receiver<State>,
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
                if let Some(role) = role(piece) {
                    self.line.role.get_or_init(|| role);
                }
                self.line.waits.store(true, Ordering::SeqCst);
            }
            let network = self.state.borrow().network_of(&self.line);
            if network == Network::BlackHole {
                self.line.lost.store(true, Ordering::SeqCst);
            }
            broken |= self.line.lost.load(Ordering::SeqCst);
            broken |= match network {
                Network::OneWayThere => self.way == Way::There,
                Network::OneWayBack => self.way == Way::Back,
                Network::Slow(delay) => {
                    tokio::time::sleep(delay).await;
                    false
                }
                // It has said what it is for only now.
                Network::Cut => return,
                Network::Good | Network::BlackHole => false,
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
                self.line.answered.fetch_add(usize::from(!broken), Ordering::SeqCst);
            }
        }
    }

    fn loses(&self, piece: &[u8]) -> Option<Loss> {
        let mut lose = self.shared.lose.lock().unwrap();
        let next = lose.front()?;
        let tag = format!("{}\0", next.tag);
        let has_tag = piece.windows(tag.len()).any(|text| text == tag.as_bytes());
        if self.way == Way::There || !has_tag || !self.line.has_role(next.role) {
            return None;
        }
        lose.pop_front().map(|lost| lost.how)
    }
}

/// What a connection is for, where this piece of what its client sends tells it.
pub(crate) fn role(piece: &[u8]) -> Option<String> {
    of_postgres(piece).or_else(|| of_redis(piece).map(str::to_owned))
}

/// `write` of a first message with `application_name`, `logout-all write`.
fn of_postgres(startup: &[u8]) -> Option<String> {
    let words: Vec<&[u8]> = startup.split(|byte| *byte == 0).collect();
    let name = words.windows(2).find(|pair| pair[0] == b"application_name").map(|pair| pair[1])?;
    Some(String::from_utf8_lossy(name).trim_start_matches("logout-all ").to_owned())
}

/// `wake` where it is to be told what it did not ask, and so begins with `HELLO`; `poll` where it calls the script that is given the journal and the key
/// that is never there, in this order.
fn of_redis(request: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(request);
    let words: Vec<&str> = text.split("\r\n").filter(|word| !word.starts_with('$')).collect();
    if words.contains(&"HELLO") {
        return Some("wake");
    }
    let polls = |pair: &[&str]| pair[0].ends_with(":journal") && pair[1].ends_with(":nothing");
    words.windows(2).any(polls).then_some("poll")
}
