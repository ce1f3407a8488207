//! The library's routes, as one catch-all.

use std::borrow::Cow;

use axum::{
    Router,
    extract::{OriginalUri, Request},
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
    Router::new().fallback(move |request: Request| {
        let sessions = sessions.clone();
        async move {
            let (parts, body) = request.into_parts();
            let reply = sessions.route(&presented(&parts), &tail(&parts), read_body(body)).await;
            AuthReply::from(reply)
        }
    })
}

/// The path behind the prefix, as it was sent. `nest` takes one slash of two away, and
/// `/auth//sessions` must not become `/auth/sessions`.
fn tail(parts: &Parts) -> Cow<'_, str> {
    let path = parts.uri.path();
    let sent = parts.extensions.get::<OriginalUri>().map(|OriginalUri(uri)| uri.path());
    match sent.and_then(|sent| sent.strip_suffix(path)) {
        Some(prefix) if prefix.ends_with('/') => Cow::Owned(format!("/{path}")),
        _ => Cow::Borrowed(path),
    }
}
