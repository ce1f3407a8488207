//! The client with its ten thousand connections: a process of its own. It reads tokens, opens streams,
//! and prints what becomes of them.

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader, Write, stdin},
    net::SocketAddr,
    ops::Range,
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use logout_all_conformance::client::{Opened, Request};
use tokio::sync::Semaphore;

use crate::talk::bearer;

/// Names the server, and how many streams each token has.
const CLIENT: &str = "LOGOUT_ALL_TEST_STREAMS";
/// For all to open, and for all to close, on a slow machine.
const LIMIT: Duration = Duration::from_secs(50);
/// As long as the client lives.
const OPEN: Duration = Duration::from_mins(5);

pub(crate) fn is_wanted() -> bool {
    env::var_os(CLIENT).is_some()
}

/// Prints `open` for each stream, and `closed TOKEN EVENT`.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run() -> ExitCode {
    let wanted = env::var(CLIENT).unwrap();
    let (address, each) = wanted.split_once(' ').unwrap();
    let (address, each): (SocketAddr, usize) = (address.parse().unwrap(), each.parse().unwrap());
    let tokens: Vec<String> = stdin().lines().map(Result::unwrap).collect();
    let at_once = Arc::new(Semaphore::new(32));
    let mut streams = tokio::task::JoinSet::new();
    for (at, token) in tokens.into_iter().enumerate() {
        for _ in 0..each {
            let request = bearer(&token, Request::new("GET", "/auth/session/events"));
            let turn = at_once.clone().acquire_owned().await.unwrap();
            streams.spawn(async move {
                let mut opened = Opened::open(address, &request).await.unwrap();
                assert!(opened.has(":\n\n", LIMIT).await.unwrap(), "{}", opened.received());
                drop(turn);
                println!("open");
                let event = match opened.closed(OPEN).await {
                    Ok(answer) => last_event(&String::from_utf8_lossy(answer.body())),
                    Err(why) => format!("{why:?}").replace('\n', " "),
                };
                println!("closed {at} {event}");
            });
        }
    }
    streams.join_all().await;
    ExitCode::SUCCESS
}

/// `closing`, or the reason of the end.
fn last_event(body: &str) -> String {
    match body.rsplit_once("event: ended\ndata: {\"reason\":\"") {
        Some((_, reason)) => reason.split('"').next().unwrap().to_owned(),
        None if body.ends_with("event: closing\ndata: {}\n\n") => "closing".to_owned(),
        None => format!("{:?}", &body[body.len().saturating_sub(100)..]),
    }
}

/// The process. Dropped, it is killed.
pub(crate) struct Client {
    child: Child,
    lines: mpsc::Receiver<String>,
    streams: usize,
    /// The place of its first token among all.
    first: usize,
}

impl Client {
    pub(crate) fn start(server: SocketAddr, tokens: &[String], each: usize) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(CLIENT, format!("{server} {each}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        for token in tokens {
            writeln!(input, "{token}").unwrap();
        }
        drop(input);
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let first = usize::from(tokens.len() > 1);
        Self { child, lines, streams: tokens.len() * each, first }
    }

    pub(crate) fn all_open(&mut self) {
        let deadline = Instant::now() + LIMIT;
        for at in 0..self.streams {
            let line = self.line(deadline).unwrap_or_else(|| panic!("only {at} are open"));
            assert_eq!(line, "open");
        }
    }

    /// The next to close are exactly those of these tokens, for that reason.
    pub(crate) fn closed_are(&mut self, tokens: &Range<usize>, each: usize, reason: &str) {
        let deadline = Instant::now() + LIMIT;
        let mut closed = HashMap::new();
        for _ in 0..tokens.len() * each {
            let line = self.line(deadline).expect("more are to be closed");
            let (at, event) = closed_line(&line);
            assert_eq!(event, reason, "{line}");
            *closed.entry(at + self.first).or_insert(0) += 1;
        }
        let wanted: HashMap<usize, usize> = tokens.clone().map(|token| (token, each)).collect();
        assert_eq!(closed, wanted);
    }

    /// All that are left close, since the server does.
    pub(crate) fn closed_by_closing(&mut self, left: usize) {
        let deadline = Instant::now() + LIMIT;
        for at in 0..left {
            let line = self.line(deadline).unwrap_or_else(|| panic!("only {at} are closed"));
            assert_eq!(closed_line(&line).1, "closing", "{line}");
        }
    }

    /// How many close in that time.
    pub(crate) fn closed_within(&mut self, time: Duration) -> usize {
        let deadline = Instant::now() + time;
        std::iter::from_fn(|| self.line(deadline)).count()
    }

    fn line(&mut self, deadline: Instant) -> Option<String> {
        self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }
}

fn closed_line(line: &str) -> (usize, &str) {
    let rest = line.strip_prefix("closed ").unwrap_or_else(|| panic!("{line}"));
    let (at, event) = rest.split_once(' ').unwrap();
    (at.parse().unwrap(), event)
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
