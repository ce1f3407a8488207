//! What the WebSocket of an application must do, over any framework: it closes the moment its session
//! ends (`docs/http.md`, "Event streams"). The adapters' examples are tried with it.

use std::{net::SocketAddr, time::Duration};

use logout_all::{By, EndReason, UserId, testing::TestSessions};

use crate::{
    cases::{Outcome, Violation},
    client::{Opened, Request, send},
};

const SOON: Duration = Duration::from_secs(5);
/// A frame of the kind "close" (RFC 6455, section 5.5.1) with 1008 and the reason.
const CLOSE: &[u8] = b"\x88\x0c\x03\xf0everywhere";

/// `GET /talk` at that address upgrades whoever is signed in and says `hello` and their name, refuses
/// others with 401, and closes with the reason when the session ends, and with no other session.
///
/// # Errors
/// A [`Violation`].
pub async fn closes_with_its_session(address: SocketAddr, test: &TestSessions) -> Outcome {
    let anonymous = Request::new("GET", "/talk");
    let refused = send(address, &anonymous).await?.status();
    holds(refused == 401, || format!("nobody is signed in, and the status is {refused}"))?;
    let upgrade = anonymous
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let mut ada = greeted(address, &upgrade, test, "ada").await?;
    let mut grace = greeted(address, &upgrade, test, "grace").await?;

    let (user, by) = (UserId::new("ada")?, By::operator("suite"));
    test.sessions.logout_all(&user, EndReason::Everywhere, by).await?;
    let told = ada.has(CLOSE, SOON).await?;
    holds(told, || format!("it is not told why: {}", ada.received()))?;
    holds(ada.is_closed(SOON).await, || "the connection is still open".to_owned())?;
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
