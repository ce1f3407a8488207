//! What the WebSocket of an application must do, over any framework: it closes the moment its session
//! ends (`docs/http.md`, "Event streams"). The adapters' examples are tried with it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use logout_all::{By, EndReason, Sessions, UserId, testing::TestSessions};

use crate::{
    cases::{Outcome, Violation},
    client::{Opened, Request, send},
};

const SOON: Duration = Duration::from_secs(5);
/// How long a logout waits in cached mode: the usual lease.
const SETTLING: Duration = Duration::from_millis(500);
/// A frame of the kind "close" (RFC 6455, section 5.5.1) with 1008 and the reason.
const CLOSE: &[u8] = b"\x88\x0c\x03\xf0everywhere";

/// `GET /talk` at that address upgrades whoever is signed in and says `hello` and their name, refuses
/// others with 401, and closes with the reason when the session ends, and with no other session: when
/// its own node ends it and when `other` does, a node on the same store, and as soon as the journal
/// tells of it, not when that logout returns.
///
/// # Errors
/// A [`Violation`].
pub async fn closes_with_its_session(
    address: SocketAddr,
    test: &TestSessions,
    other: &Sessions,
) -> Outcome {
    let anonymous = Request::new("GET", "/talk");
    let refused = send(address, &anonymous).await?.status();
    holds(refused == 401, || format!("nobody is signed in, and the status is {refused}"))?;
    let upgrade = anonymous
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let mut grace = greeted(address, &upgrade, test, "grace").await?;
    for (name, node) in [("ada", &test.sessions), ("eve", other)] {
        let mut opened = greeted(address, &upgrade, test, name).await?;
        let (user, by) = (UserId::new(name)?, By::operator("suite"));
        let logout = node.logout_all(&user, EndReason::Everywhere, by);
        let (ended, told) = tokio::join!(logout, async {
            let told = opened.has(CLOSE, SOON).await;
            (told, Instant::now())
        });
        let late = told.1.elapsed();
        ended?;
        holds(told.0?, || format!("{name} is not told why: {}", opened.received()))?;
        if test.sessions.cache_state().is_some() {
            holds(late > SETTLING / 2, || format!("{name} is told when the logout has returned"))?;
        }
        holds(opened.is_closed(SOON).await, || "the connection is still open".to_owned())?;
    }
    let meant = grace.is_closed(Duration::from_millis(200)).await;
    holds(!meant, || "another session's was closed".to_owned())
}

async fn greeted(
    address: SocketAddr,
    upgrade: &Request,
    test: &TestSessions,
    user: &str,
) -> Result<Opened, Violation> {
    let request = upgrade.clone().header("Authorization", test.bearer(user).await);
    let mut opened = Opened::open(address, &request).await?;
    let greeted = opened.has(format!("hello {user}"), SOON).await?;
    holds(greeted, || format!("{user} is not greeted: {}", opened.received()))?;
    Ok(opened)
}

fn holds(condition: bool, words: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(Violation::new(words())) }
}
