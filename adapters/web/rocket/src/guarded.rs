//! A guarded mount: routes that run for nobody without a session.

use logout_all::http::Anonymous;
use rocket::{
    Data, Request, Route,
    http::Status,
    route::{Handler, Outcome},
};

use crate::{
    AuthRejection,
    found::{admit, attached, refuse},
    presented,
    routes::METHODS,
};

/// Guards all routes of a mount: a request without a live session is refused before any of them
/// runs, its data guards included. Also what `renew_in_passing()` needs.
///
/// ```
/// # use logout_all_rocket::Guarded;
/// # use rocket::{get, routes};
/// #[get("/stats")]
/// fn stats() -> &'static str { "ok" }
///
/// let rocket = rocket::build().mount("/admin", Guarded::new(routes![stats]));
/// # let _ = rocket;
/// ```
///
/// The guard is part of each route, and no rule about paths: whatever way a request takes to the
/// handler (doubled slashes, encoded letters, `..`, a fairing that rewrites it), it passes the guard.
/// What is no route is answered 404 to everybody, unless [`and_the_rest`](Self::and_the_rest) is guarded
/// too. Without an [`AuthFairing`](crate::AuthFairing)
/// every request is refused: 500 `misconfigured`.
#[derive(Clone, Debug)]
pub struct Guarded {
    routes: Vec<Route>,
    anonymous: Anonymous,
}

impl Guarded {
    /// Guards these routes: `routes![…]`, a `FileServer`, anything that can be mounted.
    pub fn new(routes: impl Into<Vec<Route>>) -> Self {
        Self { routes: routes.into(), anonymous: Anonymous::Refused }
    }

    /// Lets requests through that present no token, for pages that everybody may see. A token that
    /// is presented must be good all the same.
    pub fn allow_anonymous(mut self) -> Self {
        self.anonymous = Anonymous::LetThrough;
        self
    }

    /// Guards what is not there as well: below the mount, a stranger gets the same refusal from every
    /// path, by every method that Rocket knows, and learns nothing of what there is. Whoever passes gets Rocket's 404. One
    /// such mount under a path.
    pub fn and_the_rest(mut self) -> Self {
        let nothing = |method| Route::ranked(isize::MAX, method, "/<tail..>", Nothing);
        self.routes.extend(METHODS.map(nothing));
        self
    }
}

impl From<Guarded> for Vec<Route> {
    fn from(guarded: Guarded) -> Self {
        let Guarded { routes, anonymous } = guarded;
        let guard = |mut route: Route| {
            route.handler = Box::new(Behind { handler: route.handler, anonymous });
            route
        };
        routes.into_iter().map(guard).collect()
    }
}

/// A handler behind the guard.
#[derive(Clone)]
struct Behind {
    handler: Box<dyn Handler>,
    anonymous: Anonymous,
}

#[rocket::async_trait]
impl Handler for Behind {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        let refusal = match admit(request).await {
            Ok(admitted) if self.anonymous.lets_through(admitted) => None,
            Ok(_) => match attached(request) {
                Ok(sessions) => Some(sessions.refuse_anonymous(&presented(request))),
                Err(misconfigured) => Some(misconfigured),
            },
            Err(refusal) => Some(refusal),
        };
        match refusal {
            None => self.handler.handle(request, data).await,
            Some(refusal) => Outcome::from(request, AuthRejection::from(refuse(request, refusal))),
        }
    }
}

/// What answers nothing, so that Rocket looks on.
#[derive(Clone)]
struct Nothing;

#[rocket::async_trait]
impl Handler for Nothing {
    async fn handle<'r>(&self, _request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        Outcome::forward(data, Status::NotFound)
    }
}
