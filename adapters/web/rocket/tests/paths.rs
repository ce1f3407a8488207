//! Paths and methods as clients send them, over sockets: no spelling turns one route into another,
//! and none leads around a guard.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod server;

use logout_all_conformance::client::Request;
use logout_all_rocket::{
    AuthFairing, AuthSession, Guarded, MaybeSession, catchers, testing::TestSessions,
};
use rocket::{fairing::AdHoc, get, http::uri::Origin, post, routes};
use server::{Server, config};

/// "Paths are exact", under any prefix.
#[tokio::test]
async fn no_slash_is_folded_and_no_letter_decoded_under_any_prefix() {
    let test = TestSessions::start().await;
    let mounted = || logout_all_rocket::routes(&test.sessions);
    let rocket = rocket::custom(config())
        .mount("/auth", mounted())
        .mount("/deep/auth", mounted())
        .mount("/slash/", mounted());
    let server = Server::start(rocket).await;
    let authorization = test.bearer("ada").await;
    for (path, status) in [
        ("/auth/session", 200),
        ("/auth/session?", 200),
        ("/auth/session?a", 400),
        ("/auth//session", 404),
        ("/auth///session", 404),
        ("//auth/session", 404),
        ("/auth/session/", 404),
        ("/auth/session//", 404),
        ("/auth/session%2F", 404),
        ("/auth%2Fsession", 404),
        ("/%61uth/session", 404),
        ("/auth/%73ession", 404),
        ("/auth/sessions%2Fothers", 404),
        ("/auth/x/../session", 404),
        ("/auth/./session", 404),
        ("/auth/Session", 404),
        ("/Auth/session", 404),
        ("/auth", 404),
        ("/auth/", 404),
        ("/auth/%ff", 404),
        ("/auth/a\\b", 404),
        ("/deep/auth/session", 200),
        ("/deep/auth//session", 404),
        ("/deep//auth/session", 404),
        ("/slash/session", 200),
        ("/slash//session", 404),
    ] {
        let request = Request::new("GET", path).header("Authorization", &authorization);
        assert_eq!(server.send(&request).await.status(), status, "{path}");
    }
    server.end().await;

    let server = Server::start(rocket::custom(config()).mount("/", mounted())).await;
    for (path, status) in [("/session", 200), ("//session", 404), ("/session/", 404), ("/", 404)] {
        let request = Request::new("GET", path).header("Authorization", &authorization);
        assert_eq!(server.send(&request).await.status(), status, "{path}");
    }
    server.end().await;
}

/// A method that Rocket does not know gets the answer that it gets everywhere.
#[tokio::test]
async fn unknown_methods_are_405_with_the_catchers() {
    let test = TestSessions::start().await;
    let rocket = rocket::custom(config())
        .attach(AuthFairing::new(&test.sessions))
        .mount("/auth", logout_all_rocket::routes(&test.sessions))
        .mount("/second/auth", logout_all_rocket::routes(&test.sessions))
        .register("/auth", catchers(&test.sessions))
        .register("/second/auth", catchers(&test.sessions));
    let server = Server::start(rocket).await;
    let authorization = test.bearer("ada").await;
    for (target, status) in [
        ("/auth/sessions", 405),
        ("/second/auth/sessions", 405),
        ("/auth/sessions/", 404),
        ("/auth//sessions", 404),
        ("/auth/auth/sessions", 404),
    ] {
        for method in ["PURGE", "get", "DELETE2"] {
            let request = Request::new(method, target).header("Authorization", &authorization);
            let answer = server.send(&request).await;
            assert_eq!(answer.status(), status, "{method} {target}");
            assert_eq!(answer.all("Cache-Control").collect::<Vec<_>>(), ["no-store"]);
            let allow: Vec<_> = answer.all("Allow").collect();
            let wanted: &[&str] = if status == 405 { &["GET, HEAD, DELETE"] } else { &[] };
            assert_eq!(allow, wanted, "{method} {target}");
        }
    }
    server.end().await;
}

/// `_method` rewrites a form before any route is looked for: "a form body is 415 before the method
/// is looked at".
#[tokio::test]
async fn a_form_signs_nobody_out() {
    let test = TestSessions::start().await;
    let rocket = rocket::custom(config()).mount("/auth", logout_all_rocket::routes(&test.sessions));
    let server = Server::start(rocket).await;
    let authorization = test.bearer("ada").await;
    for target in ["/auth/session", "/auth/sessions", "/auth/sessions/others"] {
        let form = Request::new("POST", target)
            .header("Authorization", &authorization)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("_method=DELETE");
        assert_eq!(server.send(&form).await.status(), 415, "{target}");
    }
    let alive = Request::new("GET", "/auth/session").header("Authorization", &authorization);
    assert_eq!(server.send(&alive).await.status(), 200);
    server.end().await;
}

