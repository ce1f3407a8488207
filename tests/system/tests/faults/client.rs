//! What a client does, how long each answer takes, and what every answer in an outage must be.

use std::{
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use logout_all_conformance::client::{ClientError, Request, Response, send};

use crate::node::COOKIE;

/// No answer takes longer, whatever fails: the store gives up after 4 s, and a busy machine late.
pub(crate) const LIMIT: Duration = Duration::from_secs(6);
/// What is not held up by a fault takes no longer, on a busy machine.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Bearer,
    Cookie,
}

pub(crate) struct Answer {
    what: String,
    took: Duration,
    response: Response,
}

pub(crate) async fn login(at: SocketAddr, user: &str) -> Answer {
    ask(at, Request::new("POST", &format!("/login/{user}")), None).await
}

pub(crate) async fn me(at: SocketAddr, token: &str) -> Answer {
    ask(at, Request::new("GET", "/me"), Some((Via::Bearer, token))).await
}

pub(crate) async fn renew(at: SocketAddr, token: &str) -> Answer {
    ask(at, Request::new("POST", "/auth/session/renew"), Some((Via::Bearer, token))).await
}

/// This device.
pub(crate) async fn logout(at: SocketAddr, token: &str) -> Answer {
    ask(at, Request::new("DELETE", "/auth/session"), Some((Via::Bearer, token))).await
}

/// All devices.
pub(crate) async fn logout_all(at: SocketAddr, token: &str) -> Answer {
    ask(at, Request::new("DELETE", "/auth/sessions"), Some((Via::Bearer, token))).await
}

/// A renewal whose answer may not come.
pub(crate) async fn try_renew(at: SocketAddr, token: &str) -> Result<Response, ClientError> {
    let renewal = Request::new("POST", "/auth/session/renew");
    send(at, &renewal.header("Authorization", format!("Bearer {token}"))).await
}

/// A session that lives, and what its client can ask: everything must be told as an outage. Gives
/// the slowest answer's time.
pub(crate) async fn all_is_an_outage(at: SocketAddr, user: &str, token: &str) -> Duration {
    let via = |method, target, via| ask(at, Request::new(method, target), Some((via, token)));
    let answers: [Answer; 8] = tokio::join!(
        me(at, token),
        via("GET", "/me", Via::Cookie),
        renew(at, token),
        via("POST", "/auth/session/renew", Via::Cookie),
        login(at, user),
        logout(at, token),
        via("DELETE", "/auth/session", Via::Cookie),
        via("DELETE", "/auth/sessions", Via::Cookie),
    )
    .into();
    answers.iter().map(Answer::outage).max().unwrap_or_default()
}

async fn ask(at: SocketAddr, request: Request, token: Option<(Via, &str)>) -> Answer {
    let what = request.to_string();
    let request = match token {
        Some((Via::Bearer, token)) => request.header("Authorization", format!("Bearer {token}")),
        Some((Via::Cookie, token)) => request
            .header("Cookie", format!("{COOKIE}={token}"))
            .header("Sec-Fetch-Site", "same-origin"),
        None => request,
    };
    let since = Instant::now();
    let response = send(at, &request).await;
    let took = since.elapsed();
    let response = response.unwrap_or_else(|error| panic!("{what}: {error}"));
    Answer { what, took, response }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: after {:?} {}", self.what, self.took, self.response)
    }
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.response.status()
    }

    pub(crate) fn took(&self) -> Duration {
        self.took
    }

    /// "503 within the limit, no 401, cookies untouched": asserted; gives the time.
    pub(crate) fn outage(&self) -> Duration {
        assert_eq!(self.status(), 503, "{self}");
        assert_eq!(self.code(), "store-unavailable", "{self}");
        assert_eq!(self.response.all("Retry-After").count(), 1, "{self}");
        assert_eq!(self.response.all("Set-Cookie").count(), 0, "{self}");
        assert!(self.took < LIMIT, "too late: {self}");
        self.took
    }

    /// Asserted: a success, and as fast as without the fault.
    pub(crate) fn at_once(self) -> Self {
        assert!(self.took < AT_ONCE, "held up: {self}");
        self.well()
    }

    /// Asserted: a success.
    pub(crate) fn well(self) -> Self {
        assert!(matches!(self.status(), 200 | 204), "{self}");
        self
    }

    /// Asserted: the session is over.
    pub(crate) fn ended(&self) {
        assert_eq!((self.status(), self.code().as_str()), (401, "session-ended"), "{self}");
    }

    /// The token of a token answer.
    pub(crate) fn token(self) -> String {
        let well = self.well();
        well.json()["token"].as_str().unwrap_or_else(|| panic!("no token: {well}")).to_owned()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.response.body()).unwrap_or_default()
    }

    /// What the renewal did.
    pub(crate) fn renewal(&self) -> &str {
        self.response.all("Session-Renewal").next().unwrap_or_default()
    }
}
