//! Server-rendered applications without script: renewal in passing, answers of the application's
//! own, pages that everybody may see; and what the middleware leaves to the extractors.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod application;

use std::time::Duration;

use actix_web::{
    http::{StatusCode, header::SET_COOKIE},
    web,
};
use application::{Answer, Application, COOKIE, header};
use logout_all_actix::{
    AuthMiddleware, AuthRejection, AuthReply, AuthSession, Denied, MaybeSession, Reply,
    SessionsBuilder, Transports, testing::TestSessions,
};

fn pages(builder: SessionsBuilder) -> SessionsBuilder {
    builder.transports(Transports::Cookie).renew_in_passing().on_denied(|denied, _| match denied {
        Denied::TokenMissing | Denied::SessionEnded => Some(Reply::see_other("/login")),
        _ => None,
    })
}

async fn account(session: AuthSession) -> String {
    session.user_id().to_string()
}

async fn front(MaybeSession(session): MaybeSession) -> String {
    session.map_or("hello guest".to_owned(), |session| format!("hello {}", session.user_id()))
}

async fn leave(session: AuthSession) -> Result<AuthReply, AuthRejection> {
    Ok(session.logout().await?.into())
}

async fn started() -> (TestSessions, Application, String) {
    let test = TestSessions::start_with(pages).await;
    let guard = AuthMiddleware::new(&test.sessions);
    let application = Application::start(&test.sessions, move |config| {
        config
            .service(
                web::scope("/my")
                    .wrap(guard.clone())
                    .route("/account", web::get().to(account))
                    .route("/leave", web::post().to(leave)),
            )
            .service(web::scope("").wrap(guard.allow_anonymous()).route("/", web::get().to(front)));
    })
    .await;
    let token = test.sign_in("ada").await.1.expose().to_owned();
    (test, application, token)
}

/// A page load as a browser sends it.
async fn load(app: &Application, method: &str, path: &str, token: Option<&str>) -> Answer {
    load_from("same-origin", app, method, path, token).await
}

async fn load_from(
    site: &str,
    app: &Application,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> Answer {
    let cookie = token.map(|token| format!("{COOKIE}={token}"));
    let cookie = cookie.iter().map(|cookie| ("cookie", cookie.as_str()));
    app.send(method, path, cookie.chain([("sec-fetch-site", site)])).await
}

/// The token that an answer sets.
fn cookie_set(answer: &Answer) -> Option<String> {
    let value = header(answer, "set-cookie")?;
    let token = value.strip_prefix(COOKIE)?.strip_prefix('=')?.split(';').next()?;
    Some(token.to_owned())
}

/// "`renew_in_passing()` renews a cookie past `renew_after` on a same-origin request and sets it
/// on that response"
#[tokio::test]
async fn a_page_load_renews_a_cookie_that_is_due() {
    let (test, app, token) = started().await;
    assert_eq!(cookie_set(&load(&app, "GET", "/my/account", Some(&token)).await), None);
    test.clock.advance(Duration::from_secs(2881));
    let answer = load(&app, "GET", "/my/account", Some(&token)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    assert!(answer.headers().get(SET_COOKIE).unwrap().is_sensitive(), "it would be logged");
    let fresh = cookie_set(&answer).unwrap();
    assert_ne!(fresh, token);
    let answer = load(&app, "GET", "/my/account", Some(&fresh)).await;
    assert_eq!((answer.status(), cookie_set(&answer)), (StatusCode::OK, None));
}

/// A page that was left open for hours still finds its session.
#[tokio::test]
async fn a_page_load_renews_a_cookie_past_its_exp() {
    let (test, app, token) = started().await;
    test.clock.advance(Duration::from_hours(5));
    let answer = load(&app, "GET", "/my/account", Some(&token)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let fresh = cookie_set(&answer).unwrap();
    let again = load(&app, "GET", "/", Some(&fresh)).await;
    assert_eq!((again.status(), cookie_set(&again)), (StatusCode::OK, None));
}

#[tokio::test]
async fn another_site_renews_nothing() {
    let (test, app, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    let answer = load_from("cross-site", &app, "GET", "/my/account", Some(&token)).await;
    assert_eq!((answer.status(), cookie_set(&answer)), (StatusCode::OK, None));
}

/// A handler that signs out has the last word about the cookie.
#[tokio::test]
async fn signing_out_is_not_undone_in_passing() {
    let (test, app, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    let answer = load(&app, "POST", "/my/leave", Some(&token)).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.headers().get_all(SET_COOKIE).count(), 1);
    assert_eq!(cookie_set(&answer).as_deref(), Some(""));
    assert!(answer.headers().get(SET_COOKIE).unwrap().is_sensitive(), "it would be logged");
}

/// "`on_denied` lets the application answer page loads with a page or a redirect of its own"
#[tokio::test]
async fn a_denial_may_be_a_redirect() {
    let (_test, app, token) = started().await;
    let answer = load(&app, "GET", "/my/account", None).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&answer, "location"), Some("/login"));
    assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    let answer = load_from("cross-site", &app, "POST", "/my/leave", Some(&token)).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "the others stay as they are");
}

/// "absent only when no token was presented; everything else is refused as usual"
#[tokio::test]
async fn pages_for_everybody_know_who_comes() {
    let (_test, app, token) = started().await;
    for (token, status) in [(None, 200), (Some(&*token), 200), (Some("a.b.c"), 401)] {
        assert_eq!(load(&app, "GET", "/", token).await.status(), status, "{token:?}");
    }
}
