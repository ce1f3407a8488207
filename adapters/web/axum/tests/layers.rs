//! The order of layers, where it matters: `AuthLayer` inside of CORS, compression and tracing
//! (`docs/frameworks.md`).

#![allow(clippy::unwrap_used)] // in the helpers of tests

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header},
    routing::get,
};
use logout_all_axum::{
    AuthLayer, AuthSession, Sessions, Transports, routes, testing::TestSessions,
};
use tower::ServiceExt;
use tower_http::{
    compression::CompressionLayer,
    cors::CorsLayer,
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer},
};
use tracing::Level;

const PAGES: &str = "https://pages.example";
const COOKIE: &str = "__Host-session";

fn application(sessions: &Sessions) -> Router<Sessions> {
    Router::new()
        .route("/stats", get(|session: AuthSession| async move { session.user_id().to_string() }))
        .layer(AuthLayer::new(sessions))
        .nest("/auth", routes(sessions))
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(HeaderValue::from_static(PAGES))
        .allow_methods([Method::GET, Method::POST, Method::DELETE, Method::PATCH])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers(
            ["session-renewal", "retry-after", "www-authenticate"].map(HeaderName::from_static),
        )
}

async fn send(router: &Router, request: axum::http::request::Builder) -> Response<Body> {
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn preflight() -> axum::http::request::Builder {
    Request::options("/stats")
        .header("origin", PAGES)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization")
}

#[tokio::test]
async fn outside_cors_answers_preflights_and_lets_scripts_read_refusals() {
    let test = TestSessions::start().await;
    let router = application(&test.sessions).layer(cors()).with_state(test.sessions.clone());

    let allowed = send(&router, preflight()).await;
    assert_eq!(allowed.status(), StatusCode::OK);
    assert_eq!(allowed.headers()["access-control-allow-origin"], PAGES);

    let refused = send(&router, Request::get("/stats").header("origin", PAGES)).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["access-control-allow-origin"], PAGES);
    let exposed = refused.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("www-authenticate"), "{exposed}");
}

/// The trap that the page warns of: browsers send preflights without any token.
#[tokio::test]
async fn inside_cors_never_sees_a_preflight() {
    let test = TestSessions::start().await;
    let guarded = Router::<Sessions>::new()
        .route("/stats", get(|| async { "ok" }))
        .layer(cors())
        .layer(AuthLayer::new(&test.sessions));
    let router = guarded.with_state(test.sessions.clone());
    assert_eq!(send(&router, preflight()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn compression_keeps_what_caches_are_told() {
    let test = TestSessions::start().await;
    let router = application(&test.sessions)
        .layer(CompressionLayer::new())
        .with_state(test.sessions.clone());
    let request = Request::get("/auth/sessions")
        .header("authorization", test.bearer("ada").await)
        .header("accept-encoding", "gzip");
    let answer = send(&router, request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let vary = answer.headers().get_all("vary").iter().map(|value| value.to_str().unwrap());
    let vary = vary.collect::<Vec<_>>().join(", ").to_ascii_lowercase();
    for name in ["authorization", "cookie", "accept-encoding"] {
        assert!(vary.contains(name), "{vary}");
    }
}

#[tokio::test]
async fn tracing_that_logs_headers_logs_no_token() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(move || written.clone())
        .finish();
    let _while_here = tracing::subscriber::set_default(subscriber);

    let both = |builder: logout_all_axum::SessionsBuilder| builder.transports(Transports::Both);
    let test = TestSessions::start_with(both).await;
    let router = application(&test.sessions)
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(DefaultMakeSpan::new().level(Level::INFO).include_headers(true))
                .on_response(DefaultOnResponse::new().level(Level::INFO).include_headers(true)),
        )
        .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION, header::COOKIE]))
        .with_state(test.sessions.clone());
    let token = test.sign_in("ada").await.1.expose().to_owned();
    let renewal = Request::post("/auth/session/renew")
        .header("cookie", format!("{COOKIE}={token}"))
        .header("sec-fetch-site", "same-origin");
    let renewed = send(&router, renewal).await;
    assert_eq!(renewed.status(), StatusCode::OK);
    let set = renewed.headers()["set-cookie"].to_str().unwrap().to_owned();
    let stats = Request::get("/stats").header("authorization", test.bearer("ada").await);
    assert_eq!(send(&router, stats).await.status(), StatusCode::OK);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("session-renewal"), "the headers are not logged at all: {log}");
    let fresh = set.split([';', '=']).nth(1).unwrap();
    for token in [token.as_str(), fresh] {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!log.contains(signature), "{log}");
    }
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
