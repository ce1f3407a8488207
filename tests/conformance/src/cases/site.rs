//! A server as one case sees it: users and devices of the case's own, requests that present a
//! token the way that the case is about, and what holds of every answer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use logout_all::{
    ClientInfo, Clock, EndReason, Guid, JournalEntry, LoginTicket, Mode, Sessions, SignedIn,
    Transport, Transports, UserId,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    COOKIE, Outcome, Violation,
    answer::Answer,
    cell::{Configure, DynCell, Live, Quirk, Settings},
    token::{Jwt, Secret},
};
use crate::{
    client::{self, Request},
    counted::{Accesses, Failing},
};

/// The password of every user of the suite.
pub(super) const PASSWORD: &str = "correct horse battery staple";

/// A server, and how this run of a case presents its tokens there.
pub(crate) struct Site {
    pub(super) cell: Arc<dyn DynCell>,
    pub(super) live: Arc<Live>,
    pub(super) way: Transport,
}

/// A user of one case.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: UserId,
    pub(super) name: String,
}

/// A signed-in device of a user.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) guid: Guid,
    pub(super) token: String,
}

/// A token answer, read.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) token: String,
    pub(super) document: Value,
}

impl Granted {
    pub(super) fn jwt(&self) -> Result<Jwt, Violation> {
        Jwt::read(&self.token)
    }

    pub(super) fn seconds(&self, member: &str) -> u64 {
        self.document[member].as_u64().unwrap_or(u64::MAX)
    }
}

impl Site {
    pub(super) fn address(&self) -> SocketAddr {
        self.live.running.address
    }

    /// What ended for that user, newest first: without the entry that a node in cached mode writes
    /// into an empty journal, which ended nothing.
    pub(super) async fn history(&self, user: &UserId) -> Result<Vec<JournalEntry>, Violation> {
        let mut history = self.sessions().history(user, 10).await?;
        history.retain(|entry| entry.user.is_some() || entry.reason != EndReason::Changed);
        Ok(history)
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.live.running.sessions
    }

    pub(super) fn accesses(&self) -> &Accesses {
        self.live.settings.accesses()
    }

    pub(super) fn secret(&self) -> &Secret {
        self.live.settings.secret()
    }

    pub(super) fn admin_token(&self) -> &str {
        &self.live.running.admin_token
    }

    pub(super) fn by_cookie(&self) -> bool {
        self.way == Transport::Cookie
    }

    pub(super) fn is_strict(&self) -> bool {
        *self.live.settings.mode() == Mode::Strict
    }

    pub(super) fn transports(&self) -> Transports {
        self.live.settings.transports()
    }

    pub(super) fn cookie_is_on(&self) -> bool {
        self.transports() != Transports::Bearer
    }

