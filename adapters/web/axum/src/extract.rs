//! Extractors. Each asks the core once; what a layer has found already is used.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use http::request::Parts;
use logout_all::{Sessions, wire::Presented};
use logout_all_tower::{Authenticated, presented};

use crate::{AuthRejection, AuthSession, MaybeSession, SignIn};

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
