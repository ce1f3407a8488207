//! Server-rendered applications without script: renewal in passing, answers of the application's
//! own, pages that everybody may see; and what a guarded mount leaves to the guards.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::needless_pass_by_value, reason = "what a guard gives comes by value")]

use std::time::Duration;

use logout_all_rocket::{
    AuthFairing, AuthRejection, AuthReply, AuthSession, Denied, Guarded, MaybeSession, Reply,
    Sessions, SessionsBuilder, Transports, testing::TestSessions,
};
use rocket::{
    Build, Config, Rocket,
    config::LogLevel,
    get,
    http::{Header, Method, Status},
    local::asynchronous::{Client, LocalResponse},
    post, routes,
};

const COOKIE: &str = "__Host-session";

fn pages(builder: SessionsBuilder) -> SessionsBuilder {
    builder.transports(Transports::Cookie).renew_in_passing().on_denied(|denied, _| match denied {
        Denied::TokenMissing | Denied::SessionEnded => Some(Reply::see_other("/login")),
        _ => None,
    })
}

fn application(sessions: &Sessions) -> Rocket<Build> {
    rocket::custom(Config { log_level: LogLevel::Off, ..Config::release_default() })
        .attach(AuthFairing::new(sessions))
        .mount("/", Guarded::new(routes![account, leave]))
        .mount("/", Guarded::new(routes![front]).allow_anonymous())
        .mount("/", routes![alone])
}

#[get("/account")]
fn account(session: AuthSession) -> String {
    session.user_id().to_string()
}

#[get("/")]
fn front(session: MaybeSession) -> String {
    session.0.map_or("hello guest".to_owned(), |session| format!("hello {}", session.user_id()))
}

#[post("/leave")]
async fn leave(session: AuthSession) -> Result<AuthReply, AuthRejection> {
    Ok(session.logout().await?.into())
}

/// Behind no guarded mount.
#[get("/alone")]
fn alone(session: AuthSession) -> String {
    session.user_id().to_string()
}

/// A page load as a browser sends it.
async fn load<'c>(
    client: &'c Client,
    method: &str,
    path: &'static str,
    token: Option<&str>,
) -> LocalResponse<'c> {
    load_from("same-origin", client, method, path, token).await
}

async fn load_from<'c>(
    site: &'static str,
    client: &'c Client,
    method: &str,
    path: &'static str,
    token: Option<&str>,
) -> LocalResponse<'c> {
    let method: Method = method.parse().unwrap();
    let mut request = client.req(method, path).header(Header::new("Sec-Fetch-Site", site));
    if let Some(token) = token {
        request = request.header(Header::new("Cookie", format!("{COOKIE}={token}")));
    }
    request.dispatch().await
}

fn header<'a>(answer: &'a LocalResponse<'_>, name: &str) -> Vec<&'a str> {
    answer.headers().get(name).collect()
}

/// The token that an answer sets.
fn cookie_set(answer: &LocalResponse<'_>) -> Option<String> {
    let value = answer.headers().get_one("Set-Cookie")?;
    let token = value.strip_prefix(COOKIE)?.strip_prefix('=')?.split(';').next()?;
    Some(token.to_owned())
}

async fn started() -> (TestSessions, Client, String) {
    let test = TestSessions::start_with(pages).await;
    let client = Client::untracked(application(&test.sessions)).await.unwrap();
    let token = test.sign_in("ada").await.1.expose().to_owned();
    (test, client, token)
}

/// "`renew_in_passing()` renews a cookie past `renew_after` on a same-origin request and sets it
/// on that response"
#[rocket::async_test]
async fn a_page_load_renews_a_cookie_that_is_due() {
    let (test, client, token) = started().await;
    assert_eq!(cookie_set(&load(&client, "GET", "/account", Some(&token)).await), None);
    test.clock.advance(Duration::from_secs(2881));
    let answer = load(&client, "GET", "/account", Some(&token)).await;
    assert_eq!(answer.status(), Status::Ok);
    assert_eq!(header(&answer, "cache-control"), ["no-store"]);
    let fresh = cookie_set(&answer).unwrap();
    assert_ne!(fresh, token);
    let answer = load(&client, "GET", "/account", Some(&fresh)).await;
    assert_eq!((answer.status(), cookie_set(&answer)), (Status::Ok, None));
}

