//! The fairing: the sessions for the guards, and the answers of their refusals.

use logout_all::{Sessions, http::RenewedCookie};
use rocket::{
    Build, Orbit, Request, Response, Rocket,
    fairing::{self, Fairing, Info, Kind},
};

use crate::{
    found::{Attached, Found},
    translate::response as translated,
};

/// What the guards need: attach it once. It hands them the sessions, and gives what they refuse its
/// answer, for a guard of Rocket can only name a status. It registers no catcher. At Rocket's
/// shutdown it tells the sessions to [`drain`](Sessions::drain).
///
/// A refusal takes the place of **whatever was answered**: once a guard has refused a request, no
/// catcher and no handler speaks for it any more. Headers that other fairings set (CORS, HSTS) stay,
/// in whatever order they are attached; what describes the replaced body goes, and so does every
/// `Set-Cookie`.
///
/// It manages the [`Sessions`], so handlers may take `&State<Sessions>`. Rocket does not start if a
/// guard is used and the fairing is not attached, or if two are.
#[derive(Clone, Debug)]
pub struct AuthFairing {
    sessions: Sessions,
}

impl AuthFairing {
    /// A fairing for the guards of this Rocket.
    pub fn new(sessions: &Sessions) -> Self {
        Self { sessions: sessions.clone() }
    }
}

#[rocket::async_trait]
impl Fairing for AuthFairing {
    fn info(&self) -> Info {
        Info { name: "logout-all", kind: Kind::Ignite | Kind::Response | Kind::Shutdown }
    }

    async fn on_ignite(&self, rocket: Rocket<Build>) -> fairing::Result {
        if rocket.state::<Attached>().is_some() {
            tracing::error!("two AuthFairings are attached: guards could not tell whom to ask");
            return Err(rocket);
        }
        let rocket = match rocket.state::<Sessions>() {
            None => rocket.manage(self.sessions.clone()),
            Some(managed) if managed.is_same(&self.sessions) => rocket,
            Some(_) => {
                tracing::error!("the managed Sessions are others than those of the AuthFairing");
                return Err(rocket);
            }
        };
        Ok(rocket.manage(Attached(self.sessions.clone())))
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let found = Found::of(request);
        if let Some(refusal) = found.refusal() {
            replace(response, translated(refusal.reply().clone()));
        } else if let Some(cookie) = found.admitted().and_then(|a| a.renewed_cookie.as_ref()) {
            set_renewed(response, cookie);
        }
    }

    async fn on_shutdown(&self, _rocket: &Rocket<Orbit>) {
        self.sessions.drain();
    }
}

/// What says something of the answer that is replaced; beside these, all of `Content-…`.
const OF_THE_ANSWER: [&str; 13] = [
    "Accept-Ranges",
    "Allow",
    "Cache-Control",
    "ETag",
    "Expires",
    "Last-Modified",
    "Link",
    "Location",
    "Retry-After",
    "Set-Cookie",
    "Transfer-Encoding",
    "Vary",
    "WWW-Authenticate",
];

/// Nothing of the answer is left but headers that do not describe it: no body where the refusal has
/// none, and no upgrade, whose handler would have the connection.
fn replace<'r>(answer: &mut Response<'r>, mut by: Response<'r>) {
    let describes = |name: &str| {
        let content = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"));
        let is_policy = name.to_ascii_lowercase().starts_with("content-security-policy");
        let known = OF_THE_ANSWER.iter().any(|known| known.eq_ignore_ascii_case(name));
        known || content && !is_policy
    };
    for header in answer.headers().iter().filter(|header| !describes(header.name.as_str())) {
        by.adjoin_raw_header(header.name.to_string(), header.value.to_string());
    }
    *answer = by;
}

fn set_renewed(answer: &mut Response<'_>, cookie: &RenewedCookie) {
    let already = answer.headers().get("Set-Cookie").map(str::as_bytes);
    if let Some(value) = cookie.unless_set(already).map(str::to_owned) {
        answer.adjoin_raw_header("Set-Cookie", value);
        // What sets a cookie is not for shared caches.
        answer.set_raw_header("Cache-Control", "no-store");
    }
}
