//! The handlers: a request in, one operation, its answer out.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::HeaderValue,
    web::{Data, Json, Path, Payload},
};
use example_support::{App, EndedCount, Hello, Me, Metrics, Report};
use logout_all_actix::{AuthReply, AuthSession, MaybeSession, SignIn};

use crate::answers::{Failed, json};

/// `SignIn` comes before the body: a request of another site is refused unread.
pub(crate) async fn login(
    app: Data<App>,
    sign_in: SignIn,
    request: HttpRequest,
    body: Payload,
) -> Result<AuthReply, Failed> {
    let credentials = json(&request, body).await?;
    Ok(app.login(sign_in.into_inner(), credentials).await?.into())
}

/// `AuthSession` is the proof: the handler runs for nobody else.
pub(crate) async fn me(app: Data<App>, session: AuthSession) -> Result<Json<Me>, Failed> {
    Ok(Json(app.me(&session)?))
}

pub(crate) async fn password(
    app: Data<App>,
    session: AuthSession,
    request: HttpRequest,
    body: Payload,
) -> Result<AuthReply, Failed> {
    let change = json(&request, body).await?;
    Ok(app.change_password(&session, change).await?.into())
}

/// For guests too. An outage does not make a guest of anybody: that is a 503 before this runs.
pub(crate) async fn greeting(
    app: Data<App>,
    MaybeSession(session): MaybeSession,
) -> Result<Json<Hello>, Failed> {
    let session = session.map(AuthSession::into_inner);
    Ok(Json(app.greeting(session.as_ref())?))
}

/// Behind `AuthMiddleware`; the extractor takes what that has found and asks nobody again.
pub(crate) async fn report(app: Data<App>, session: AuthSession) -> Result<Json<Report>, Failed> {
    Ok(Json(app.report(&session)?))
}

pub(crate) async fn lock(
    app: Data<App>,
    username: Path<String>,
    request: HttpRequest,
) -> Result<Json<EndedCount>, Failed> {
    Ok(Json(app.admin(admin_tokens(&request))?.lock(&username).await?))
}

pub(crate) async fn unlock(
    app: Data<App>,
    username: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Failed> {
    app.admin(admin_tokens(&request))?.unlock(&username).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn metrics(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failed> {
    let text = app.admin(admin_tokens(&request))?.metrics().into_text();
    Ok(HttpResponse::Ok().content_type(Metrics::CONTENT_TYPE).body(text))
}

/// All values: which of two would count is not for a framework to say.
fn admin_tokens(request: &HttpRequest) -> impl Iterator<Item = &[u8]> {
    request.headers().get_all("x-admin-token").map(HeaderValue::as_bytes)
}

pub(crate) async fn healthz() -> &'static str {
    "alive\n"
}

pub(crate) async fn readyz(app: Data<App>) -> Result<&'static str, Failed> {
    app.ready().await?;
    Ok("ready\n")
}

pub(crate) async fn no_icon() -> HttpResponse {
    HttpResponse::NoContent().finish()
}
