//! The handlers: a request in, one operation, its answer out.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::IntoResponse,
};
use example_support::{App, Credentials, EndedCount, Hello, Me, Metrics, NewPassword, Report};
use logout_all_axum::{AuthReply, AuthSession, MaybeSession, SignIn};

use crate::answers::{Body, Failed, Username};

/// `SignIn` comes before the body: a request of another site is refused unread.
pub(crate) async fn login(
    State(app): State<App>,
    sign_in: SignIn,
    Body(credentials): Body<Credentials>,
) -> Result<AuthReply, Failed> {
    Ok(app.login(sign_in.into_inner(), credentials).await?.into())
}

/// `AuthSession` is the proof: the handler runs for nobody else.
pub(crate) async fn me(State(app): State<App>, session: AuthSession) -> Result<Json<Me>, Failed> {
    Ok(Json(app.me(&session)?))
}

pub(crate) async fn password(
    State(app): State<App>,
    session: AuthSession,
    Body(change): Body<NewPassword>,
) -> Result<AuthReply, Failed> {
    Ok(app.change_password(&session, change).await?.into())
}

/// For guests too. An outage does not make a guest of anybody: that is a 503 before this runs.
pub(crate) async fn greeting(
    State(app): State<App>,
    MaybeSession(session): MaybeSession,
) -> Result<Json<Hello>, Failed> {
    let session = session.map(AuthSession::into_inner);
    Ok(Json(app.greeting(session.as_ref())?))
}

/// Behind `AuthLayer`; the extractor takes what the layer has found and asks nobody again.
pub(crate) async fn report(
    State(app): State<App>,
    session: AuthSession,
) -> Result<Json<Report>, Failed> {
    Ok(Json(app.report(&session)?))
}

pub(crate) async fn lock(
    State(app): State<App>,
    Username(username): Username,
    headers: HeaderMap,
) -> Result<Json<EndedCount>, Failed> {
    Ok(Json(app.admin(admin_tokens(&headers))?.lock(&username).await?))
}

pub(crate) async fn unlock(
    State(app): State<App>,
    Username(username): Username,
    headers: HeaderMap,
) -> Result<StatusCode, Failed> {
    app.admin(admin_tokens(&headers))?.unlock(&username).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn metrics(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failed> {
    let text = app.admin(admin_tokens(&headers))?.metrics().into_text();
    Ok(([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], text))
}

/// All values: which of two would count is not for a framework to say.
fn admin_tokens(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all("x-admin-token").iter().map(HeaderValue::as_bytes)
}

pub(crate) async fn healthz() -> &'static str {
    "alive\n"
}

pub(crate) async fn readyz(State(app): State<App>) -> Result<&'static str, Failed> {
    app.ready().await?;
    Ok("ready\n")
}

pub(crate) async fn no_icon() -> StatusCode {
    StatusCode::NO_CONTENT
}
