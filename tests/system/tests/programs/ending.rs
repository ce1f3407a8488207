//! "SIGTERM and Ctrl-C let requests in flight finish (10 s at most), flush pending touches and end
//! with status 0."

use std::{net::SocketAddr, time::Duration};

use logout_all_conformance::client::{Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    home::Home,
    program::Program,
    talk::{bearer, login, renewal, token_of},
};

/// Longer than anything may take that is to come.
const PATIENCE: Duration = Duration::from_secs(15);
/// The requests' ten seconds, and what a busy machine adds.
const END_WITHIN: Duration = Duration::from_secs(13);
/// How long an end takes that has nothing to wait for: well below the requests' limit.
const SOON: Duration = Duration::from_secs(5);

const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A slow body: its last bytes come after the signal.
pub(crate) async fn a_request_in_flight_finishes_after_the_signal(home: Home) {
    for signal in ["TERM", "INT"] {
        let mut server = home.start(&[]);
        let mut slow = Connection::open(server.address).await;
        let body = slow.login_that_is_in_flight().await;
        let (begin, end) = body.split_at(10);
        slow.write(begin).await;
        server.signal(signal);
        refuses_connections(&server).await;
        slow.write(end).await;
        assert_eq!(slow.only_answer().await.status(), 200);
        assert_eq!(server.ended().code(), Some(0));
    }
}

/// More logins than cores: when the signal comes, some are hashed and the others wait for a core.
pub(crate) async fn logins_that_are_hashed_finish_after_the_signal(home: Home) {
    let mut server = home.start(&[]);
    let mut logins = Vec::new();
    for _ in 0..8 {
        let mut connection = Connection::open(server.address).await;
        let body = connection.login_that_is_in_flight().await;
        logins.push((connection, body));
    }
    for (connection, body) in &mut logins {
        connection.write(body).await;
    }
    server.signal("TERM");
    let mut tokens = Vec::new();
    for (connection, _) in logins {
        tokens.push(token_of(&connection.only_answer().await));
    }
    assert_eq!(server.ended().code(), Some(0));

    let server = home.start(&[]);
    for token in tokens {
        assert_eq!(server.show(&token).await.status(), 200, "what was answered is stored");
    }
}

/// Renewals and a logout that wait for the database when the signal comes.
pub(crate) async fn what_is_answered_at_the_end_is_there_after_a_restart(home: Home) {
    let mut server = home.start(&[]);
    let (mut renewals, mut logout) = (Vec::new(), None);
    for number in 0..4 {
        let token = server.sign_in("ada", "lovelace").await;
        let mut connection = Connection::open(server.address).await;
        // One before it on the connection, so that an answer tells that both have come.
        connection.write(&kept_alive(bearer(&token, Request::new("GET", "/me")))).await;
        assert_eq!(connection.next_head().await, 200);
        let next = if number == 0 {
            bearer(&token, Request::new("DELETE", "/auth/session"))
        } else {
            renewal(&token)
        };
        let two = [kept_alive(Request::new("GET", "/healthz")), next.to_bytes()].concat();
        if number == 0 {
            logout = Some((connection, two, token));
        } else {
            renewals.push((connection, two));
        }
    }
    let (mut logout, ending, ended) = logout.unwrap();

    // Held by somebody else: nothing is written until he lets go.
    let held = home.sqlite();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (connection, two) in &mut renewals {
        connection.write(two).await;
        assert_eq!(connection.next_head().await, 200);
    }
    logout.write(&ending).await;
    assert_eq!(logout.next_head().await, 200);
    server.signal("TERM");
    // Not until the port is closed: that may be longer than the store waits for the file.
    let since = Instant::now();
    while !home.log().contains("shutting down") {
        assert!(since.elapsed() < SOON, "the signal is not noticed");
        sleep(Duration::from_millis(10)).await;
    }
    held.execute_batch("COMMIT").unwrap();

    let mut tokens = Vec::new();
    for (connection, _) in renewals {
        tokens.push(token_of(&connection.only_answer().await));
    }
    assert_eq!(logout.only_answer().await.status(), 204);
    assert_eq!(server.ended().code(), Some(0));

    let server = home.start(&[]);
    for token in tokens {
        assert_eq!(server.show(&token).await.status(), 200);
        assert_eq!(server.renew(&token).await.status(), 200);
    }
    assert_eq!(server.show(&ended).await.status(), 401);
}

