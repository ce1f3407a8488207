//! Extractors. Each asks the core once; what a middleware has found already is used.

use std::{
    fmt,
    future::{Future, Ready, ready},
    ops::Deref,
    pin::Pin,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web::Data};
use logout_all::{
    AuthError, Sessions, Transport, Usage, Verified,
    http::{OpenSignIn, SignInRequest},
};

use crate::{AuthRejection, middleware::Authenticated, presented};

/// A live session: the handler runs for nobody else. Derefs to [`Verified`].
///
/// Never ask for an `Option` or a `Result` of it: the front page of this crate says why.
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

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, AuthRejection>>>>;

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
