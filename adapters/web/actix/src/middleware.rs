//! The middleware: verifies once for a whole scope and leaves the session in the request's
//! extensions.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
    http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE},
};
use logout_all::{
    Sessions, Verified,
    http::{Admitted, Anonymous, Refusal, RenewedCookie},
};

use crate::{
    presented,
    translate::{response, unlogged},
};

/// Guards every route of a scope: a request without a live session is refused before the handler.
/// Also what `renew_in_passing()` needs.
///
/// ```
/// # use actix_web::{App, web};
/// # use logout_all_actix::{AuthMiddleware, Sessions};
/// # fn example(sessions: &Sessions) -> App<impl actix_web::dev::ServiceFactory<
/// #     actix_web::dev::ServiceRequest, Config = (), InitError = (), Error = actix_web::Error>> {
/// App::new().service(web::scope("/admin").wrap(AuthMiddleware::new(sessions)))
/// # }
/// ```
///
/// What is wrapped last runs first: wrap a CORS middleware after it, or preflights are refused.
#[derive(Clone, Debug)]
pub struct AuthMiddleware {
    sessions: Sessions,
    anonymous: Anonymous,
}

/// What [`AuthMiddleware`] makes of a service.
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    inner: Rc<S>,
    middleware: AuthMiddleware,
}

/// What was found, in the request's extensions. Only this crate can make one.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated {
    pub(crate) by: Sessions,
    pub(crate) session: Option<Verified>,
}

impl AuthMiddleware {
    /// A middleware that refuses anonymous requests.
    pub fn new(sessions: &Sessions) -> Self {
        Self { sessions: sessions.clone(), anonymous: Anonymous::Refused }
    }

    /// Lets requests through that present no token, for pages that everybody may see. A token that
    /// is presented must be good all the same.
    pub fn allow_anonymous(mut self) -> Self {
        self.anonymous = Anonymous::LetThrough;
        self
    }

    async fn admit(&self, request: &ServiceRequest) -> Result<Option<RenewedCookie>, Refusal> {
        let admitted = self.sessions.admit(&presented(request.request()), self.anonymous).await?;
        let Admitted { session, renewed_cookie } = admitted;
        let found = Authenticated { by: self.sessions.clone(), session };
        request.extensions_mut().insert(found);
        Ok(renewed_cookie)
    }
}

impl<S, B> Transform<S, ServiceRequest> for AuthMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = AuthService<S>;
    type Future = Ready<Result<AuthService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(AuthService { inner: Rc::new(inner), middleware: self.clone() }))
    }
}

impl<S, B> Service<ServiceRequest> for AuthService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (inner, middleware) = (Rc::clone(&self.inner), self.middleware.clone());
        Box::pin(async move {
            match middleware.admit(&request).await {
                Ok(renewed_cookie) => {
                    let mut answer = inner.call(request).await?;
                    if let Some(cookie) = &renewed_cookie {
                        set_renewed(&mut answer, cookie);
                    }
                    Ok(answer.map_into_left_body())
                }
                Err(refusal) => {
                    let answer = response(refusal.into_reply());
                    Ok(request.into_response(answer).map_into_right_body())
                }
            }
        })
    }
}

fn set_renewed<B>(answer: &mut ServiceResponse<B>, cookie: &RenewedCookie) {
    let headers = answer.headers_mut();
    let set = cookie.unless_set(headers.get_all(SET_COOKIE).map(HeaderValue::as_bytes));
    if let Some(Ok(value)) = set.map(HeaderValue::try_from) {
        headers.append(SET_COOKIE, unlogged(SET_COOKIE.as_str(), value));
        // What sets a cookie is not for shared caches.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
