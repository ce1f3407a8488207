//! The library's routes, as one catch-all.

use axum::{Router, extract::Request};
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
    Router::new().fallback(move |request: Request| {
        let sessions = sessions.clone();
        async move {
            let (parts, body) = request.into_parts();
            let reply = sessions.route(&presented(&parts), parts.uri.path(), read_body(body)).await;
            AuthReply::from(reply)
        }
    })
}
