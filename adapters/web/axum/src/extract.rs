//! Extractors. Each asks the core once; what a layer has found already is used.

use std::{fmt, net::SocketAddr, ops::Deref};

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use http::request::Parts;
use logout_all::{
    AuthError, Sessions, Transport, Verified,
    http::{OpenSignIn, SignInRequest},
    wire::Presented,
};
use logout_all_tower::{Authenticated, presented};

use crate::AuthRejection;

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

impl<S> FromRequestParts<S> for AuthSession
where
    Sessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AuthRejection> {
        let MaybeSession(session) = MaybeSession::from_request_parts(parts, state).await?;
        match session {
            Some(session) => Ok(session),
            None => Err(Sessions::from_ref(state).refuse_anonymous(&read(parts)).into()),
        }
    }
}

impl<S> FromRequestParts<S> for MaybeSession
where
    Sessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AuthRejection> {
        let sessions = Sessions::from_ref(state);
        let found = parts.extensions.get::<Authenticated>();
        if let Some(found) = found.filter(|found| found.is_by(&sessions)) {
            return Ok(Self(found.session().cloned().map(AuthSession)));
        }
        let session = sessions.authenticate_if_presented(&read(parts)).await?;
        parts.extensions.insert(Authenticated::by(&sessions, session.clone()));
        Ok(Self(session.map(AuthSession)))
    }
}

impl<S> FromRequestParts<S> for SignIn
where
    Sessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AuthRejection> {
        Ok(Self(Sessions::from_ref(state).sign_in(&read(parts))?))
    }
}

/// The request, with the address of the connection where the application serves it
/// (`into_make_service_with_connect_info`) and gives no better one.
fn read(parts: &Parts) -> Presented<'_> {
    let read = presented(parts);
    let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    match (read.peer_address(), connection) {
        (None, Some(ConnectInfo(address))) => read.peer(Some(address.ip())),
        _ => read,
    }
}
