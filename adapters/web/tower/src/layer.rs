//! The layer: verifies once for a whole subtree and leaves the session in the request's
//! extensions.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::SET_COOKIE};
use logout_all::{
    Sessions, Verified,
    http::{Admitted, Anonymous, Refusal, RenewedCookie},
};
use tower_layer::Layer;
use tower_service::Service;

use crate::translate::{presented, response, unlogged};

/// Guards every route inside it: a request without a live session is refused before the handler.
/// Also what `renew_in_passing()` needs. Put it inside a CORS layer, or preflights are refused.
#[derive(Clone, Debug)]
pub struct AuthLayer {
    sessions: Sessions,
    anonymous: Anonymous,
}

/// What [`AuthLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    inner: S,
    layer: AuthLayer,
}

/// What the layer found, in the request's extensions. Only the layer and an adapter's extractors
/// can make one.
#[derive(Clone, Debug)]
pub struct Authenticated {
    by: Sessions,
    session: Option<Verified>,
}

impl AuthLayer {
    /// A layer that refuses anonymous requests.
    pub fn new(sessions: &Sessions) -> Self {
        Self { sessions: sessions.clone(), anonymous: Anonymous::Refused }
    }

    /// Lets requests through that present no token, for pages that everybody may see. A token that
    /// is presented must be good all the same.
    pub fn allow_anonymous(mut self) -> Self {
        self.anonymous = Anonymous::LetThrough;
        self
    }

    async fn admit<B>(&self, request: Request<B>) -> Result<(Request<B>, Admitted), Refusal> {
        let (mut parts, body) = request.into_parts();
        let admitted = self.sessions.admit(&presented(&parts), self.anonymous).await?;
        let found = Authenticated::by(&self.sessions, admitted.session.clone());
        parts.extensions.insert(found);
        Ok((Request::from_parts(parts, body), admitted))
    }
}

impl Authenticated {
    /// For extractors: what they have asked these sessions themselves.
    pub fn by(sessions: &Sessions, session: Option<Verified>) -> Self {
        Self { by: sessions.clone(), session }
    }

    /// The session; none for an anonymous request.
    pub fn session(&self) -> Option<&Verified> {
        self.session.as_ref()
    }

    /// Whether it was found by these sessions: an application may have others, for its operators
    /// say, whose handlers must not take it.
    pub fn is_by(&self, sessions: &Sessions) -> bool {
        self.by.is_same(sessions)
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService { inner, layer: self.clone() }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for AuthService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Send + 'static,
    ResBody: From<Bytes>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let layer = self.layer.clone();
        // The clone takes the place of the service that was made ready, which is the one to call.
        let fresh = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, fresh);
        Box::pin(async move {
            match layer.admit(request).await {
                Ok((request, admitted)) => {
                    let mut answer = ready.call(request).await?;
                    if let Some(cookie) = &admitted.renewed_cookie {
                        set_renewed(&mut answer, cookie);
                    }
                    Ok(answer)
                }
                Err(refusal) => Ok(response(refusal.into_reply())),
            }
        })
    }
}

fn set_renewed<B>(answer: &mut Response<B>, cookie: &RenewedCookie) {
    let already: Vec<_> = answer
        .headers()
        .get_all(SET_COOKIE)
        .iter()
        .map(|value| value.as_bytes().to_vec())
        .collect();
    let set = cookie.unless_set(already.iter().map(Vec::as_slice));
    if let Some(Ok(value)) = set.map(HeaderValue::try_from) {
        answer.headers_mut().append(SET_COOKIE, unlogged(SET_COOKIE.as_str(), value));
        // What sets a cookie is not for shared caches.
        answer.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    }
}
