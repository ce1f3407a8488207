use axum::{Json, Router, extract::{FromRef, State}, http::StatusCode, response::{IntoResponse, Response}, routing::{get, post}};
use logout_all_axum::{AuthError, AuthLayer, AuthRejection, AuthReply, AuthSession, Keys, Sessions, SignIn, routes};
use logout_all_sqlite::{SqliteStore, Users};
use users::{Account, Accounts, Credentials, NewPassword, UsersError};

#[derive(Clone, FromRef)]
struct App { sessions: Sessions, accounts: Accounts }

async fn login(State(app): State<App>, signin: SignIn, Json(c): Json<Credentials>) -> Result<AuthReply, AppError> {
    let id = app.accounts.id_by_email(&c.email).await?;
    let ticket = signin.begin(id).await?; // before the hash is read
    if !app.accounts.password_is(id, c.password).await? { return Err(AppError::WrongPassword) }
    Ok(ticket.finish(&()).await?.into())
}
async fn me(session: AuthSession) -> Result<Json<Account>, AppError> { Ok(Json(session.user()?)) }
async fn password(State(app): State<App>, session: AuthSession, Json(p): Json<NewPassword>) -> Result<AuthReply, AppError> {
    let me: Account = session.user()?;
    if !app.accounts.password_is(Some(me.id), p.old).await? { return Err(AppError::WrongPassword) }
    app.accounts.set_password(me.id, p.new).await?;
    Ok(session.logout_all().await?.into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = SqliteStore::builder("app.db")
        .users(Users::table("accounts").id("id").active("NOT locked").columns(["id", "email", "role"]));
    store.migrate().await?;
    let sessions = Sessions::builder(store.connect().await?, Keys::hs256_from_env("SESSION_KEY")?, "https://app.example").build().await?;
    let app = App { sessions: sessions.clone(), accounts: Accounts::open("app.db")? };
    let router = Router::new()
        .route("/login", post(login)).route("/me", get(me)).route("/password", post(password))
        .nest("/auth", routes(&sessions))
        .nest("/admin", Router::new().route("/stats", get(|| async { "ok" })).layer(AuthLayer::new(&sessions)))
        .with_state(app);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let drain = sessions.clone();
    axum::serve(listener, router).with_graceful_shutdown(async move { let _ = tokio::signal::ctrl_c().await; drain.drain() }).await?;
    sessions.shutdown().await;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum AppError { #[error("wrong password")] WrongPassword, #[error(transparent)] Auth(#[from] AuthError), #[error(transparent)] Users(#[from] UsersError) }
impl IntoResponse for AppError { fn into_response(self) -> Response { match self {
    AppError::WrongPassword => StatusCode::UNAUTHORIZED.into_response(), AppError::Auth(e) => AuthRejection::from(e).into_response(), AppError::Users(_) => StatusCode::SERVICE_UNAVAILABLE.into_response() } } }
