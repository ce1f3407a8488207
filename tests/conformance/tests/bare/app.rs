//! The application: what the suite asks of one, on the core alone.

use std::{collections::HashSet, sync::Mutex};

use logout_all::{
    AuthError, By, Denied, EndReason, Problem, Sessions, Transport, Usage, UserId, Verified,
    http::{Anonymous, BodyError, Refusal},
    wire::Presented,
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Twin,
    http::{Head, Incoming, Response},
    users::Users,
};

pub(crate) struct App {
    sessions: Sessions,
    users: Users,
    admin_token: String,
    twin: Twin,
    /// Only for [`Twin::RemembersVerifications`].
    remembered: Mutex<HashSet<Vec<u8>>>,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
    transport: Option<String>,
}

#[derive(Deserialize)]
struct NewPassword {
    old: String,
    new: String,
}

/// Any way in which a handler says no.
enum No {
    Refused(Refusal),
    Auth(AuthError),
    Problem(Problem),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<AuthError> for No {
    fn from(error: AuthError) -> Self {
        match error {
            // The client has asked for it, so here it is not the application's mistake.
            AuthError::Usage(Usage::TransportOff(_)) => Self::Problem(Problem::Unprocessable),
            error => Self::Auth(error),
        }
    }
}

impl From<Problem> for No {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl App {
    pub(crate) fn new(sessions: Sessions, users: Users, admin_token: &str, twin: Twin) -> Self {
        let remembered = Mutex::default();
        Self { sessions, users, admin_token: admin_token.to_owned(), twin, remembered }
    }

    pub(crate) fn sends_bodies_to_head(&self) -> bool {
        self.twin == Twin::SendsBodiesToHead
    }

    pub(crate) async fn answer(&self, head: &Head, incoming: Incoming<'_>) -> Response {
        let presented = self.presented(head);
        let response = match head.path.strip_prefix("/auth") {
            Some(tail) if tail.starts_with('/') => self.library(&presented, tail, incoming).await,
            _ => match self.application(head, &presented, incoming).await {
                Ok(response) => response,
                Err(No::Refused(refusal)) => refusal.into_reply().into(),
                Err(No::Auth(error)) => Refusal::new(error, &self.sessions).into_reply().into(),
                Err(No::Problem(problem)) => problem.reply("logout-all").into(),
            },
        };
        self.broken(response)
    }

    /// The request as the core reads it: every header line, in order, as bytes.
    fn presented<'h>(&self, head: &'h Head) -> Presented<'h> {
        let mut seen = false;
        let kept = head.headers.iter().filter(|(name, _)| match self.twin {
            Twin::ReadsOneAuthorization if name.eq_ignore_ascii_case("authorization") => {
                !std::mem::replace(&mut seen, true)
            }
            Twin::HidesTheOrigin => {
                !name.eq_ignore_ascii_case("origin") && !name.eq_ignore_ascii_case("sec-fetch-site")
            }
            _ => true,
        });
        let query = head.query.as_deref().filter(|_| self.twin != Twin::DropsQueries);
        let lines = kept.map(|(name, value)| (name.as_str(), value.as_slice()));
        Presented::new(&head.method).query(query).headers(lines)
    }

    async fn library(
        &self,
        presented: &Presented<'_>,
        tail: &str,
        incoming: Incoming<'_>,
    ) -> Response {
        let tail = match self.twin {
            Twin::FoldsSlashes => tail.trim_end_matches('/').to_owned(),
            Twin::DecodesPaths => tail.replace("%73", "s").replace("%6F", "o").replace("%2F", "/"),
            _ => tail.to_owned(),
        };
        let body = async {
            match incoming.read().await {
                Err(BodyError::TooLong) if self.twin == Twin::MistakesLongBodies => {
                    Err(BodyError::Broken)
                }
                body => body,
            }
        };
        self.sessions.route(presented, &tail, body).await.into()
    }

    async fn application(
        &self,
        head: &Head,
        presented: &Presented<'_>,
        incoming: Incoming<'_>,
    ) -> Result<Response, No> {
        let page = |text: String| Response::new(200).with("text/plain; charset=utf-8", text);
        match (head.method.as_str(), head.path.as_str()) {
            ("POST", "/login") => self.login(presented, incoming).await,
            ("POST", "/password") => self.password(presented, incoming).await,
            ("GET" | "HEAD" | "POST", "/me") => {
                if self.is_remembered(head) {
                    return Ok(page("as ever".to_owned()));
                }
                let session = self.sessions.authenticate(presented).await?;
                self.remember(head);
                Ok(page(format!("you are {}", session.user_id())))
            }
            ("GET" | "HEAD" | "POST", "/greeting") => {
                let session = self.maybe(presented).await?;
                let name = session.map_or("guest".to_owned(), |s| s.user_id().to_string());
                Ok(page(format!("hello {name}")))
            }
            ("GET" | "HEAD" | "POST", "/private/report") => self.report(presented).await,
            ("POST", path) if path.starts_with("/admin/users/") => self.operate(head, path).await,
            ("GET", "/healthz") => Ok(page("alive".to_owned())),
            ("GET", "/readyz") => match self.sessions.ready().await {
                Err(_) if self.twin != Twin::IsAlwaysReady => Ok(Response::new(503)),
                _ => Ok(page("ready".to_owned())),
            },
            _ => Err(Problem::NotFound.into()),
        }
    }

