//! The example server on Rocket: what the framework asks of an application that uses logout-all.
//!
//! The application itself (accounts, passwords, what the routes do) is `example_support`; here it
//! meets Rocket. This crate will never decide anything about a token or a password.
//!
//! What Rocket leaves to whatever stands in front: a limit on connections, on the time that a header
//! or a body may take, and on idle connections. It has no such limits of its own, and gives nobody
//! its listener or its connections to add them.

mod answers;
mod handlers;

use std::{
    future::{Future, pending},
    io,
    sync::Mutex,
    time::Duration,
};

use example_support::{App, Door, REQUESTS_LIMIT};
use logout_all_rocket::{AuthFairing, Guarded, catchers, routes};
use rocket::{
    Build, Config, Rocket,
    config::{Ident, LogLevel, Shutdown},
    error::ErrorKind,
    fairing::AdHoc,
    shield::Shield,
};
use tokio::time;

/// All routes of the example, under this configuration.
pub fn rocket(app: App, config: Config) -> Rocket<Build> {
    let sessions = app.sessions().clone();
    rocket::custom(config)
        .attach(AuthFairing::new(&sessions))
        // Rocket's own headers for pages are on by default. Here the page brings its own, which are
        // stricter; an application keeps them.
        .attach(Shield::new())
        .attach(answers::not_stored())
        .manage(app)
        .mount("/", handlers::public())
        .mount("/", answers::pages())
        // A subtree is guarded as a whole: no handler in it runs for nobody.
        .mount("/private", Guarded::new(handlers::private()).and_the_rest())
        .mount("/auth", routes(&sessions))
        .register("/auth", catchers(&sessions))
        .register("/", rocket::catchers![answers::unanswered])
}

/// Serves until `shutdown` completes; then requests in flight finish, for ten seconds at most, and
/// the sessions write down what is still to be written.
///
/// # Errors
/// The port cannot be opened, or the listener fails.
pub async fn serve(
    mut door: Door,
    app: App,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let sessions = app.sessions().clone();
    let config = config(&mut door);
    let door = Mutex::new(Some(door));
    let rocket = rocket(app, config)
        .attach(AdHoc::on_shutdown("idle connections", |_| Box::pin(time::sleep(MOMENT))))
        .attach(AdHoc::on_liftoff("opened", |_| {
            Box::pin(async move {
                let door = door.lock().ok().and_then(|mut door| door.take());
                door.into_iter().for_each(Door::opened);
            })
        }))
        .ignite()
        .await
        .map_err(|error| failed(&error))?;
    let ending = rocket.shutdown();
    let draining = sessions.clone();
    let signal = async move {
        shutdown.await;
        draining.drain();
        ending.notify();
        pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = rocket.launch() => outcome.map(drop),
        () = signal => Ok(()),
    };
    sessions.shutdown().await;
    match outcome {
        // Some requests were not finished in time.
        Err(error) if matches!(error.kind(), ErrorKind::Shutdown(..)) => Ok(()),
        outcome => outcome.map_err(|error| failed(&error)),
    }
}

/// What an idle connection takes to close. Rocket looks once, after this, whether all connections are
/// closed, and otherwise waits for the whole limit: a server that has requests in flight at the signal
/// ends ten seconds later, even if they are answered sooner. It must not be longer, for Rocket closes
/// the port only then.
const MOMENT: Duration = Duration::from_millis(20);

/// Written out here: the command line of the example is the same on every framework, and no
/// `Rocket.toml` and no variable changes it. Signals are the example's own, too.
fn config(door: &mut Door) -> Config {
    let address = door.address_to_bind();
    let seconds = u32::try_from(REQUESTS_LIMIT.as_secs()).unwrap_or(10);
    let mut shutdown = Shutdown { ctrlc: false, grace: seconds, mercy: 0, ..Shutdown::default() };
    shutdown.force = false;
    #[cfg(unix)]
    shutdown.signals.clear();
    Config {
        address: address.ip(),
        port: address.port(),
        shutdown,
        ident: Ident::none(),
        log_level: LogLevel::Off,
        cli_colors: false,
        ..Config::release_default()
    }
}

/// Rocket's error panics when nobody has looked at it.
fn failed(error: &rocket::Error) -> io::Error {
    io::Error::other(error.to_string())
}
