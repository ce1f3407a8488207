//! Request guards. Each asks the core once; what another has found already is used.

use std::{fmt, ops::Deref};

use logout_all::{
    AuthError, Transport, Verified,
    http::{OpenSignIn, Refusal, SignInRequest},
};
use rocket::{
    Ignite, Request, Rocket, Sentinel,
    http::Status,
    request::{FromRequest, Outcome},
};

use crate::{
    AuthRejection,
    found::{Attached, attached, authenticate, refuse},
    presented,
};

/// A live session: the handler runs for nobody else. Derefs to [`Verified`].
#[derive(Clone, Debug)]
pub struct AuthSession(Verified);

/// A live session, or none where the request presents no token. Everything else is refused as
/// usual, an outage as 503.
#[derive(Clone, Debug)]
pub struct MaybeSession(pub Option<AuthSession>);

/// For the login route: who asks to sign in. Refuses requests of other sites.
#[derive(Clone, Debug)]
pub struct SignIn(SignInRequest);

/// A sign-in whose ticket is taken: check the password, then [`finish`](SignInTicket::finish).
pub type SignInTicket = OpenSignIn;

impl AuthSession {
    /// The proof itself, for code that knows no framework.
    pub fn into_inner(self) -> Verified {
        self.0
    }
}

impl Deref for AuthSession {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.0
    }
}

impl SignIn {
    /// Answers over that transport. Default: Bearer if that is on, else the cookie.
    pub fn over(self, transport: Transport) -> Self {
        Self(self.0.over(transport))
    }

    /// Takes the ticket, **before the password hash is read**; with none for an unknown name.
    ///
    /// # Errors
    /// As [`SignInRequest::begin`].
    pub async fn begin(self, user: Option<impl fmt::Display>) -> Result<SignInTicket, AuthError> {
        self.0.begin(user).await
    }

    /// The request itself, for code that knows no framework.
    pub fn into_inner(self) -> SignInRequest {
        self.0
    }
}

impl Deref for SignIn {
    type Target = SignInRequest;

    fn deref(&self) -> &SignInRequest {
        &self.0
    }
}

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
