//! The servers that are compared. Each answers `GET /me` with the same JSON, on one port of
//! loopback, on as many threads, and ends when its input does: so none outlives the measurement.

mod actix;
mod axum;
mod by_hand;
mod decoder;
mod ours;
mod rocket;

pub(crate) use ours::{accounts, fill, joined};

use std::{
    io::{Read, Write, stdin, stdout},
    net::SocketAddr,
    path::PathBuf,
};

use anyhow::bail;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Threads of each server.
pub(crate) const WORKERS: usize = 2;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    framework: Framework,
    what: What,
    #[command(flatten)]
    places: Places,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Framework {
    Axum,
    Actix,
    Rocket,
}

/// What stands before the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Nothing: the framework alone.
    Bare,
    /// `jsonwebtoken::decode`: a token that nobody can take back.
    Decode,
    /// The same, and one prepared SELECT with a JOIN for each request, over a pool.
    Select,
    /// This library over its memory store.
    Memory,
    /// This library over SQLite.
    Sqlite,
    /// This library over PostgreSQL.
    Postgres,
    /// This library over PostgreSQL, answering from memory while it holds a lease.
    Cached,
    /// This library over Redis.
    Redis,
    /// The scheme taken literally: SELECT, then UPDATE of the last-seen time. The last to have its
    /// turn: what it leaves to be written to the disk disturbs whoever comes after it.
    Literal,
}

/// Where the stores are, and how many sessions they have.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Places {
    #[arg(long)]
    pub(crate) postgres: Option<String>,
    #[arg(long)]
    pub(crate) redis: Option<String>,
    #[arg(long)]
    pub(crate) sqlite: Option<PathBuf>,
    /// For a store in memory: how many sessions it is filled with.
    #[arg(long, default_value_t = 0)]
    pub(crate) sessions: u32,
}

/// What `GET /me` answers.
#[derive(Deserialize, Serialize)]
struct Me {
    id: String,
    email: String,
}

impl Me {
    fn of(id: &str) -> Self {
        Self { id: id.to_owned(), email: crate::world::email(id) }
    }
}

pub(crate) async fn serve(Arguments { framework, what, places }: Arguments) -> anyhow::Result<()> {
    std::thread::spawn(|| {
        let _ = stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    match (what, framework) {
        (What::Select | What::Literal, Framework::Axum) => {
            axum::serve(by_hand::router(what, &places)?).await
        }
        (What::Select | What::Literal, _) => bail!("{what:?} is there on axum only"),
        (what, Framework::Axum) => {
            axum::serve(axum::router(ours::guard(what, &places).await?)).await
        }
        (what, Framework::Actix) => actix::serve(ours::guard(what, &places).await?).await,
        (what, Framework::Rocket) => rocket::serve(ours::guard(what, &places).await?).await,
    }
}

/// Tells whoever started this program where it listens.
fn listening(at: SocketAddr) {
    println!("listening on {at}");
    let _ = stdout().flush();
}
