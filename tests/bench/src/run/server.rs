//! A server that is measured: a process, its address, and the load on it.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

use super::cpu::Family;

/// A store in memory is filled before the port opens.
const START: Duration = Duration::from_mins(2);
/// How much longer than it should a load may take.
const SLACK: Duration = Duration::from_mins(1);

/// Ends when this is dropped: its input is over then.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: String,
    process: Child,
    _input: Option<ChildStdin>,
}

impl Server {
    /// Starts a program that says `listening on ADDRESS`.
    pub(crate) async fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let output = process.stdout.take().context("its output is not there")?;
        let input = process.stdin.take();
        let mut lines = BufReader::new(output).lines();
        let line = timeout(START, lines.next_line()).await;
        let line = line.with_context(|| format!("{name} does not listen after {START:?}"))??;
        let line = line.with_context(|| format!("{name} ended at its start"))?;
        let Some(address) = line.strip_prefix("listening on ") else {
            bail!("{name} says {line:?} in place of its address");
        };
        Ok(Self { name: name.to_owned(), address: address.to_owned(), process, _input: input })
    }

    /// This program as a server.
    pub(crate) async fn own(words: &[&str], places: &[String]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        Self::start(&words.join("/"), command.arg("serve").args(words).args(places)).await
    }

    pub(crate) fn family(&self) -> anyhow::Result<Family> {
        let id = self.process.id().with_context(|| format!("{} has ended", self.name))?;
        Ok(Family(i32::try_from(id)?))
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// The active ones of so many sessions, with tokens.
    Sessions(u32),
    /// Those with the cookies in a file.
    Cookies(PathBuf),
}

/// How long they ask.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Seconds(f64),
    Requests(u32),
}

/// What one turn of load came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) answers: f64,
    /// In seconds.
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

/// Asks a server over so many connections. Any answer but 200 is an error.
pub(crate) async fn load(
    address: &str,
    who: &Who,
    connections: u32,
    until: Until,
) -> anyhow::Result<Turn> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["load", address]);
    match who {
        Who::Sessions(all) => command.args(["--sessions", &all.to_string()]),
        Who::Cookies(file) => command.arg("--cookies").arg(file),
    };
    command.args(["--quiet", "--output", "json", "--concurrency", &connections.to_string()]);
    command.args(["--warmup", &(connections * 4).to_string()]);
    let limit = match until {
        Until::Seconds(seconds) => {
            command.args(["--duration", &format!("{}ms", seconds * 1000.0)]);
            Duration::from_secs_f64(seconds) + SLACK
        }
        Until::Requests(count) => {
            command.args(["--iterations", &count.to_string()]);
            SLACK
        }
    };
    let done = command.kill_on_drop(true).output();
    let output = timeout(limit, done).await.context("the load does not end")??;
    if !output.status.success() {
        bail!("the load failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let errors = told["errors"].as_object();
    if let Some((error, count)) = errors.and_then(|errors| errors.iter().next()) {
        bail!("{count} requests to {address} failed: {error}");
    }
    let number = |value: &Value| value.as_f64().context("the load printed no figure");
    Ok(Turn {
        rate: number(&told["summary"]["iters"]["rate"])?,
        answers: number(&told["summary"]["iters"]["total"])?,
        median: number(&told["latency"]["stats"]["median"])?,
        p99: number(&told["latency"]["percentiles"]["p99"])?,
    })
}
