//! logout-all for every server that speaks `http` 1 and tower: a layer that guards a subtree, and
//! the translations that other adapters build on. It will never decide anything about a token: that
//! is the core's.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use logout_all_tower::{AuthLayer, Authenticated};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let test = logout_all::testing::TestSessions::start().await;
//! # let (sessions, authorization) = (test.sessions.clone(), test.bearer("ada").await);
//! let hello = service_fn(|request: Request<Full<Bytes>>| async move {
//!     let session = request.extensions().get::<Authenticated>().and_then(Authenticated::session);
//!     let name = session.map(|session| session.user_id().to_string()).unwrap_or_default();
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(format!("hello {name}"))))
//! });
//! let guarded = AuthLayer::new(&sessions).layer(hello);
//!
//! let request = Request::get("/").header("authorization", authorization).body(Full::default())?;
//! assert_eq!(guarded.clone().oneshot(request).await?.status(), 200);
//! let anonymous = Request::get("/").body(Full::default())?;
//! assert_eq!(guarded.oneshot(anonymous).await?.status(), 401);
//! # Ok(())
//! # }
//! ```

mod layer;
mod translate;

pub use layer::{AuthLayer, AuthService, Authenticated};
pub use logout_all;
pub use translate::{ClientAddress, PiecesBody, any_response, presented, read_body, response};

/// What an application may share between threads and hand on.
const _: () = {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<AuthLayer>();
};
