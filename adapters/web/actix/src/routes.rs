//! The library's routes, as one catch-all.

use actix_web::{
    HttpRequest,
    web::{self, Payload, ServiceConfig},
};
use logout_all::Sessions;

use crate::{AuthReply, presented, read_body};

/// The routes of `docs/http.md`, for a scope of the application's choice:
/// `.service(web::scope("/auth").configure(routes(&sessions)))`. What is not one of them is answered
/// 404 or 405 here.
///
/// A scope's path has no slash at its end, as Actix's own documentation says. The application's
/// `NormalizePath` changes the path before anything here sees it.
pub fn routes(sessions: &Sessions) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
    let sessions = sessions.clone();
    move |scope| {
        let answer = move |request: HttpRequest, body: Payload| {
            let sessions = sessions.clone();
            async move {
                let (presented, tail) = (presented(&request), tail(&request));
                AuthReply::from(sessions.route(&presented, tail, read_body(body)).await)
            }
        };
        // Not a pattern: whatever the scope has not matched arrives here as it is.
        scope.default_service(web::to(answer));
    }
}

/// The path behind the scope's, as it was sent. Actix matches a decoded path; where what is left of
/// that is not how the path ends, something in it was encoded: `/%73ession` is not `/session`. No
/// route has a `%`, so the whole path stands for such a tail.
fn tail(request: &HttpRequest) -> &str {
    let (sent, left) = (request.uri().path(), request.match_info().unprocessed());
    if sent.ends_with(left) { left } else { sent }
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        http::StatusCode,
        test::{TestRequest, call_service, init_service},
    };
    use logout_all::testing::TestSessions;

    use super::*;

    /// "a folded slash must never turn one route into another", nor a decoded letter.
    #[tokio::test]
    async fn no_slash_is_folded_and_nothing_decoded_under_any_prefix() {
        let test = TestSessions::start().await;
        let authorization = test.bearer("ada").await;
        let mounted = || routes(&test.sessions);
        let application = init_service(
            App::new()
                .service(web::scope("/auth").configure(mounted()))
                .service(web::scope("/{tenant}/auth").configure(mounted()))
                .service(web::scope("/deep").service(web::scope("/auth").configure(mounted())))
                .service(web::scope("").configure(mounted())),
        )
        .await;
        for (path, status) in [
            ("/auth/session", StatusCode::OK),
            ("/auth//session", StatusCode::NOT_FOUND),
            ("/auth///session", StatusCode::NOT_FOUND),
            ("/auth/session/", StatusCode::NOT_FOUND),
            ("/auth/%73ession", StatusCode::NOT_FOUND),
            ("/auth/session%2F", StatusCode::NOT_FOUND),
            ("/auth/session%2Frenew", StatusCode::NOT_FOUND),
            ("/auth%2Fsession", StatusCode::NOT_FOUND),
            ("/auth/%25%37%33ession", StatusCode::NOT_FOUND),
            ("/auth", StatusCode::NOT_FOUND),
            ("/auth/", StatusCode::NOT_FOUND),
            ("/one/auth/session", StatusCode::OK),
            ("/%C3%B6ne/auth/session", StatusCode::OK),
            ("/%C3%B6ne/auth/%73ession", StatusCode::NOT_FOUND),
            ("/one/auth//session", StatusCode::NOT_FOUND),
            ("/deep/auth/session", StatusCode::OK),
            ("/deep/auth//session", StatusCode::NOT_FOUND),
            ("/session", StatusCode::OK),
            ("//session", StatusCode::NOT_FOUND),
            ("/%73ession", StatusCode::NOT_FOUND),
        ] {
            let request = TestRequest::get().uri(path);
            let request = request.insert_header(("authorization", &*authorization));
            let answer = call_service(&application, request.to_request()).await;
            assert_eq!(answer.status(), status, "{path}");
        }
    }
}
