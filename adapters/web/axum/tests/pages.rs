//! Server-rendered applications without script: renewal in passing, answers of the application's
//! own, pages that everybody may see; and what the layer leaves to the extractors.

#![allow(clippy::unwrap_used)] // in the helpers of tests

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
    routing::{get, post},
};
use logout_all_axum::{
    AuthLayer, AuthRejection, AuthReply, AuthSession, Denied, MaybeSession, Reply, Sessions,
    SessionsBuilder, Transports, testing::TestSessions,
};
use tower::ServiceExt;

const COOKIE: &str = "__Host-session";

fn pages(builder: SessionsBuilder) -> SessionsBuilder {
    builder.transports(Transports::Cookie).renew_in_passing().on_denied(|denied, _| match denied {
        Denied::TokenMissing | Denied::SessionEnded => Some(Reply::see_other("/login")),
        _ => None,
    })
}

fn application(sessions: &Sessions) -> Router {
    Router::new()
        .route("/account", get(|session: AuthSession| async move { session.user_id().to_string() }))
        .route("/leave", post(leave))
        .layer(AuthLayer::new(sessions))
        .merge(
            Router::new().route("/", get(front)).layer(AuthLayer::new(sessions).allow_anonymous()),
        )
        .with_state(sessions.clone())
}

async fn front(MaybeSession(session): MaybeSession) -> String {
    session.map_or("hello guest".to_owned(), |session| format!("hello {}", session.user_id()))
}

async fn leave(session: AuthSession) -> Result<AuthReply, AuthRejection> {
    Ok(session.logout().await?.into())
}

/// A page load as a browser sends it.
async fn load(router: &Router, method: &str, path: &str, token: Option<&str>) -> Response<Body> {
    load_from("same-origin", router, method, path, token).await
}

async fn load_from(
    site: &str,
    router: &Router,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path).header("sec-fetch-site", site);
    if let Some(token) = token {
        request = request.header("cookie", format!("{COOKIE}={token}"));
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// The token that an answer sets.
fn cookie_set(answer: &Response<Body>) -> Option<String> {
    let value = answer.headers().get("set-cookie")?.to_str().unwrap();
    let token = value.strip_prefix(COOKIE)?.strip_prefix('=')?.split(';').next()?;
    Some(token.to_owned())
}

async fn started() -> (TestSessions, Router, String) {
    let test = TestSessions::start_with(pages).await;
    let router = application(&test.sessions);
    let token = test.sign_in("ada").await.1.expose().to_owned();
    (test, router, token)
}

/// "`renew_in_passing()` renews a cookie past `renew_after` on a same-origin request and sets it
/// on that response"
#[tokio::test]
async fn a_page_load_renews_a_cookie_that_is_due() {
    let (test, router, token) = started().await;
    assert_eq!(cookie_set(&load(&router, "GET", "/account", Some(&token)).await), None);
    test.clock.advance(Duration::from_secs(2881));
    let answer = load(&router, "GET", "/account", Some(&token)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let fresh = cookie_set(&answer).unwrap();
    assert_ne!(fresh, token);
    let answer = load(&router, "GET", "/account", Some(&fresh)).await;
    assert_eq!((answer.status(), cookie_set(&answer)), (StatusCode::OK, None));
}

/// A page that was left open for hours still finds its session.
#[tokio::test]
async fn a_page_load_renews_a_cookie_past_its_exp() {
    let (test, router, token) = started().await;
    test.clock.advance(Duration::from_hours(5));
    // The answer to the first is lost: nobody has received the new cookie, and nothing was
    // confirmed by looking at it.
    load(&router, "GET", "/account", Some(&token)).await;
    test.clock.advance(Duration::from_mins(5));
    let answer = load(&router, "GET", "/account", Some(&token)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let fresh = cookie_set(&answer).unwrap();
    let again = load(&router, "GET", "/", Some(&fresh)).await;
    assert_eq!((again.status(), cookie_set(&again)), (StatusCode::OK, None));
}

/// The page load that rotated was lost: the browser has only the predecessor, and is not made to
/// wait until that has expired.
#[tokio::test]
async fn a_lost_page_is_made_good_by_the_next() {
    let (test, router, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    load(&router, "GET", "/account", Some(&token)).await;
    for minutes in [0, 3, 3] {
        test.clock.advance(Duration::from_mins(minutes));
        let answer = load(&router, "GET", "/account", Some(&token)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{minutes} min later");
        assert!(cookie_set(&answer).is_some());
    }
}

/// "a late request from a sleeping tab must not log anyone out", in passing neither.
#[tokio::test]
async fn a_late_page_load_ends_nothing() {
    let (test, router, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    let fresh = cookie_set(&load(&router, "GET", "/account", Some(&token)).await).unwrap();
    load(&router, "GET", "/account", Some(&fresh)).await;
    test.clock.advance(Duration::from_mins(1));
    let late = load(&router, "GET", "/account", Some(&token)).await;
    assert_eq!((late.status(), cookie_set(&late)), (StatusCode::UNAUTHORIZED, None));
    let answer = load(&router, "GET", "/account", Some(&fresh)).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

/// An application may have other sessions for its operators: what one layer found is nothing to
/// the other's handlers.
#[tokio::test]
async fn a_session_of_others_is_none() {
    let (users, operators) = (TestSessions::start().await, TestSessions::start().await);
    let router: Router = Router::new()
        .route("/", get(|session: AuthSession| async move { session.user_id().to_string() }))
        .layer(AuthLayer::new(&users.sessions))
        .with_state(operators.sessions.clone());
    let bearer = users.bearer("ada").await;
    let request = Request::get("/").header("authorization", bearer).body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn another_site_renews_nothing() {
    let (test, router, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    let answer = load_from("cross-site", &router, "GET", "/account", Some(&token)).await;
    assert_eq!((answer.status(), cookie_set(&answer)), (StatusCode::OK, None));
}

/// A handler that signs out has the last word about the cookie.
#[tokio::test]
async fn signing_out_is_not_undone_in_passing() {
    let (test, router, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    let answer = load(&router, "POST", "/leave", Some(&token)).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 1);
    assert_eq!(cookie_set(&answer).as_deref(), Some(""));
}

/// "`on_denied` lets the application answer page loads with a page or a redirect of its own"
#[tokio::test]
async fn a_denial_may_be_a_redirect() {
    let (_test, router, token) = started().await;
    let answer = load(&router, "GET", "/account", None).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], "/login");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let answer = load_from("cross-site", &router, "POST", "/leave", Some(&token)).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "the others stay as they are");
}

/// "absent only when no token was presented; everything else is refused as usual"
#[tokio::test]
async fn pages_for_everybody_know_who_comes() {
    let (_test, router, token) = started().await;
    for (token, status) in [(None, 200), (Some(&*token), 200), (Some("a.b.c"), 401)] {
        assert_eq!(load(&router, "GET", "/", token).await.status(), status, "{token:?}");
    }
}
