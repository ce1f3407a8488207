//! What a verification costs, beside the bare frameworks and what others do: `cargo xtask bench`.
//!
//! One program in three roles, each a process of its own: `run` measures, `serve` is one server of
//! those that are compared, `load` asks it. The peers (axum-login, actix-session) are a crate of
//! their own, in `peers/`, that no build of the workspace sees. `docs/benchmarks.md` has the figures.

mod load;
mod report;
mod run;
mod serve;
mod world;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measures; start it with `cargo xtask bench`")]
struct CommandLine {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Measure, and write the table.
    Run(run::Arguments),
    /// Be one of the servers.
    Serve(serve::Arguments),
    /// Ask a server until the time is over, and print what came.
    Load(load::Arguments),
}

fn main() -> anyhow::Result<()> {
    let role = CommandLine::parse().role;
    // As many as the machine of `docs/benchmarks.md` has cores, for every server alike.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(serve::WORKERS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match role {
            Role::Run(arguments) => run::run(arguments).await,
            Role::Serve(arguments) => serve::serve(arguments).await,
            Role::Load(arguments) => load::load(arguments).await,
        }
    })
}
