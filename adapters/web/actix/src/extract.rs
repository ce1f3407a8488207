//! Extractors. Each asks the core once; what a middleware has found already is used.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web::Data};
use logout_all::{Sessions, Usage, Verified};

use crate::{
    AuthRejection, AuthSession, MaybeSession, SignIn, middleware::Authenticated, presented,
};

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, AuthRejection>>>>;

impl FromRequest for AuthSession {
    type Error = AuthRejection;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let sessions = sessions(&request)?;
            match find(&sessions, &request).await? {
                Some(session) => Ok(Self(session)),
                None => Err(sessions.refuse_anonymous(&presented(&request)).into()),
            }
        })
    }
}

impl FromRequest for MaybeSession {
    type Error = AuthRejection;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let session = find(&sessions(&request)?, &request).await?;
            Ok(Self(session.map(AuthSession)))
        })
    }
}

impl FromRequest for SignIn {
    type Error = AuthRejection;
    type Future = Ready<Result<Self, AuthRejection>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let asked = || Ok(Self(sessions(request)?.sign_in(&presented(request))?));
        ready(asked())
    }
}

/// From `app_data(Data::new(sessions))`, or from `app_data(sessions)`. Of two different ones nobody
/// knows which scope stands further in.
fn sessions(request: &HttpRequest) -> Result<Sessions, Usage> {
    let shared = request.app_data::<Data<Sessions>>().map(|data| Sessions::clone(data));
    let plain = request.app_data::<Sessions>().cloned();
    let why = match (shared, plain) {
        (Some(shared), Some(plain)) if !shared.is_same(&plain) => {
            "the extractors of logout-all find two sessions, as `Data<Sessions>` and as \
             `Sessions`: give every scope the former"
        }
        (Some(sessions), _) | (None, Some(sessions)) => return Ok(sessions),
        (None, None) => {
            "the extractors of logout-all find no sessions: give the application \
             `.app_data(Data::new(sessions.clone()))`"
        }
    };
    Err(Usage::NotAttached(why.into()))
}

/// What these sessions have found already, a middleware's say; else they are asked. An application
/// may have others, for its operators say, whose handlers must not take it.
async fn find(
    sessions: &Sessions,
    request: &HttpRequest,
) -> Result<Option<Verified>, AuthRejection> {
    let found = request.extensions().get::<Authenticated>().cloned();
    if let Some(found) = found.filter(|found| found.by.is_same(sessions)) {
        return Ok(found.session);
    }
    let session = sessions.authenticate_if_presented(&presented(request)).await?;
    let found = Authenticated { by: sessions.clone(), session: session.clone() };
    request.extensions_mut().insert(found);
    Ok(session)
}
