use actix_web::{App, HttpResponse, HttpServer, ResponseError, get, post, web::{self, Data, Json}};
use logout_all_actix::{AuthError, AuthMiddleware, AuthRejection, AuthReply, AuthSession, Keys, Sessions, SignIn, routes};
use logout_all_sqlite::{SqliteStore, Users};
use users::{Account, Accounts, Credentials, NewPassword, UsersError};

#[post("/login")]
async fn login(accounts: Data<Accounts>, signin: SignIn, c: Json<Credentials>) -> Result<AuthReply, AppError> {
    let c = c.into_inner();
    let id = accounts.id_by_email(&c.email).await?;
    let ticket = signin.begin(id).await?; // before the hash is read
    if !accounts.password_is(id, c.password).await? { return Err(AppError::WrongPassword) }
    Ok(ticket.finish(&()).await?.into())
}
#[get("/me")]
async fn me(session: AuthSession) -> Result<Json<Account>, AppError> { Ok(Json(session.user()?)) }
#[post("/password")]
async fn password(accounts: Data<Accounts>, session: AuthSession, p: Json<NewPassword>) -> Result<AuthReply, AppError> {
    let (user, p): (Account, _) = (session.user()?, p.into_inner());
    if !accounts.password_is(Some(user.id), p.old).await? { return Err(AppError::WrongPassword) }
    accounts.set_password(user.id, p.new).await?;
    Ok(session.logout_all().await?.into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = SqliteStore::builder("app.db")
        .users(Users::table("accounts").id("id").active("NOT locked").columns(["id", "email", "role"]));
    store.migrate().await?;
    let sessions = Sessions::builder(store.connect().await?, Keys::hs256_from_env("SESSION_KEY")?, "https://app.example").build().await?;
    let (shared, drain, accounts) = (sessions.clone(), sessions.clone(), Data::new(Accounts::open("app.db")?));
    HttpServer::new(move || App::new()
        .app_data(Data::new(shared.clone())).app_data(accounts.clone())
        .service(login).service(me).service(password)
        .service(web::scope("/auth").configure(routes(&shared)))
        .service(web::scope("/admin").wrap(AuthMiddleware::new(&shared)).route("/stats", web::get().to(|| async { "ok" }))))
        .shutdown_signal(async move { let _ = tokio::signal::ctrl_c().await; drain.drain() })
        .bind(("127.0.0.1", 3000))?.run().await?;
    sessions.shutdown().await;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum AppError { #[error("wrong password")] WrongPassword, #[error(transparent)] Auth(#[from] AuthError), #[error(transparent)] Users(#[from] UsersError) }
impl ResponseError for AppError { fn error_response(&self) -> HttpResponse { match self {
    AppError::WrongPassword => HttpResponse::Unauthorized().finish(), AppError::Auth(e) => AuthRejection::from(e.clone()).error_response(), AppError::Users(_) => HttpResponse::ServiceUnavailable().finish() } } }
