//! The example server on Axum: what the framework asks of an application that uses logout-all.
//!
//! The application itself (accounts, passwords, what the routes do) is `example_support`; here it
//! meets Axum. This crate will never decide anything about a token or a password.
//!
//! What `axum::serve` leaves to whatever stands in front: TLS, HTTP/2, a limit on connections, per
//! client or in all. A request that does not come to an end is cut off here (see `patient`).

mod answers;
mod handlers;
mod patient;

use std::{
    future::{Future, pending, ready},
    io,
};

use axum::{
    Router,
    extract::FromRef,
    middleware::map_response,
    routing::{get, post},
};
use example_support::{App, Door, REQUESTS_LIMIT, page};
use logout_all_axum::{AuthLayer, Sessions, routes};
use tokio::{sync::oneshot, time};

use crate::patient::Patient;

/// The state of the router. The extractors of logout-all find the sessions in it.
#[derive(Clone, Debug)]
struct Server(App);

impl FromRef<Server> for App {
    fn from_ref(server: &Server) -> Self {
        server.0.clone()
    }
}

impl FromRef<Server> for Sessions {
    fn from_ref(server: &Server) -> Self {
        server.0.sessions().clone()
    }
}

/// All routes of the example.
pub fn router(app: App) -> Router {
    let sessions = app.sessions().clone();
    // A subtree is guarded as a whole, fallbacks too: no handler in it runs for nobody.
    let private = Router::new()
        .route("/report", get(handlers::report).post(handlers::report))
        .fallback(answers::not_found)
        .method_not_allowed_fallback(answers::method_not_allowed)
        .layer(AuthLayer::new(&sessions));
    let router = Router::new()
        .route("/login", post(handlers::login))
        .route("/me", get(handlers::me).post(handlers::me))
        .route("/password", post(handlers::password))
        .route("/greeting", get(handlers::greeting).post(handlers::greeting))
        .route("/admin/users/{username}/lock", post(handlers::lock))
        .route("/admin/users/{username}/unlock", post(handlers::unlock))
        .route("/metrics", get(handlers::metrics))
        .route("/healthz", get(handlers::healthz))
        .route("/readyz", get(handlers::readyz))
        .route("/favicon.ico", get(handlers::no_icon))
        .nest("/private", private)
        .nest("/auth", routes(&sessions));
    page::FILES
        .into_iter()
        .fold(router, |router, file| {
            router.route(file.path, get(move || ready(answers::page(file))))
        })
        .fallback(answers::not_found)
        .method_not_allowed_fallback(answers::method_not_allowed)
        .layer(map_response(answers::not_stored))
        .with_state(Server(app))
}

/// Serves until `shutdown` completes; then requests in flight finish, for ten seconds at most, and
/// the sessions write down what is still to be written.
///
/// # Errors
/// The port cannot be opened, or the listener fails.
pub async fn serve(
    door: Door,
    app: App,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let sessions = app.sessions().clone();
    let (signalled, signal) = oneshot::channel();
    let draining = sessions.clone();
    let graceful = async move {
        shutdown.await;
        draining.drain();
        let _ = signalled.send(());
    };
    let limit = async {
        if signal.await.is_err() {
            // Nobody signalled: the server ended by itself.
            pending::<()>().await;
        }
        time::sleep(REQUESTS_LIMIT).await;
    };
    let listener = Patient::new(door.listen()?);
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(graceful);
    let outcome = tokio::select! {
        outcome = server => outcome,
        () = limit => Ok(()),
    };
    sessions.shutdown().await;
    outcome
}