/// A page that was left open for hours still finds its session.
#[rocket::async_test]
async fn a_page_load_renews_a_cookie_past_its_exp() {
    let (test, client, token) = started().await;
    test.clock.advance(Duration::from_hours(5));
    // The answer to the first is lost: nobody has received the new cookie, and nothing was
    // confirmed by looking at it.
    load(&client, "GET", "/account", Some(&token)).await;
    test.clock.advance(Duration::from_mins(5));
    let answer = load(&client, "GET", "/account", Some(&token)).await;
    assert_eq!(answer.status(), Status::Ok);
    let fresh = cookie_set(&answer).unwrap();
    let again = load(&client, "GET", "/", Some(&fresh)).await;
    assert_eq!((again.status(), cookie_set(&again)), (Status::Ok, None));
}

/// The page load that rotated was lost: the browser has only the predecessor, and is not made to
/// wait until that has expired.
#[rocket::async_test]
async fn a_lost_page_is_made_good_by_the_next() {
    let (test, client, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    load(&client, "GET", "/account", Some(&token)).await;
    for minutes in [0, 3, 3] {
        test.clock.advance(Duration::from_mins(minutes));
        let answer = load(&client, "GET", "/account", Some(&token)).await;
        assert_eq!(answer.status(), Status::Ok, "{minutes} min later");
        assert!(cookie_set(&answer).is_some());
    }
}

/// "a late request from a sleeping tab must not log anyone out", in passing neither.
#[rocket::async_test]
async fn a_late_page_load_ends_nothing() {
    let (test, client, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    let fresh = cookie_set(&load(&client, "GET", "/account", Some(&token)).await).unwrap();
    load(&client, "GET", "/account", Some(&fresh)).await;
    test.clock.advance(Duration::from_mins(1));
    let late = load(&client, "GET", "/account", Some(&token)).await;
    assert_eq!((late.status(), cookie_set(&late)), (Status::Unauthorized, None));
    let answer = load(&client, "GET", "/account", Some(&fresh)).await;
    assert_eq!(answer.status(), Status::Ok);
}

#[rocket::async_test]
async fn another_site_renews_nothing() {
    let (test, client, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    let answer = load_from("cross-site", &client, "GET", "/account", Some(&token)).await;
    assert_eq!((answer.status(), cookie_set(&answer)), (Status::Ok, None));
}

/// A handler that signs out has the last word about the cookie.
#[rocket::async_test]
async fn signing_out_is_not_undone_in_passing() {
    let (test, client, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    let answer = load(&client, "POST", "/leave", Some(&token)).await;
    assert_eq!(answer.status(), Status::NoContent);
    assert_eq!(header(&answer, "set-cookie").len(), 1);
    assert_eq!(cookie_set(&answer).as_deref(), Some(""));
}

/// "`on_denied` lets the application answer page loads with a page or a redirect of its own"
#[rocket::async_test]
async fn a_denial_may_be_a_redirect() {
    let (_test, client, token) = started().await;
    let answer = load(&client, "GET", "/account", None).await;
    assert_eq!(answer.status(), Status::SeeOther);
    assert_eq!(header(&answer, "location"), ["/login"]);
    assert_eq!(header(&answer, "cache-control"), ["no-store"]);
    assert_eq!(answer.into_string().await.unwrap_or_default(), "", "a catcher's page");
    let answer = load_from("cross-site", &client, "POST", "/leave", Some(&token)).await;
    assert_eq!(answer.status(), Status::Forbidden, "the others stay as they are");
}

/// "absent only when no token was presented; everything else is refused as usual"
#[rocket::async_test]
async fn pages_for_everybody_know_who_comes() {
    let (_test, client, token) = started().await;
    for (token, status) in [(None, 200), (Some(&*token), 200), (Some("a.b.c"), 401)] {
        assert_eq!(load(&client, "GET", "/", token).await.status().code, status, "{token:?}");
    }
}

/// "Extractors alone do not renew"; and a guard uses what the mount has found.
#[rocket::async_test]
async fn a_guard_alone_renews_nothing() {
    let (test, client, token) = started().await;
    test.clock.advance(Duration::from_secs(2881));
    let answer = load(&client, "GET", "/alone", Some(&token)).await;
    assert_eq!((answer.status(), cookie_set(&answer)), (Status::Ok, None));
}
