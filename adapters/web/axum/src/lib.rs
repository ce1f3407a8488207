//! logout-all for Axum: extractors that verify, a layer that guards a subtree, and the library's
//! routes. It translates and decides nothing; `logout_all` (re-exported here, so that one `use` is
//! enough) decides.
//!
//! A whole application:
//!
//! ```
//! use axum::{Json, Router, extract::{FromRef, State}, routing::{get, post}};
//! use logout_all_axum::{
//!     AuthRejection, AuthReply, AuthSession, Denied, Keys, MemoryStore, Sessions, SignIn, routes,
//! };
//!
//! #[derive(Clone, FromRef)]
//! struct App { sessions: Sessions }
//!
//! #[derive(serde::Deserialize)]
//! struct Credentials { name: String, password: String }
//!
//! async fn login(signin: SignIn, Json(c): Json<Credentials>) -> Result<AuthReply, AuthRejection> {
//!     let id = (c.name == "ada").then_some(42); // your users table
//!     let ticket = signin.begin(id).await?; // before the password hash is read
//!     if id.is_none() || c.password != "correct horse" { return Err(Denied::CredentialsInvalid.into()) }
//!     Ok(ticket.finish(&()).await?.into())
//! }
//!
//! async fn me(session: AuthSession) -> String {
//!     format!("hello {}", session.user_id())
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
//! let sessions = Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
//! let router: Router = Router::new()
//!     .route("/login", post(login))
//!     .route("/me", get(me))
//!     .nest("/auth", routes(&sessions))
//!     .with_state(App { sessions: sessions.clone() });
//! # let _ = (router, State(sessions));
//! # Ok(())
//! # }
//! ```
//!
//! `Option<AuthSession>` does not compile, on purpose: it would turn an outage into a guest. Use
//! [`MaybeSession`].
//!
//! ```compile_fail,E0277
//! # use logout_all_axum::{AuthSession, Sessions};
//! async fn hello(session: Option<AuthSession>) {}
//! let _: axum::Router<Sessions> = axum::Router::new().route("/", axum::routing::get(hello));
//! ```
//!
//! An [`AuthSession`] cannot be made by hand:
//!
//! ```compile_fail,E0423
//! # fn f(verified: logout_all_axum::Verified) -> logout_all_axum::AuthSession {
//! logout_all_axum::AuthSession(verified)
//! # }
//! ```

mod extract;
mod respond;
mod routes;
mod types;

pub use logout_all::*;
pub use logout_all_tower::{AuthLayer, ClientAddress};
pub use routes::routes;
pub use types::{AuthRejection, AuthReply, AuthSession, MaybeSession, SignIn, SignInTicket};