    async fn login(
        &self,
        presented: &Presented<'_>,
        incoming: Incoming<'_>,
    ) -> Result<Response, No> {
        let mut sign_in = self.sessions.sign_in(presented)?;
        let Credentials { username, password, transport } = json(incoming).await?;
        sign_in = match transport.as_deref() {
            None => sign_in,
            Some("bearer") => sign_in.over(Transport::Bearer),
            Some("cookie") => sign_in.over(Transport::Cookie),
            Some(_) => return Err(Problem::Unprocessable.into()),
        };
        let id = self.users.knows(&username).then_some(&username);
        if id.is_none() && self.twin == Twin::TellsUnknownNames {
            return Err(Problem::NotFound.into());
        }
        let wrong = AuthError::from(Denied::CredentialsInvalid);
        if self.twin == Twin::BeginsLoginsLate {
            let right = self.users.password_is(&username, &password);
            let ticket = sign_in.begin(id).await?;
            return if right { Ok(ticket.finish(&()).await?.into()) } else { Err(wrong.into()) };
        }
        let ticket = sign_in.begin(id).await?;
        if !self.users.password_is(&username, &password) {
            return Err(wrong.into());
        }
        Ok(ticket.finish(&()).await?.into())
    }

    async fn password(
        &self,
        presented: &Presented<'_>,
        incoming: Incoming<'_>,
    ) -> Result<Response, No> {
        let session = self.sessions.authenticate(presented).await?;
        let NewPassword { old, new } = json(incoming).await?;
        let name = session.user_id().as_str();
        if !self.users.password_is(name, &old) {
            return Err(AuthError::from(Denied::CredentialsInvalid).into());
        }
        self.users.set_password(name, &new);
        if self.twin != Twin::KeepsOthersThroughPasswords {
            self.sessions.logout_others(&session, EndReason::Password).await?;
        }
        Ok(session.reauthenticated().await?.into())
    }

    async fn maybe(&self, presented: &Presented<'_>) -> Result<Option<Verified>, No> {
        let session = self.sessions.authenticate_if_presented(presented).await;
        if self.twin == Twin::TakesOutagesForGuests {
            return Ok(session.ok().flatten());
        }
        Ok(session?)
    }

    /// As a layer does it: the handler runs inside, and a renewed cookie is set on what it answers.
    async fn report(&self, presented: &Presented<'_>) -> Result<Response, No> {
        let admitted = self.sessions.admit(presented, Anonymous::Refused).await?;
        let mut response = Response::new(200).with("text/plain; charset=utf-8", "the report");
        if let Some(cookie) = admitted.renewed_cookie.as_ref().and_then(|c| c.unless_set([])) {
            response.headers.push(("Set-Cookie".to_owned(), cookie.to_owned()));
            response.headers.push(("Cache-Control".to_owned(), "no-store".to_owned()));
        }
        Ok(response)
    }

    async fn operate(&self, head: &Head, path: &str) -> Result<Response, No> {
        let shown =
            head.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-admin-token"));
        // Not in constant time: this is a test.
        if shown.is_none_or(|(_, value)| value != self.admin_token.as_bytes()) {
            return Err(Problem::Forbidden.into());
        }
        let rest = path.strip_prefix("/admin/users/").unwrap_or_default();
        let (name, verb) = rest.split_once('/').unwrap_or_default();
        if !matches!(verb, "lock" | "unlock") || !self.users.lock(name, verb == "lock") {
            return Err(Problem::NotFound.into());
        }
        if verb == "unlock" {
            return Ok(Response::new(204));
        }
        if self.twin == Twin::LocksWithoutLogout {
            return Ok(Response::new(200).with("application/json", r#"{"ended":2}"#));
        }
        let user = UserId::new(name).map_err(AuthError::from)?;
        let by = By::operator("admin");
        let ended = self.sessions.logout_all(&user, EndReason::Locked, by).await?.guids.len();
        Ok(Response::new(200).with("application/json", format!("{{\"ended\":{ended}}}")))
    }

    fn is_remembered(&self, head: &Head) -> bool {
        self.remembered.lock().unwrap().contains(&credentials(head))
    }

    fn remember(&self, head: &Head) {
        if self.twin == Twin::RemembersVerifications {
            self.remembered.lock().unwrap().insert(credentials(head));
        }
    }

    fn broken(&self, mut response: Response) -> Response {
        match (self.twin, response.status) {
            (Twin::ClearsTheCookieOn401, 401) => {
                let clear = "session-conformance=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";
                response.headers.push(("Set-Cookie".to_owned(), clear.to_owned()));
                response
            }
            (Twin::SaysOutageIs401, 503) => Problem::TokenInvalid.reply("logout-all").into(),
            (Twin::ForgetsVary, 401) => {
                response.headers.retain(|(name, _)| name != "Vary");
                response
            }
            _ => response,
        }
    }
}

fn credentials(head: &Head) -> Vec<u8> {
    let wanted = ["authorization", "cookie"];
    let ours =
        head.headers.iter().filter(|(name, _)| wanted.contains(&&*name.to_ascii_lowercase()));
    ours.flat_map(|(_, value)| value.clone()).collect()
}

async fn json<T: DeserializeOwned>(incoming: Incoming<'_>) -> Result<T, Problem> {
    let body = incoming.read().await.map_err(|why| match why {
        BodyError::TooLong => Problem::ContentTooLarge,
        _ => Problem::RequestMalformed,
    })?;
    serde_json::from_slice(&body).map_err(|_| Problem::Unprocessable)
}
