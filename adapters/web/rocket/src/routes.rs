//! The library's routes, as one catch-all for each method that Rocket knows.

use std::future::ready;

use bytes::Bytes;
use logout_all::Sessions;
use rocket::{
    Catcher, Data, Request, Route, catcher,
    http::{
        Method::{self, Connect, Delete, Get, Head, Options, Patch, Post, Put, Trace},
        Status,
    },
    route::{self, Handler, Outcome},
};

use crate::{
    AuthReply, presented, read_body,
    translate::{presented_by, response},
};

/// All that Rocket knows.
pub(crate) const METHODS: [Method; 9] =
    [Get, Put, Post, Delete, Options, Head, Trace, Connect, Patch];

const NAME: &str = "logout-all";

/// The routes of `docs/http.md`, to be mounted under a prefix of the application's choice:
/// `.mount("/auth", routes(&sessions))`. What is not one of them is answered 404 or 405 here.
pub fn routes(sessions: &Sessions) -> Vec<Route> {
    let route = |method| {
        let mut route = Route::new(method, "/<tail..>", Library(sessions.clone()));
        route.name = Some(NAME.into());
        route
    };
    METHODS.map(route).into()
}

/// For methods that Rocket does not know (`PURGE`): it refuses them by itself, with a bare 400. With
/// `.register("/auth", catchers(&sessions))`, under the prefix of [`routes`], they get the answer
/// that they get everywhere: 404, or 405 with `Allow`. It catches under that prefix alone, and there
/// nothing else is a 400 that Rocket would catch.
pub fn catchers(sessions: &Sessions) -> Vec<Catcher> {
    vec![Catcher::new(Status::BadRequest.code, Library(sessions.clone()))]
}

#[derive(Clone)]
struct Library(Sessions);

#[rocket::async_trait]
impl Handler for Library {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> route::Outcome<'r> {
        let base = request.route().map_or("", |route| route.uri.base());
        let tail = tail(request, base);
        let asked = presented(request);
        let reply = Box::pin(self.0.route(&asked, tail, read_body(data))).await;
        Outcome::from(request, AuthReply::from(reply))
    }
}

#[rocket::async_trait]
impl catcher::Handler for Library {
    async fn handle<'r>(&self, _status: Status, request: &'r Request<'_>) -> catcher::Result<'r> {
        let mounted = request.rocket().routes().filter(|route| route.name.as_deref() == Some(NAME));
        let tails = mounted.map(|route| tail(request, route.uri.base()));
        let tail = tails.filter(|tail| *tail != NOWHERE).min_by_key(|tail| tail.len());
        // Rocket has put GET in the place of the method, which was none that any route has.
        let asked = presented_by("", request);
        let reply = self.0.route(&asked, tail.unwrap_or(NOWHERE), ready(Ok(Bytes::new()))).await;
        Ok(response(reply))
    }
}

/// The tail of no route.
const NOWHERE: &str = "//";

/// The path behind the prefix, as it was sent. Rocket's router has folded slashes and decoded
/// letters to find this route; a path that it had to change is not the path of one.
fn tail<'a>(request: &'a Request<'_>, base: &str) -> &'a str {
    let path = request.uri().path().raw().as_str();
    let behind = path.strip_prefix(base.trim_end_matches('/'));
    behind.filter(|tail| tail.is_empty() || tail.starts_with('/')).unwrap_or(NOWHERE)
}