#[get("/report")]
fn report() -> &'static str {
    "secret"
}

#[post("/report", data = "<body>")]
fn posted(body: String) -> String {
    body
}

#[get("/<_..>")]
fn any() -> &'static str {
    "secret"
}

#[get("/front")]
fn front(session: MaybeSession) -> String {
    session.0.map_or("guest".to_owned(), |session: AuthSession| session.user_id().to_string())
}

/// "below the mount, a stranger gets the same refusal from every path and method"
#[tokio::test]
async fn the_rest_of_a_mount_tells_strangers_nothing() {
    let test = TestSessions::start().await;
    let rocket = rocket::custom(config())
        .attach(AuthFairing::new(&test.sessions))
        .mount("/private", Guarded::new(routes![report, posted]).and_the_rest())
        .mount("/bare", Guarded::new(routes![report]))
        .mount("/", routes![front]);
    let server = Server::start(rocket).await;
    let authorization = test.bearer("ada").await;
    for (method, path, known) in [
        ("GET", "/private/report", 200),
        ("HEAD", "/private/report", 200),
        ("DELETE", "/private/report", 404),
        ("OPTIONS", "/private/report", 404),
        ("GET", "/private/nothing", 404),
        ("GET", "/private", 404),
        ("GET", "/private/", 404),
        ("PATCH", "/private/a/b/c", 404),
    ] {
        assert_eq!(server.send(&Request::new(method, path)).await.status(), 401, "{method} {path}");
        let request = Request::new(method, path).header("Authorization", &authorization);
        assert_eq!(server.send(&request).await.status(), known, "{method} {path}");
    }
    for path in ["/bare/nothing", "/privately"] {
        assert_eq!(server.send(&Request::new("GET", path)).await.status(), 404, "{path}");
    }
    assert_eq!(server.send(&Request::new("GET", "/front")).await.status(), 200);
    server.end().await;
}

/// "guards all routes of a mount … whatever way a request takes to the handler"
#[tokio::test]
async fn no_spelling_leads_around_the_guard() {
    let test = TestSessions::start().await;
    // A fairing that rewrites paths, attached after ours.
    let rewriting = AdHoc::on_request("rewriting", |request, _| {
        Box::pin(async move {
            if request.uri().path() == "/rewritten" {
                request.set_uri(Origin::parse("/private/report").unwrap());
            }
        })
    });
    let rocket = rocket::custom(config())
        .attach(AuthFairing::new(&test.sessions))
        .attach(rewriting)
        .mount("/private", Guarded::new(routes![report, posted]))
        .mount("/deep", Guarded::new(routes![any]))
        .mount("/open", Guarded::new(routes![front]).allow_anonymous());
    let server = Server::start(rocket).await;
    let authorization = test.bearer("ada").await;
    for path in [
        "/private/report",
        "//private/report",
        "/private//report",
        "/private/report/",
        "/%70rivate/report",
        "/private/%72eport",
        "/private/report?x",
        "/rewritten",
        "/deep",
        "/deep/",
        "/deep/a/b",
        "/deep/../private",
        "/deep%2Freport/",
        "/Private/report",
        "/private%2Freport",
        "/private/../private/report",
        "/private/./report",
    ] {
        let anonymous = server.send(&Request::new("GET", path)).await;
        let body = String::from_utf8_lossy(anonymous.body()).into_owned();
        assert!([401, 404].contains(&anonymous.status()), "{path}: {}", anonymous.status());
        assert!(!body.contains("secret"), "{path}");
        let known = Request::new("GET", path).header("Authorization", &authorization);
        let known = server.send(&known).await;
        // What is behind the guard is refused by it, and nothing else.
        assert_eq!(anonymous.status() == 401, known.status() == 200, "{path}");
    }
    for path in ["/private/report", "//private/report/", "/rewritten", "/deep/a/b"] {
        let head = server.send(&Request::new("HEAD", path)).await;
        assert_eq!(head.status(), 401, "{path}");
    }
    let unread = Request::new("POST", "/private/report").body("x".repeat(100_000));
    assert_eq!(server.send(&unread).await.status(), 401);

    for (value, status) in
        [(None, 200), (Some(authorization.as_str()), 200), (Some("Bearer x"), 401)]
    {
        let request = Request::new("GET", "/open/front");
        let request = value.into_iter().fold(request, |r, value| r.header("Authorization", value));
        assert_eq!(server.send(&request).await.status(), status, "{value:?}");
    }
    server.end().await;
}
