//! The library's routes, as one catch-all.

use axum::{
    Router,
    extract::{OriginalUri, Request},
    routing::any,
};
use http::request::Parts;
use logout_all::Sessions;
use logout_all_tower::{presented, read_body};

use crate::AuthReply;

/// The routes of `docs/http.md`, to be nested under a prefix of the application's choice:
/// `.nest("/auth", routes(&sessions))`. What is not one of them is answered 404 or 405 here.
pub fn routes<S>(sessions: &Sessions) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let sessions = sessions.clone();
    let answer = any(move |request: Request| {
        let sessions = sessions.clone();
        async move {
            let (parts, body) = request.into_parts();
            let reply = sessions.route(&presented(&parts), tail(&parts), read_body(body)).await;
            AuthReply::from(reply)
        }
    });
    // Not a fallback: axum takes a nested one as a second catch-all of the whole application, and
    // then refuses a prefix that begins with a parameter.
    Router::new().route("/", answer.clone()).route("/{*tail}", answer)
}

/// The path behind the prefix, as it was sent. `nest` makes `/session` of `/auth//session` too, and
/// a folded slash must never turn one route into another: what stands before such a tail ends with
/// the second slash, which is given back here.
fn tail(parts: &Parts) -> &str {
    let path = parts.uri.path();
    let whole = parts.extensions.get::<OriginalUri>().map_or(path, |original| original.path());
    match whole.strip_suffix(path) {
        Some(prefix) if prefix.ends_with('/') => &whole[prefix.len() - 1..],
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::StatusCode;
    use logout_all::testing::TestSessions;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn no_slash_is_folded_under_any_prefix() {
        let test = TestSessions::start().await;
        let authorization = test.bearer("ada").await;
        let mounted = || routes::<()>(&test.sessions);
        let router = Router::new()
            .nest("/auth", mounted())
            .nest("/{tenant}/auth", mounted())
            .nest("/deep", Router::new().nest("/auth", mounted()));
        for (path, status) in [
            ("/auth/session", StatusCode::OK),
            ("/auth//session", StatusCode::NOT_FOUND),
            ("/auth///session", StatusCode::NOT_FOUND),
            ("/auth/session/", StatusCode::NOT_FOUND),
            ("/auth", StatusCode::NOT_FOUND),
            ("/one/auth/session", StatusCode::OK),
            ("/one/auth//session", StatusCode::NOT_FOUND),
            ("/deep/auth/session", StatusCode::OK),
            ("/deep/auth//session", StatusCode::NOT_FOUND),
        ] {
            let request = Request::get(path).header("authorization", &authorization);
            let answer =
                router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), status, "{path}");
        }
        let request = Request::get("/session").header("authorization", &authorization);
        let answer = mounted().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "mounted at the root");
    }
}
