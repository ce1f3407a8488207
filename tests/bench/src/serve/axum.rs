//! The servers on Axum.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::get,
};
use logout_all_axum::{AuthRejection, AuthSession};
use tokio::net::TcpListener;

use super::{Me, decoder::Decoder, listening, ours::Guard};

pub(super) fn router(guard: Guard) -> Router {
    match guard {
        Guard::Nothing => Router::new().route("/me", get(nobody_asks)),
        Guard::Decode(decoder) => Router::new().route("/me", get(decoded)).with_state(decoder),
        Guard::Sessions(sessions) => Router::new().route("/me", get(me)).with_state(sessions),
    }
}

async fn nobody_asks() -> Json<Me> {
    Json(Me::of("42"))
}

async fn decoded(
    State(decoder): State<Arc<Decoder>>,
    headers: HeaderMap,
) -> Result<Json<Me>, StatusCode> {
    let value = headers.get(header::AUTHORIZATION).ok_or(StatusCode::UNAUTHORIZED)?;
    let claims = decoder.claims(value.as_bytes()).ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(Json(Me::of(&claims.sub)))
}

async fn me(session: AuthSession) -> Result<Json<Me>, AuthRejection> {
    Ok(Json(session.user::<Me>()?))
}

pub(super) async fn serve(router: Router) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    listening(listener.local_addr()?);
    // The other two frameworks set it by themselves, or have it set by their servers.
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}
