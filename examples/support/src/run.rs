//! The whole program, but for what the framework does.

use std::{
    error::Error,
    future::Future,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use tracing::Level;
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{App, Door, Options, Shutdown, StartError, Started, shutdown::shutdown, start};

/// Reads the command line, opens everything, says where it is, and serves until the signal.
///
/// `serve` opens the [`Door`], stops at the [`Shutdown`], lets requests in flight finish, and shuts
/// the sessions down.
pub async fn run<F>(serve: impl FnOnce(Door, App, Shutdown) -> F) -> ExitCode
where
    F: Future<Output = io::Result<()>>,
{
    let options = Options::read();
    log_to_stderr(&options.log);
    match serve_until_signal(&options, serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&mut io::stderr(), &format!("error: {}\n", with_causes(&error)));
            ExitCode::FAILURE
        }
    }
}

async fn serve_until_signal<F>(
    options: &Options,
    serve: impl FnOnce(Door, App, Shutdown) -> F,
) -> Result<(), StartError>
where
    F: Future<Output = io::Result<()>>,
{
    let signal = shutdown().map_err(StartError::Serve)?;
    let Started { door, app, announcement } = start(options).await?;
    let door = door.when_open(move || tell(&mut io::stdout(), &announcement));
    serve(door, app, signal).await.map_err(StartError::Serve)
}

/// What went wrong and why, each reason once: an error may pass on the words of its cause.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let reason = cause.to_string();
        if !text.ends_with(&reason) {
            text = format!("{text}: {reason}");
        }
        source = cause.source();
    }
    text
}

/// Standard output is for the announcement alone.
fn log_to_stderr(filter: &str) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // It would complain with `eprintln!`, which panics where standard error is closed.
        .log_internal_errors(false);
    tracing_subscriber::registry()
        .with(EnvFilter::new(filter))
        .with(filter_fn(|record| tells_no_secret(record.target(), *record.level())))
        .with(lines)
        .init();
}

/// Beside the filter that was asked for, whose most specific directive would win: on `debug` and below
/// the driver of PostgreSQL logs the values of its statements (the hashes of passwords, the ids of
/// tokens), and Rocket whole requests; on `info` it says a dozen lines of each.
fn tells_no_secret(target: &str, level: Level) -> bool {
    let is_of = |name: &str| target.split("::").next() == Some(name);
    !(is_of("rocket") || is_of("tokio_postgres") && level > Level::INFO)
}

/// Whoever started the server need not read what it prints: `println!` would panic then.
fn tell(to: &mut impl Write, text: &str) {
    if let Err(error) = to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        tracing::debug!(%error, "nobody reads what this program prints");
    }
}
