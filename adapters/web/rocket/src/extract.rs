//! Request guards. Each asks the core once; what another has found already is used.

use logout_all::http::Refusal;
use rocket::{
    Ignite, Request, Rocket, Sentinel,
    http::Status,
    request::{FromRequest, Outcome},
};

use crate::{
    AuthRejection, AuthSession, MaybeSession, SignIn,
    found::{Attached, attached, authenticate, refuse},
    presented,
};

#[rocket::async_trait]
impl<'r> FromRequest<'r> for AuthSession {
    type Error = AuthRejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, AuthRejection> {
        outcome(request, session(request).await)
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for MaybeSession {
    type Error = AuthRejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, AuthRejection> {
        outcome(request, session_if_presented(request).await.map(Self))
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for SignIn {
    type Error = AuthRejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, AuthRejection> {
        let signing_in =
            attached(request).and_then(|sessions| sessions.sign_in(&presented(request)));
        outcome(request, signing_in.map(Self))
    }
}

async fn session(request: &Request<'_>) -> Result<AuthSession, Refusal> {
    match session_if_presented(request).await? {
        Some(session) => Ok(session),
        None => Err(attached(request)?.refuse_anonymous(&presented(request))),
    }
}

async fn session_if_presented(request: &Request<'_>) -> Result<Option<AuthSession>, Refusal> {
    Ok(authenticate(request).await?.session.clone().map(AuthSession))
}

/// Never a forward: another route would answer for a guard that has refused.
fn outcome<T>(request: &Request<'_>, asked: Result<T, Refusal>) -> Outcome<T, AuthRejection> {
    match asked {
        Ok(found) => Outcome::Success(found),
        Err(refusal) => {
            let status = Status::new(refusal.reply().status());
            Outcome::Error((status, refuse(request, refusal).into()))
        }
    }
}

/// Rocket asks these before it starts: no route has a guard that nobody could answer.
macro_rules! need_the_fairing {
    ($($guard:ty),*) => {$(
        impl Sentinel for $guard {
            fn abort(rocket: &Rocket<Ignite>) -> bool {
                rocket.state::<Attached>().is_none()
            }
        }
    )*};
}

need_the_fairing!(AuthSession, MaybeSession, SignIn);
