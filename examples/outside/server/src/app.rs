//! The application that the suite asks for, on the core alone.

use std::pin::Pin;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, SET_COOKIE},
    http::request::Parts,
};
use logout_all::{
    AuthError, By, Denied, EndReason, Problem, Reply, Sessions, Transport, Usage, UserId,
    http::{Anonymous, BodyError, Refusal, read_json},
    wire::Presented,
};
use serde::Deserialize;

use crate::{Answered, presented, response, users::Users};

type Answer = Response<Answered>;

/// A body that is read when it is awaited.
pub(crate) type Wanted = Pin<Box<dyn Future<Output = Result<Bytes, BodyError>> + Send>>;

/// An application with sessions.
#[derive(Debug)]
pub struct App {
    sessions: Sessions,
    users: Users,
    admin_token: String,
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

/// The answer to whom a handler says no.
struct No(Reply);

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.into_reply())
    }
}

impl From<AuthError> for No {
    fn from(error: AuthError) -> Self {
        match error {
            // The client has asked for it, so here it is not the application's mistake.
            AuthError::Usage(Usage::TransportOff(_)) => Problem::Unprocessable.into(),
            error => Refusal::without_sessions(error).into(),
        }
    }
}

impl From<Denied> for No {
    fn from(denied: Denied) -> Self {
        AuthError::from(denied).into()
    }
}

impl From<Problem> for No {
    fn from(problem: Problem) -> Self {
        Self(problem.reply("logout-all"))
    }
}

impl App {
    /// An application over these sessions and users, and the token of its operators.
    pub fn new(sessions: Sessions, users: Users, admin_token: impl Into<String>) -> Self {
        Self { sessions, users, admin_token: admin_token.into() }
    }

    pub(crate) async fn answer(&self, parts: &Parts, body: Wanted) -> Answer {
        let presented = presented(parts);
        // As it was sent: nothing is decoded, and no slash folded.
        let tail = parts.uri.path().strip_prefix("/auth").filter(|tail| tail.starts_with('/'));
        if let Some(tail) = tail {
            return response(self.sessions.route(&presented, tail, body).await);
        }
        self.handle(parts, &presented, body).await.unwrap_or_else(|No(reply)| response(reply))
    }

    async fn handle(
        &self,
        parts: &Parts,
        presented: &Presented<'_>,
        body: Wanted,
    ) -> Result<Answer, No> {
        match (parts.method.as_str(), parts.uri.path()) {
            ("POST", "/login") => self.login(presented, body).await,
            ("POST", "/password") => self.password(presented, body).await,
            ("GET" | "HEAD" | "POST", "/me") => {
                let session = self.sessions.authenticate(presented).await?;
                Ok(text(200, format!("you are {}", session.user_id())))
            }
            ("GET" | "HEAD" | "POST", "/greeting") => {
                let session = self.sessions.authenticate_if_presented(presented).await?;
                let name = session.map_or("guest".to_owned(), |s| s.user_id().to_string());
                Ok(text(200, format!("hello {name}")))
            }
            ("GET" | "HEAD" | "POST", "/private/report") => self.report(presented).await,
            ("POST", path) if path.starts_with("/admin/users/") => self.operate(parts, path).await,
            ("GET", "/healthz") => Ok(text(200, "alive")),
            ("GET", "/readyz") => match self.sessions.ready().await {
                Ok(()) => Ok(text(200, "ready")),
                Err(_) => Ok(text(503, "not ready")),
            },
            _ => Err(Problem::NotFound.into()),
        }
    }

    async fn login(&self, presented: &Presented<'_>, body: Wanted) -> Result<Answer, No> {
        let mut sign_in = self.sessions.sign_in(presented)?;
        let Credentials { username, password, transport } = read_json(presented, body).await?;
        sign_in = match transport.as_deref() {
            None => sign_in,
            Some("bearer") => sign_in.over(Transport::Bearer),
            Some("cookie") => sign_in.over(Transport::Cookie),
            Some(_) => return Err(Problem::Unprocessable.into()),
        };
        // The ticket before the password is read; an unknown name costs the same.
        let ticket = sign_in.begin(self.users.knows(&username).then_some(&username)).await?;
        if !self.users.password_is(&username, &password) {
            return Err(Denied::CredentialsInvalid.into());
        }
        Ok(response(ticket.finish(&()).await?))
    }

    async fn password(&self, presented: &Presented<'_>, body: Wanted) -> Result<Answer, No> {
        let session = self.sessions.authenticate(presented).await?;
        let NewPassword { old, new } = read_json(presented, body).await?;
        let name = session.user_id().as_str();
        if !self.users.password_is(name, &old) {
            return Err(Denied::CredentialsInvalid.into());
        }
        self.users.set_password(name, &new);
        self.sessions.logout_others(&session, EndReason::Password).await?;
        Ok(response(session.reauthenticated().await?))
    }

    /// As a layer does it: the handler runs inside, and a renewed cookie is set on its answer.
    async fn report(&self, presented: &Presented<'_>) -> Result<Answer, No> {
        let admitted = self.sessions.admit(presented, Anonymous::Refused).await?;
        let mut answer = text(200, "the report");
        let cookie = admitted.renewed_cookie.as_ref().and_then(|cookie| cookie.unless_set([]));
        if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
            answer.headers_mut().append(SET_COOKIE, cookie);
            answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        Ok(answer)
    }

    async fn operate(&self, parts: &Parts, path: &str) -> Result<Answer, No> {
        let shown = parts.headers.get("x-admin-token");
        // A real application compares in constant time.
        if shown.is_none_or(|value| value.as_bytes() != self.admin_token.as_bytes()) {
            return Err(Problem::Forbidden.into());
        }
        let rest = path.strip_prefix("/admin/users/").unwrap_or_default();
        let (name, verb) = rest.split_once('/').unwrap_or_default();
        if !matches!(verb, "lock" | "unlock") || !self.users.lock(name, verb == "lock") {
            return Err(Problem::NotFound.into());
        }
        if verb == "unlock" {
            let mut answer = Answer::new(Either::Left(Full::default()));
            *answer.status_mut() = StatusCode::NO_CONTENT;
            return Ok(answer);
        }
        let user = UserId::new(name).map_err(AuthError::from)?;
        let ended = self.sessions.logout_all(&user, EndReason::Locked, By::operator("admin"));
        let ended = ended.await?.guids.len();
        Ok(typed("application/json", 200, format!("{{\"ended\":{ended}}}")))
    }
}

fn text(status: u16, text: impl Into<Bytes>) -> Answer {
    typed("text/plain; charset=utf-8", status, text)
}

fn typed(content_type: &'static str, status: u16, body: impl Into<Bytes>) -> Answer {
    let mut answer = Answer::new(Either::Left(Full::new(body.into())));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
