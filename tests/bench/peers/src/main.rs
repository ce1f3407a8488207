//! Other session libraries as small servers: `logout-all-peers VARIANT [--postgres URL] [--redis URL]`.
//!
//! Each variant is set up as its own documentation recommends and has the same two routes:
//! `POST /login/{id}` signs the user in without a password (204, or 401 if there is no such
//! user), `GET /me` answers with the session's user as JSON (200, or 401 without a session).
//!
//! The program prints one line, `listening on 127.0.0.1:PORT`, and ends when its standard input
//! does, so that it never outlives the benchmark that started it.

mod actix_session;
mod axum_login;
mod users;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::thread;

use clap::{Parser, ValueEnum};
use tokio::sync::oneshot;

/// As many worker threads as every server of the comparison has.
const WORKERS: usize = 2;

type Outcome = Result<(), Box<dyn Error>>;

/// Serves one session library on a free port of the loopback until standard input ends.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which library, with which store.
    variant: Variant,
    /// The database with the table `accounts`; sessions go into its schema `peers`.
    #[arg(long, value_name = "URL", required_if_eq("variant", "axum-login-postgres"))]
    postgres: Option<String>,
    /// The Redis server for the sessions.
    #[arg(
        long,
        value_name = "URL",
        required_if_eq_any([
            ("variant", "actix-session-redis"),
            ("variant", "actix-session-redis-fixed"),
        ])
    )]
    redis: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Variant {
    /// axum-login with the memory store of tower-sessions.
    AxumLoginMemory,
    /// axum-login with the `PostgreSQL` store of tower-sessions, users in a table beside it.
    AxumLoginPostgres,
    /// actix-session with Redis and actix-identity, which ends idle sessions.
    ActixSessionRedis,
    /// The same, but sessions last one day from the login and no request prolongs them.
    ActixSessionRedisFixed,
}

fn main() -> Outcome {
    let arguments = Arguments::parse();
    // Clap has refused a variant without the URL that it needs.
    let postgres = arguments.postgres.unwrap_or_default();
    let redis = arguments.redis.unwrap_or_default();
    let stop = stdin_end();
    match arguments.variant {
        Variant::AxumLoginMemory => axum_login::with_memory(stop),
        Variant::AxumLoginPostgres => axum_login::with_postgres(&postgres, stop),
        Variant::ActixSessionRedis => {
            actix_session::with_redis(redis, actix_session::Lifetime::SinceLastVisit, stop)
        }
        Variant::ActixSessionRedisFixed => {
            actix_session::with_redis(redis, actix_session::Lifetime::SinceLogin, stop)
        }
    }
}

/// Ready when standard input has ended. A thread of its own, as a runtime would wait at its end
/// for a read that is under way.
fn stdin_end() -> oneshot::Receiver<()> {
    let (ended, stop) = oneshot::channel();
    thread::spawn(move || {
        // An input that cannot be read any more has ended too.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = ended.send(());
    });
    stop
}

/// Says on standard output where the server, which accepts connections by now, is found.
fn announce(address: SocketAddr) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {address}")
}
