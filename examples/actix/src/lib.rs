//! The example server on Actix Web: what the framework asks of an application that uses logout-all.
//!
//! The application itself (accounts, passwords, what the routes do) is `example_support`; here it
//! meets Actix. This crate will never decide anything about a token or a password.
//!
//! What Actix leaves to whatever stands in front: TLS, a limit on connections of one client, a client that
//! takes its answer a byte an hour, and one that sends the header of its second request so: only that of
//! the first has a limit.

mod answers;
mod handlers;

use std::{future::Future, io, time::Duration};

use actix_web::{
    Error, HttpServer,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::Method,
    middleware::DefaultHeaders,
    web::{self, Data},
};
use example_support::{App, Door, REQUESTS_LIMIT, page};
use logout_all_actix::{AuthMiddleware, routes};

use crate::answers::{Methods, at};

/// Threads that serve. Passwords are hashed elsewhere, and the rest is waiting for the store.
const WORKERS: usize = 2;

/// From the opening of a connection to the end of the first request's header.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// From an answer to the next request.
const IDLE_LIMIT: Duration = Duration::from_secs(75);

/// Actix answers HEAD only where it is asked to.
const READ: Methods = Methods { all: &[Method::GET, Method::HEAD], allow: "GET,HEAD" };
const WRITE: Methods = Methods { all: &[Method::POST], allow: "POST" };
const READ_AND_WRITE: Methods =
    Methods { all: &[Method::GET, Method::HEAD, Method::POST], allow: "GET,HEAD,POST" };

/// All routes of the example.
pub fn application(
    app: App,
) -> actix_web::App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let sessions = app.sessions().clone();
    // A scope is guarded as a whole: no handler in it runs for nobody.
    let private = web::scope("/private").wrap(AuthMiddleware::new(&sessions)).service(at(
        "/report",
        &READ_AND_WRITE,
        handlers::report,
    ));
    let application = actix_web::App::new()
        // The extractors of logout-all find the sessions here.
        .app_data(Data::new(sessions.clone()))
        .app_data(Data::new(app))
        .service(at("/login", &WRITE, handlers::login))
        .service(at("/me", &READ_AND_WRITE, handlers::me))
        .service(at("/password", &WRITE, handlers::password))
        .service(at("/greeting", &READ_AND_WRITE, handlers::greeting))
        .service(at("/admin/users/{username}/lock", &WRITE, handlers::lock))
        .service(at("/admin/users/{username}/unlock", &WRITE, handlers::unlock))
        .service(at("/metrics", &READ, handlers::metrics))
        .service(at("/healthz", &READ, handlers::healthz))
        .service(at("/readyz", &READ, handlers::readyz))
        .service(at("/favicon.ico", &READ, handlers::no_icon))
        .service(private)
        .service(web::scope("/auth").configure(routes(&sessions)));
    page::FILES
        .into_iter()
        .fold(application, |application, file| {
            application.service(at(file.path, &READ, move || answers::page(file)))
        })
        .default_service(web::to(answers::not_found))
        // Nobody on the way keeps an answer, except where the library says otherwise.
        .wrap(DefaultHeaders::new().add(("Cache-Control", "no-store")))
}

/// Serves until `shutdown` completes; then requests in flight finish, for ten seconds at most, and
/// the sessions write down what is still to be written.
///
/// # Errors
/// The port cannot be opened, or the server fails.
pub async fn serve(
    door: Door,
    app: App,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (sessions, draining) = (app.sessions().clone(), app.sessions().clone());
    let graceful = async move {
        shutdown.await;
        draining.drain();
    };
    // Started before it is awaited: an `HttpServer` belongs to one thread, the server that it starts
    // to nobody, so that this future can be spawned.
    let server = HttpServer::new(move || application(app.clone()))
        .workers(WORKERS)
        .client_request_timeout(REQUEST_LIMIT)
        .keep_alive(IDLE_LIMIT)
        .shutdown_timeout(REQUESTS_LIMIT.as_secs())
        .shutdown_signal(graceful)
        .listen(door.listen()?.into_std()?)?
        .run();
    let outcome = server.await;
    sessions.shutdown().await;
    outcome
}
