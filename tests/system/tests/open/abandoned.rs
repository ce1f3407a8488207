//! Event streams whose client is gone, on every framework: however it went, its place is free again.
//! In real time: a server notices with the next comment, or the one after it.

use std::{net::SocketAddr, time::Duration};

use logout_all::{ClientInfo, Clock, Keys, SessionStore, Sessions, SessionsBuilder, UserId};
use logout_all_conformance::client::{Opened, Request};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::servers::{Framework, Server, Setup, Store, start};

/// Streams of one session.
const MOST: usize = 8;
/// A comment is written every 15 s; the first one to a client that is gone may only earn a reset.
const NOTICED: Duration = Duration::from_secs(35);
const SOON: Duration = Duration::from_secs(10);

/// "A stream whose client is gone counts until the server notices": then another may come.
macro_rules! on_each_framework {
    ($($name:ident $framework:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            places_come_back(Framework::$framework).await;
        }
    )*};
}

on_each_framework! {
    axum_gives_the_places_of_clients_that_are_gone_to_others Axum;
    actix_gives_the_places_of_clients_that_are_gone_to_others Actix;
    rocket_gives_the_places_of_clients_that_are_gone_to_others Rocket;
}

async fn places_come_back(framework: Framework) {
    let server = start(framework, Store::Memory, &Plain).await.unwrap();
    let ada = server.accounts.add("ada", "lovelace").await.unwrap();
    let (closed, reset) = (sign_in(&server, &ada).await, sign_in(&server, &ada).await);
    let mut streams = Vec::new();
    for _ in 0..MOST {
        streams.push(open(server.address, &closed).await.unwrap());
    }
    // These read nothing: what the server has written by then makes their close a reset.
    let mut unread = Vec::new();
    for _ in 0..MOST {
        unread.push(open_unread(server.address, &reset).await);
    }
    for request in [&closed, &reset] {
        assert!(open(server.address, request).await.is_none(), "all places are taken");
    }
    drop((streams, unread));
    let since = Instant::now();
    let (one, two) = tokio::join!(
        all_are_free(server.address, &closed, since),
        all_are_free(server.address, &reset, since)
    );
    println!("{}: closed {one:?}, reset {two:?}", framework.name());
}

/// Until as many are open as may be; when that was.
async fn all_are_free(address: SocketAddr, request: &Request, since: Instant) -> Duration {
    let mut streams = Vec::new();
    loop {
        match open(address, request).await {
            Some(stream) => streams.push(stream),
            None => sleep(Duration::from_millis(250)).await,
        }
        if streams.len() == MOST {
            return since.elapsed();
        }
        let (free, waited) = (streams.len(), since.elapsed());
        assert!(waited < NOTICED, "{free} of {MOST} places are free after {waited:?}");
    }
}

/// The stream once its first comment has come, or none where there is no place for it.
async fn open(address: SocketAddr, request: &Request) -> Option<Opened> {
    let mut opened = Opened::open(address, request).await.unwrap();
    if opened.has(":\n\n", SOON).await.unwrap() {
        return Some(opened);
    }
    let received = opened.received();
    assert!(received.contains("too-many-streams"), "{received}");
    None
}

/// A connection over which the answer has come, and lies there.
async fn open_unread(address: SocketAddr, request: &Request) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request.to_bytes()).await.unwrap();
    timeout(SOON, stream.peek(&mut [0])).await.unwrap().unwrap();
    stream
}

/// A request for the event stream of a new session.
async fn sign_in(server: &Server, user: &UserId) -> Request {
    let ticket = server.sessions.begin_login(Some(user)).await.unwrap();
    let login = server.sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
    let bearer = format!("Bearer {}", login.issued.token.expose());
    Request::new("GET", "/auth/session/events").header("Authorization", bearer)
}

struct Plain;

impl Setup for Plain {
    fn clock(&self) -> Clock {
        Clock::system()
    }

    fn sessions(&self, store: impl SessionStore) -> SessionsBuilder {
        let keys = Keys::hs256(b"a key for streams that are abandoned").unwrap();
        Sessions::builder(store, keys, "open")
    }
}
