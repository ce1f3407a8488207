//! The order of middleware, where it matters: `AuthMiddleware` inside of CORS and compression, which
//! on Actix means wrapped before them (`docs/frameworks.md`).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use actix_cors::Cors;
use actix_web::{
    App,
    http::{Method, StatusCode, header},
    middleware::Compress,
    test::{TestRequest, call_service, init_service},
    web::{self, Data},
};
use logout_all_actix::{AuthMiddleware, AuthSession, routes, testing::TestSessions};

const PAGES: &str = "https://pages.example";

async fn stats(session: AuthSession) -> String {
    session.user_id().to_string()
}

fn cors() -> Cors {
    Cors::default()
        .allowed_origin(PAGES)
        .allowed_methods([Method::GET, Method::POST, Method::DELETE, Method::PATCH])
        .allowed_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers(["session-renewal", "retry-after", "www-authenticate"])
}

fn preflight() -> TestRequest {
    TestRequest::with_uri("/admin/stats")
        .method(Method::OPTIONS)
        .insert_header(("origin", PAGES))
        .insert_header(("access-control-request-method", "GET"))
        .insert_header(("access-control-request-headers", "authorization"))
}

#[tokio::test]
async fn outside_cors_answers_preflights_and_lets_scripts_read_refusals() {
    let test = TestSessions::start().await;
    let guarded = web::scope("/admin")
        .wrap(AuthMiddleware::new(&test.sessions))
        .wrap(cors())
        .route("/stats", web::get().to(stats));
    let application = App::new().app_data(Data::new(test.sessions.clone())).service(guarded);
    let service = init_service(application).await;

    let allowed = call_service(&service, preflight().to_request()).await;
    assert_eq!(allowed.status(), StatusCode::OK);
    assert_eq!(allowed.headers().get("access-control-allow-origin").unwrap(), PAGES);

    let anonymous = TestRequest::with_uri("/admin/stats").insert_header(("origin", PAGES));
    let refused = call_service(&service, anonymous.to_request()).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers().get("access-control-allow-origin").unwrap(), PAGES);
    let exposed = refused.headers().get("access-control-expose-headers").unwrap();
    assert!(exposed.to_str().unwrap().contains("www-authenticate"), "{exposed:?}");
}

/// The trap that the page warns of: browsers send preflights without any token.
#[tokio::test]
async fn inside_cors_never_sees_a_preflight() {
    let test = TestSessions::start().await;
    let guarded = web::scope("/admin")
        .wrap(cors())
        .wrap(AuthMiddleware::new(&test.sessions))
        .route("/stats", web::get().to(stats));
    let application = App::new().app_data(Data::new(test.sessions.clone())).service(guarded);
    let service = init_service(application).await;
    let answer = call_service(&service, preflight().to_request()).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn compression_keeps_what_caches_are_told() {
    let test = TestSessions::start().await;
    let application = App::new()
        .wrap(Compress::default())
        .service(web::scope("/auth").configure(routes(&test.sessions)));
    let service = init_service(application).await;
    let request = TestRequest::with_uri("/auth/sessions")
        .insert_header(("authorization", test.bearer("ada").await))
        .insert_header(("accept-encoding", "gzip"));
    let answer = call_service(&service, request.to_request()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers().get("content-encoding").unwrap(), "gzip");
    assert_eq!(answer.headers().get("cache-control").unwrap(), "no-store");
    let vary = answer.headers().get_all("vary").map(|value| value.to_str().unwrap());
    let vary = vary.collect::<Vec<_>>().join(", ").to_ascii_lowercase();
    for name in ["authorization", "cookie", "accept-encoding"] {
        assert!(vary.contains(name), "{vary}");
    }
}
