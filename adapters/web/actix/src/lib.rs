//! logout-all for Actix Web: extractors that verify, a middleware that guards a scope, and the
//! library's routes. It translates and decides nothing; `logout_all` (re-exported here, so that one
//! `use` is enough) decides.
//!
//! A whole application:
//!
//! ```no_run
//! use actix_web::{App, HttpServer, get, post, web::{self, Data, Json}};
//! use logout_all_actix::{
//!     AuthRejection, AuthReply, AuthSession, Denied, Keys, MemoryStore, Sessions, SignIn, routes,
//! };
//!
//! #[derive(serde::Deserialize)]
//! struct Credentials { name: String, password: String }
//!
//! #[post("/login")]
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
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
//!     let sessions = Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
//!     let shared = sessions.clone();
//!     HttpServer::new(move || App::new()
//!         .app_data(Data::new(shared.clone()))
//!         .service(login).service(me)
//!         .service(web::scope("/auth").configure(routes(&shared))))
//!         .bind(("127.0.0.1", 3000))?.run().await?;
//!     sessions.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! # The runtime
//!
//! Build [`Sessions`] before the server starts, on a runtime that outlives it: `#[tokio::main]`
//! serves Actix well. Its tasks, and the connections of its store, stay there, while each of Actix's
//! workers has a runtime of its own that ends with the worker. Never build it inside
//! `HttpServer::new(…)`: every worker would have sessions of its own.
//!
//! # Never `Option<AuthSession>`
//!
//! Actix makes `Option<T>` and `Result<T, E>` of every extractor, and neither can be forbidden here:
//! they compile, and **an outage of the store makes a guest of everybody**, as does a session that has
//! ended. [`MaybeSession`] has none only where no token is presented.
//!
//! # One after the other
//!
//! Actix runs the extractors of a handler side by side: the answer to a bad `Json` may come before
//! that to a missing session. Where this matters, take the body apart in the handler.
//!
//! An [`AuthSession`] cannot be made by hand:
//!
//! ```compile_fail,E0423
//! # fn f(verified: logout_all_actix::Verified) -> logout_all_actix::AuthSession {
//! logout_all_actix::AuthSession(verified)
//! # }
//! ```

mod extract;
mod middleware;
mod respond;
mod routes;
mod translate;
mod types;

pub use logout_all::*;
pub use middleware::{AuthMiddleware, AuthService};
pub use routes::routes;
pub use translate::{ClientAddress, presented, read_body};
pub use types::{AuthRejection, AuthReply, AuthSession, MaybeSession, SignIn, SignInTicket};

/// What an application may share between threads and hand on.
const _: () = {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<AuthMiddleware>();
};
