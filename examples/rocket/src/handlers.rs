//! The handlers: a request in, one operation, its answer out.

#![allow(clippy::needless_pass_by_value, reason = "what a guard gives comes by value")]

use std::convert::Infallible;

use example_support::{App, Credentials, EndedCount, Hello, Me, Metrics, NewPassword, Report};
use logout_all_rocket::{AuthReply, AuthSession, MaybeSession, SignIn};
use rocket::{
    Request, Responder, Route, State, get,
    http::{Header, Status},
    post,
    request::{FromRequest, Outcome},
    routes,
    serde::json::Json,
};

use crate::answers::{Body, Failed};

/// All but the guarded ones and the files.
pub(crate) fn public() -> Vec<Route> {
    routes![
        login,
        me,
        me_posted,
        password,
        greeting,
        greeting_posted,
        lock,
        unlock,
        metrics,
        healthz,
        readyz,
        no_icon
    ]
}

/// For a guarded mount.
pub(crate) fn private() -> Vec<Route> {
    routes![report, report_posted]
}

/// Rocket asks `SignIn` before it reads the body: a request of another site is refused unread.
#[post("/login", data = "<credentials>")]
async fn login(
    app: &State<App>,
    sign_in: SignIn,
    credentials: Body<Credentials>,
) -> Result<AuthReply, Failed> {
    Ok(app.login(sign_in.into_inner(), credentials.read()?).await?.into())
}

/// `AuthSession` is the proof: the handler runs for nobody else.
#[get("/me")]
fn me(app: &State<App>, session: AuthSession) -> Result<Json<Me>, Failed> {
    Ok(Json(app.me(&session)?))
}

#[post("/me")]
fn me_posted(app: &State<App>, session: AuthSession) -> Result<Json<Me>, Failed> {
    me(app, session)
}

#[post("/password", data = "<change>")]
async fn password(
    app: &State<App>,
    session: AuthSession,
    change: Body<NewPassword>,
) -> Result<AuthReply, Failed> {
    Ok(app.change_password(&session, change.read()?).await?.into())
}

/// For guests too. An outage does not make a guest of anybody: that is a 503 before this runs.
#[get("/greeting")]
fn greeting(app: &State<App>, session: MaybeSession) -> Result<Json<Hello>, Failed> {
    let session = session.0.map(AuthSession::into_inner);
    Ok(Json(app.greeting(session.as_ref())?))
}

#[post("/greeting")]
fn greeting_posted(app: &State<App>, session: MaybeSession) -> Result<Json<Hello>, Failed> {
    greeting(app, session)
}

/// Behind `Guarded`; the guard takes what that has found and asks nobody again.
#[get("/report")]
fn report(app: &State<App>, session: AuthSession) -> Result<Json<Report>, Failed> {
    Ok(Json(app.report(&session)?))
}

#[post("/report")]
fn report_posted(app: &State<App>, session: AuthSession) -> Result<Json<Report>, Failed> {
    report(app, session)
}

#[post("/admin/users/<username>/lock")]
async fn lock(
    app: &State<App>,
    username: &str,
    tokens: AdminTokens<'_>,
) -> Result<Json<EndedCount>, Failed> {
    Ok(Json(app.admin(tokens.0)?.lock(username).await?))
}

#[post("/admin/users/<username>/unlock")]
async fn unlock(
    app: &State<App>,
    username: &str,
    tokens: AdminTokens<'_>,
) -> Result<Status, Failed> {
    app.admin(tokens.0)?.unlock(username).await?;
    Ok(Status::NoContent)
}

#[get("/metrics")]
fn metrics(app: &State<App>, tokens: AdminTokens<'_>) -> Result<Measured, Failed> {
    let text = app.admin(tokens.0)?.metrics().into_text();
    Ok(Measured { text, kind: Header::new("Content-Type", Metrics::CONTENT_TYPE) })
}

#[derive(Responder)]
struct Measured {
    text: String,
    kind: Header<'static>,
}

#[get("/healthz")]
fn healthz() -> &'static str {
    "alive\n"
}

#[get("/readyz")]
async fn readyz(app: &State<App>) -> Result<&'static str, Failed> {
    app.ready().await?;
    Ok("ready\n")
}

#[get("/favicon.ico")]
fn no_icon() -> Status {
    Status::NoContent
}

/// All values of `X-Admin-Token`: which of two would count is not for a framework to say.
struct AdminTokens<'r>(Vec<&'r [u8]>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for AdminTokens<'r> {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        let values = request.headers().get("X-Admin-Token").map(str::as_bytes);
        Outcome::Success(Self(values.collect()))
    }
}
