//! The load: `rlt` keeps the connections busy and counts; here is one request of one connection.
//!
//! HTTP is hyper's. A process of its own, so that its work is not in any server's account.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rlt::{BenchSuite, IterInfo, IterReport, Status, cli::BenchCli};
use tokio::net::TcpStream;

use crate::world;

/// How far it is from one who asks to the next: all over the list, and each once before any comes
/// again, in the same order in each run.
const STRIDE: usize = 7919;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Host and port.
    address: String,
    /// The path that is asked for.
    #[arg(long, default_value = "/me")]
    path: String,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    bench: BenchCli,
}

/// Who asks: each request is another's.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// Those who are active, of so many sessions, with their tokens.
    #[arg(long)]
    sessions: Option<u32>,
    /// Those whose cookies stand in a file, one on each line.
    #[arg(long)]
    cookies: Option<PathBuf>,
}

pub(crate) async fn load(arguments: Arguments) -> anyhow::Result<()> {
    let (header, values) = arguments.who.values()?;
    let values: Result<Arc<[_]>, _> =
        values.iter().map(|text| HeaderValue::from_str(text)).collect();
    let values = values?;
    ensure!(!values.is_empty(), "nobody is there to ask");
    ensure!(values.len() % STRIDE != 0, "{STRIDE} must not divide the number of those who ask");
    let asking = Asking {
        host: HeaderValue::from_str(&arguments.address)?,
        address: arguments.address,
        path: arguments.path,
        header,
        values,
        asked: Arc::default(),
    };
    rlt::cli::run(arguments.bench, asking).await
}

impl Who {
    /// The header that says who asks, and what it says.
    fn values(self) -> anyhow::Result<(HeaderName, Vec<String>)> {
        let Some(file) = self.cookies else {
            return Ok((AUTHORIZATION, world::tokens(self.sessions.unwrap_or(0))?));
        };
        let text = std::fs::read_to_string(&file);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        Ok((COOKIE, text.lines().map(ToOwned::to_owned).collect()))
    }
}

#[derive(Clone)]
struct Asking {
    address: String,
    host: HeaderValue,
    path: String,
    header: HeaderName,
    values: Arc<[HeaderValue]>,
    /// How many requests there were, of all connections.
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl BenchSuite for Asking {
    /// The connection.
    type WorkerState = SendRequest<Empty<Bytes>>;

    async fn state(&self, _: u32) -> anyhow::Result<Self::WorkerState> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn bench(
        &mut self,
        sender: &mut Self::WorkerState,
        _: &IterInfo,
    ) -> anyhow::Result<IterReport> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let value = &self.values[asked.wrapping_mul(STRIDE) % self.values.len()];
        let request = Request::get(self.path.as_str())
            .header(HOST, &self.host)
            .header(&self.header, value)
            .body(Empty::new())?;
        let asked = Instant::now();
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let duration = asked.elapsed();
        if status != StatusCode::OK {
            bail!("answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(IterReport {
            duration,
            status: Status::success(200),
            bytes: body.len() as u64,
            items: 1,
        })
    }
}
