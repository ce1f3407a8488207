//! logout-all for Rocket: guards that verify, a fairing that answers for them, and the library's
//! routes. It translates and decides nothing; `logout_all` (re-exported here, so that one `use` is
//! enough) decides.
//!
//! A whole application:
//!
//! ```
//! use logout_all_rocket::{
//!     AuthFairing, AuthRejection, AuthReply, AuthSession, Denied, Keys, MemoryStore, Sessions, SignIn,
//! };
//! use rocket::{get, post, routes, serde::{Deserialize, json::Json}};
//!
//! #[derive(Deserialize)]
//! #[serde(crate = "rocket::serde")]
//! struct Credentials { name: String, password: String }
//!
//! #[post("/login", data = "<c>")]
//! async fn login(signin: SignIn, c: Json<Credentials>) -> Result<AuthReply, AuthRejection> {
//!     let id = (c.name == "ada").then_some(42); // your users table
//!     let ticket = signin.begin(id).await?; // before the password hash is read
//!     if id.is_none() || c.password != "correct horse" { return Err(Denied::CredentialsInvalid.into()) }
//!     Ok(ticket.finish(&()).await?.into())
//! }
//!
//! #[get("/me")]
//! async fn me(session: AuthSession) -> String {
//!     format!("hello {}", session.user_id())
//! }
//!
//! # #[rocket::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
//! let sessions = Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
//! let rocket = rocket::build()
//!     .attach(AuthFairing::new(&sessions))
//!     .mount("/", routes![login, me])
//!     .mount("/auth", logout_all_rocket::routes(&sessions));
//! # let _ = rocket.ignite().await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Never `Option<AuthSession>` or `Result<AuthSession, _>`.** Rocket implements both for every guard:
//! the handler then runs for anybody, and takes an outage (503) or a dead session for a guest. Use
//! [`MaybeSession`], which is absent only where no token was presented. (Should it happen all the same,
//! the handler's work is done, but not told: [`AuthFairing`] still answers with the refusal.) The same
//! holds for a guard of your own that asks `request.guard::<AuthSession>()` and goes on without one.
//!
//! An [`AuthSession`] cannot be made by hand:
//!
//! ```compile_fail,E0423
//! # fn f(verified: logout_all_rocket::Verified) -> logout_all_rocket::AuthSession {
//! logout_all_rocket::AuthSession(verified)
//! # }
//! ```
//!
//! # What Rocket does before us
//!
//! - A form that is posted with a field `_method` first gets that method, on your own routes too. The
//!   guards and the cross-site rule see the new one; the library's routes refuse every form.
//! - A header line whose value is not UTF-8 is dropped: a token in it was not presented.
//! - The first bytes of every body are read before any guard is asked, without a limit in time.
//! - Its router folds slashes and decodes letters: `//me` and `/%6De` are `/me`. The library's own
//!   routes are exact, as everywhere; [`Guarded`] does not look at paths at all.
//! - A method that it does not know is a 400. [`catchers`] gives it the answer of the library.

mod extract;
mod fairing;
mod found;
mod guarded;
mod respond;
mod routes;
mod translate;
mod types;

pub use fairing::AuthFairing;
pub use guarded::Guarded;
pub use logout_all::*;
pub use routes::{catchers, routes};
pub use translate::{ClientAddress, presented, read_body};
pub use types::{AuthRejection, AuthReply, AuthSession, MaybeSession, SignIn, SignInTicket};

/// What an application may share between threads and hand on.
const _: () = {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<AuthFairing>();
    shared::<Guarded>();
};
