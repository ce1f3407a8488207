use logout_all_rocket::{AuthError, AuthFairing, AuthRejection, AuthReply, AuthSession, Keys, Sessions, SignIn};
use logout_all_sqlite::{SqliteStore, Users};
use rocket::{Request, State, get, http::Status, post, response::{self, Responder}, routes, serde::json::Json};
use users::{Account, Accounts, Credentials, NewPassword, UsersError};

#[post("/login", data = "<c>")]
async fn login(accounts: &State<Accounts>, signin: SignIn, c: Json<Credentials>) -> Result<AuthReply, AppError> {
    let c = c.into_inner();
    let id = accounts.id_by_email(&c.email).await?;
    let ticket = signin.begin(id).await?; // before the hash is read
    if !accounts.password_is(id, c.password).await? { return Err(AppError::WrongPassword) }
    Ok(ticket.finish(&()).await?.into())
}
#[get("/me")]
async fn me(session: AuthSession) -> Result<Json<Account>, AppError> { Ok(Json(session.user()?)) }
#[post("/password", data = "<p>")]
async fn password(accounts: &State<Accounts>, session: AuthSession, p: Json<NewPassword>) -> Result<AuthReply, AppError> {
    let (user, p): (Account, _) = (session.user()?, p.into_inner());
    if !accounts.password_is(Some(user.id), p.old).await? { return Err(AppError::WrongPassword) }
    accounts.set_password(user.id, p.new).await?;
    Ok(session.logout_all().await?.into())
}

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let store = SqliteStore::builder("app.db")
        .users(Users::table("accounts").id("id").active("NOT locked").columns(["id", "email", "role"]));
    store.migrate().await?;
    let sessions = Sessions::builder(store.connect().await?, Keys::hs256_from_env("SESSION_KEY")?, "https://app.example").build().await?;
    rocket::build().manage(Accounts::open("app.db")?).attach(AuthFairing::new(&sessions))
        .mount("/", routes![login, me, password]).mount("/auth", logout_all_rocket::routes(&sessions))
        .launch().await?;
    sessions.shutdown().await;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum AppError { #[error("wrong password")] WrongPassword, #[error(transparent)] Auth(#[from] AuthError), #[error(transparent)] Users(#[from] UsersError) }
impl<'r> Responder<'r, 'static> for AppError { fn respond_to(self, req: &'r Request<'_>) -> response::Result<'static> { match self {
    AppError::WrongPassword => Err(Status::Unauthorized), AppError::Auth(e) => AuthRejection::from(e).respond_to(req), AppError::Users(_) => Err(Status::ServiceUnavailable) } } }