    /// Whether the server does that before any code of the library.
    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.cell.quirks().contains(&quirk)
    }

    pub(super) fn advance(&self, by: Duration) {
        self.clock().advance(by);
    }

    pub(super) fn clock(&self) -> Clock {
        self.live.settings.clock()
    }

    /// A server of this case's own: to move its clock, to count or take away its store.
    pub(super) async fn fresh(&self) -> Result<Site, Violation> {
        self.started(self.blank()?).await
    }

    /// The same with other settings.
    pub(super) async fn fresh_with(&self, configure: Configure) -> Result<Site, Violation> {
        self.started(self.blank()?.configured(configure)).await
    }

    /// The same with a key that has a public half.
    pub(super) async fn fresh_with_public_key(&self) -> Result<Site, Violation> {
        self.started(self.blank()?.with_public_key()?).await
    }

    fn blank(&self) -> Result<Settings, Violation> {
        Ok(Settings::new(self.transports(), self.live.settings.mode().clone())?)
    }

    async fn started(&self, settings: Settings) -> Result<Site, Violation> {
        let live = Live::start(&*self.cell, settings).await?;
        Ok(Site { cell: self.cell.clone(), live, way: self.way })
    }

    /// The same server, asked over the other transport.
    pub(super) fn over(&self, way: Transport) -> Site {
        Site { cell: self.cell.clone(), live: self.live.clone(), way }
    }

    pub(super) async fn user(&self) -> Result<User, Violation> {
        let (id, name) = self.live.running.add_user(PASSWORD).await?;
        Ok(User { id: UserId::new(id)?, name })
    }

    /// Signs in, in the server's process: most cases are not about the login route.
    pub(super) async fn sign_in(&self, user: &User) -> Result<Device, Violation> {
        self.sign_in_as(user, "nobody/1", |ticket| ticket).await
    }

    pub(super) async fn sign_in_as(
        &self,
        user: &User,
        agent: &str,
        options: impl FnOnce(LoginTicket) -> LoginTicket,
    ) -> Result<Device, Violation> {
        let ticket = self.sessions().begin_login(Some(&user.id)).await?;
        let client = ClientInfo::default().user_agent(agent.as_bytes());
        let claims = serde_json::json!({ "role": "tester" });
        let SignedIn { issued, .. } =
            self.sessions().login(options(ticket), client, &claims).await?;
        Ok(Device { guid: issued.guid, token: issued.token.expose().to_owned() })
    }

    /// A new user, signed in on one device.
    pub(super) async fn device(&self) -> Result<(User, Device), Violation> {
        let user = self.user().await?;
        let device = self.sign_in(&user).await?;
        Ok((user, device))
    }

    /// A request that presents that token the way of this run.
    pub(super) fn with(&self, token: &str, method: &str, target: &str) -> Request {
        self.present(token, Request::new(method, target))
    }

    pub(super) fn present(&self, token: &str, request: Request) -> Request {
        match self.way {
            Transport::Bearer => request.header("Authorization", bearer(token)),
            Transport::Cookie => {
                request.header("Cookie", cookie(token)).header("Sec-Fetch-Site", "same-origin")
            }
        }
    }

    /// Sends it, and checks what holds of every answer.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, Violation> {
        let response = client::send(self.live.running.address, &request)
            .await
            .map_err(|why| Violation::new(format!("{why}\n  asked: {request}")))?;
        let answer = Answer { request, response };
        check_every_answer(&answer)?;
        Ok(answer)
    }

    /// Sends bytes as they are; gives what came back, as text.
    pub(super) async fn send_bytes(&self, bytes: &[u8]) -> Result<String, Violation> {
        match client::exchange(self.live.running.address, bytes).await {
            Ok(received) => Ok(String::from_utf8_lossy(&received).into_owned()),
            Err(client::ClientError::Broken { .. }) => Ok(String::new()),
            Err(why) => {
                Err(Violation::new(format!("{why}\n  asked: {:?}", String::from_utf8_lossy(bytes))))
            }
        }
    }

    pub(super) async fn ask(
        &self,
        token: &str,
        method: &str,
        target: &str,
    ) -> Result<Answer, Violation> {
        self.send(self.with(token, method, target)).await
    }

    /// Asks without a token.
    pub(super) async fn ask_plainly(
        &self,
        method: &str,
        target: &str,
    ) -> Result<Answer, Violation> {
        self.send(Request::new(method, target)).await
    }

    pub(super) async fn show(&self, token: &str) -> Result<Answer, Violation> {
        self.ask(token, "GET", "/auth/session").await
    }

    pub(super) async fn renew(&self, token: &str) -> Result<Answer, Violation> {
        self.ask(token, "POST", "/auth/session/renew").await
    }

    /// Renews, and wants that rule to have answered.
    pub(super) async fn renewed(&self, token: &str, rule: &str) -> Result<Granted, Violation> {
        let answer = self.renew(token).await?;
        answer.status(200)?.header("Session-Renewal", rule)?;
        self.granted(&answer, token)
    }

    pub(super) async fn expect_alive(&self, token: &str) -> Result<(), Violation> {
        self.show(token).await?.status(200).map(drop)
    }

    pub(super) async fn expect_denied(&self, token: &str, code: &str) -> Result<(), Violation> {
        let answer = self.show(token).await?;
        answer.problem(code)?.without("Set-Cookie").map(drop)
    }

    /// Reads a token answer (`docs/http.md`, "Token answer"): `token` "only over Bearer; over the
    /// cookie it is absent and the cookie has it".
    ///
    /// A renewal that changes nothing sets no cookie: the token is then the one that was shown.
    pub(super) fn granted(&self, answer: &Answer, shown: &str) -> Result<Granted, Violation> {
        const MEMBERS: [&str; 6] =
            ["token", "token_type", "expires_in", "renew_after", "guid", "evicted"];
        answer.no_store()?;
        let members = if self.by_cookie() { &MEMBERS[1..] } else { &MEMBERS[..] };
        let document = answer.document(members)?;
        if document["token_type"] != "Bearer" {
            return Err(answer.violates("expected token_type Bearer"));
        }
        let token = if self.by_cookie() {
            cookie_set(answer).map_or_else(|| shown.to_owned(), |(token, _)| token)
        } else {
            answer.without("Set-Cookie")?;
            document["token"].as_str().unwrap_or_default().to_owned()
        };
        let granted = Granted { token, document };
        let jwt = granted.jwt()?;
        if granted.document["guid"] != jwt.text("guid") {
            return Err(answer.violates("expected the guid of the token"));
        }
        Ok(granted)
    }

    /// Signs in by `POST /login`, over the transport of this run.
    pub(super) fn login_request(&self, name: &str, password: &str) -> Request {
        let transport = if self.by_cookie() { "cookie" } else { "bearer" };
        let body = serde_json::json!({
            "username": name, "password": password, "transport": transport,
        });
        Request::new("POST", "/login").json(body.to_string())
    }

    pub(super) async fn login(&self, user: &User) -> Result<Granted, Violation> {
        let answer = self.send(self.login_request(&user.name, PASSWORD)).await?;
        self.granted(&answer, "")
    }

    /// Locks or unlocks a user, as an operator.
    pub(super) async fn operate(&self, user: &User, verb: &str) -> Result<Answer, Violation> {
        let target = format!("/admin/users/{}/{verb}", user.name);
        let request = Request::new("POST", &target).header("X-Admin-Token", self.admin_token());
        self.send(request).await
    }

    /// Does that while the store cannot be reached.
    pub(super) async fn without_store(&self, during: impl Future<Output = Outcome>) -> Outcome {
        self.accesses().fail(Failing::All);
        let outcome = during.await;
        self.accesses().heal();
        outcome
    }

    /// The guids in the user's list of devices, in its order.
    pub(super) async fn listed(&self, token: &str) -> Result<Vec<String>, Violation> {
        let list = self.ask(token, "GET", "/auth/sessions").await?.document(&["devices"])?;
        let guid = |device: &Value| device["guid"].as_str().unwrap_or_default().to_owned();
        Ok(list["devices"].as_array().into_iter().flatten().map(guid).collect())
    }
}

