//! Ten thousand event streams on one server, over PostgreSQL: "10,000 open streams on one node (client
//! in a process of its own) without store load per stream".
//!
//! Server and client are this program itself, started once more; each needs some ten thousand open
//! files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may panic")]

#[path = "../database/mod.rs"]
mod database;
#[path = "../programs/home.rs"]
#[allow(dead_code, reason = "each test program uses its part")]
mod home;
#[path = "../keys/mod.rs"]
mod keys;
#[path = "../programs/program.rs"]
#[allow(dead_code, reason = "each test program uses its part")]
mod program;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../talk/mod.rs"]
mod talk;

mod client;
mod crowd;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use client::Client;
use crowd::Crowd;
use database::Gone;
use home::Home;
use libtest_mimic::{Arguments, Trial};
use logout_all::{By, EndReason};
use logout_all_conformance::client::{Request, Response};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use servers::{Framework, Store};
use talk::{bearer, code};

/// Streams of a session, and of a node: all that may be.
const EACH: usize = 8;
const ALL: usize = 10_000;
/// Streams, and what a server has open beside them.
const FILES: u64 = 10_300;

/// How long the store is watched.
const WATCHED: Duration = Duration::from_secs(6);
/// Commits meanwhile: polls of the journal, twice a second.
const MOST: i64 = 4000;
/// Until activity is written down, and the statistics of PostgreSQL tell of it.
const CALM: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    if let Some(framework) = program::wanted() {
        return program::run(framework);
    }
    if client::is_wanted() {
        return client::run();
    }
    let arguments = Arguments::from_args();
    let _gone = Gone;
    let trials = Framework::ALL.map(|framework| {
        let name = format!("{}::postgres::ten_thousand_streams", framework.name());
        Trial::test(name, move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(ten_thousand_streams(framework));
            Ok(())
        })
    });
    // One after the other: ten thousand streams are enough for one machine.
    let arguments = Arguments { test_threads: Some(1), ..arguments };
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

async fn ten_thousand_streams(framework: Framework) {
    raise_the_limit();
    let home = Home::new(framework, Store::Postgres).await;
    let mut server = home.start(&["--log", "warn"]);
    let crowd = Crowd::new(&home, ALL / EACH).await;

    let mut first = Client::start(server.address, &crowd.tokens[..1], EACH);
    first.all_open();
    tokio::time::sleep(CALM).await;
    let of_few = crowd.commits_in(WATCHED).await;
    let small = server.memory();
    let begun = Instant::now();
    let mut all = Client::start(server.address, &crowd.tokens[1..ALL / EACH], EACH);
    all.all_open();
    println!("{}: opened within {:?}", home.name(), begun.elapsed());
    tokio::time::sleep(CALM).await;
    let of_all = crowd.commits_in(WATCHED).await;
    println!(
        "{}: commits in {WATCHED:?}: {of_few} with {EACH} streams, {of_all} with {ALL}; {} bytes of \
         the server's memory a stream",
        home.name(),
        (server.memory() - small) * 1024 / (ALL - EACH),
    );
    // PostgreSQL counts late what the logins before did, some thousand commits. One question for each
    // stream would be ten thousand; how often the store is asked, `open` counts exactly.
    assert!(of_all <= MOST, "{of_all} commits, and {of_few} with few streams");

    let late = server.send(bearer(&crowd.late, Request::new("GET", "/auth/session/events"))).await;
    assert_eq!(code(&late), "too-many-streams");

    // By this server, and by another node.
    let seventh = Crowd::devices_of(7);
    let answer = server.ask(&crowd.tokens[seventh.start], "DELETE", "/auth/sessions").await;
    assert_eq!(Response::status(&answer), 200, "{answer}");
    all.closed_are(&seventh, EACH, "everywhere");
    let eighth = Crowd::devices_of(8);
    let by = By::operator("test");
    crowd.sessions.logout_all(crowd.user(8), EndReason::Locked, by).await.unwrap();
    all.closed_are(&eighth, EACH, "ended");
    assert_eq!(all.closed_within(Duration::from_secs(2)), 0, "nobody else's");

    let begun = Instant::now();
    server.signal("TERM");
    let left = ALL - EACH - EACH * (seventh.len() + eighth.len());
    all.closed_by_closing(left);
    first.closed_by_closing(EACH);
    assert!(server.ended().success());
    println!("{}: ended {:?} after the signal", home.name(), begun.elapsed());
}

fn raise_the_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let enough = maximum.is_none_or(|most| most >= FILES);
    assert!(enough, "this test needs {FILES} open files, and `ulimit -Hn` says {maximum:?}");
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}