/// Connections over which nothing is asked.
pub(crate) async fn idle_connections_do_not_hold_up_the_end(home: Home) {
    let mut server = home.start(&[]);
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut connection = Connection::open(server.address).await;
        connection.write(&kept_alive(Request::new("GET", "/healthz"))).await;
        assert_eq!(connection.next_head().await, 200);
        idle.push(connection);
    }
    let since = Instant::now();
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    for connection in idle {
        assert!(connection.rest().await.is_empty(), "closed, and nothing else");
    }
}

/// Requests of which the rest never comes, and connections that never say a word.
pub(crate) async fn half_sent_requests_do_not_hold_up_the_end_for_ever(home: Home) {
    let mut server = home.start(&[]);
    let mut half = Vec::new();
    for bytes in [
        &b""[..],
        b"G",
        b"GET /me HTTP/1.1\r\nHost: app.example\r\nAuthoriz",
        b"POST /login HTTP/1.1\r\nHost: app.example\r\nContent-Type: application/json\r\n\
          Content-Length: 40\r\n\r\n{\"username\":",
    ] {
        let mut connection = Connection::open(server.address).await;
        connection.write(bytes).await;
        half.push(connection);
    }
    let mut asked = Connection::open(server.address).await;
    let body = asked.login_that_is_in_flight().await;
    asked.write(&body[..10]).await;
    let since = Instant::now();
    server.signal("TERM");
    refuses_connections(&server).await;
    assert_eq!(server.ended().code(), Some(0));
    assert!(since.elapsed() < END_WITHIN, "{:?}", since.elapsed());
}

/// "Nothing new is accepted."
async fn refuses_connections(server: &Program) {
    let since = Instant::now();
    while TcpStream::connect(server.address).await.is_ok() {
        assert!(since.elapsed() < SOON, "it still accepts connections");
        sleep(Duration::from_millis(10)).await;
    }
}

fn kept_alive(request: Request) -> Vec<u8> {
    request.header("Connection", "keep-alive").to_bytes()
}

struct Connection(TcpStream);

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Sends the head of a login and gives back its body: the server has asked for it, so that the
    /// request is in flight.
    async fn login_that_is_in_flight(&mut self) -> Vec<u8> {
        let whole = login("ada", "lovelace").header("Expect", "100-continue").to_bytes();
        let head = whole.windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4;
        self.write(&whole[..head]).await;
        let mut asked = [0; GO_ON.len()];
        timeout(PATIENCE, self.0.read_exact(&mut asked)).await.unwrap().unwrap();
        assert_eq!(asked, GO_ON);
        whole[head..].to_vec()
    }

    /// The status of the next answer, read to the end of its body.
    async fn next_head(&mut self) -> u16 {
        let mut received = Vec::new();
        loop {
            let mut byte = [0];
            timeout(PATIENCE, self.0.read_exact(&mut byte)).await.unwrap().unwrap();
            received.push(byte[0]);
            if let Ok(answer) = Response::parse(&received, false)
                && answer.all("Content-Length").next().is_some()
            {
                return answer.status();
            }
        }
    }

    /// The answer that is the last on the connection.
    async fn only_answer(self) -> Response {
        let received = self.rest().await;
        Response::parse(&received, false).unwrap_or_else(|why| panic!("{why}: {received:?}"))
    }

    /// Everything until the server closes.
    async fn rest(mut self) -> Vec<u8> {
        let mut received = Vec::new();
        let closed = timeout(PATIENCE, self.0.read_to_end(&mut received)).await;
        closed.expect("the connection ends").unwrap();
        received
    }
}