/// No input is answered with 500; "`Cache-Control: no-store` and `Vary: Authorization, Cookie`" stand
/// on "everything that the library writes", but the keys; a token goes out in token answers alone,
/// and "a token never goes out over both".
fn check_every_answer(answer: &Answer) -> Result<(), Violation> {
    if answer.response.status() == 500 {
        return Err(answer.violates("no input may be answered with 500"));
    }
    let target = answer.request.target();
    let keys = target.ends_with("/jwks.json") && answer.response.status() == 200;
    if target.starts_with("/auth/") && !keys {
        answer.no_store()?;
    }
    let in_body = contains_token(&String::from_utf8_lossy(answer.response.body()));
    let in_head = answer.response.headers().iter().any(|(_, value)| contains_token(value));
    let hands_out = ["/auth/session/renew", "/login", "/password"].contains(&target)
        && answer.response.status() == 200;
    let in_passing = target.starts_with("/private/") && !in_body;
    if (in_body || in_head) && !hands_out && !in_passing {
        return Err(answer.violates("a token stands in an answer that hands out none"));
    }
    if in_body && in_head {
        return Err(answer.violates("a token goes out over both transports"));
    }
    Ok(())
}

pub(super) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

pub(super) fn cookie(token: &str) -> String {
    format!("{COOKIE}={token}")
}

/// The token and the attributes of the session cookie that an answer sets; none if it sets none.
pub(super) fn cookie_set(answer: &Answer) -> Option<(String, String)> {
    let mut values = answer.response.all("Set-Cookie");
    let ours = values.find_map(|value| value.strip_prefix(COOKIE)?.strip_prefix('='))?;
    let (token, attributes) = ours.split_once("; ").unwrap_or((ours, ""));
    Some((token.to_owned(), attributes.to_owned()))
}

/// `Set-Cookie` that removes the cookie: the same attributes, or some browsers keep it.
pub(super) fn cleared() -> String {
    format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}

/// `Set-Cookie` that stores a token.
pub(super) fn stored(token: &str, max_age: u64) -> String {
    format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age}")
}

/// Every token begins with the base64url of `{"`.
fn contains_token(text: &str) -> bool {
    text.match_indices("eyJ")
        .any(|(at, _)| text[at..].split('.').nth(1).is_some_and(|part| part.starts_with("eyJ")))
}

/// A guid that names nothing.
pub(super) fn unknown_guid() -> String {
    Uuid::new_v4().to_string()
}

/// Waits until `holds`, for what reaches the store a moment after the answer.
pub(super) async fn eventually<F>(what: &str, mut holds: impl FnMut() -> F) -> Result<(), Violation>
where
    F: Future<Output = Result<bool, Violation>>,
{
    for _ in 0..100 {
        if holds().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(Violation::new(format!("within 5 s: {what}")))
}
