//! The load: `rlt` keeps the connections busy and counts; here is one request of one connection.
//!
//! HTTP is hyper's. A process of its own, so that its work is not in any server's account.

use std::{path::PathBuf, sync::Arc, time::Instant};

use anyhow::{Context, bail};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{HOST, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rlt::{BenchSuite, IterInfo, IterReport, Status, cli::BenchCli};
use tokio::net::TcpStream;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Host and port.
    address: String,
    /// The path that is asked for.
    #[arg(long, default_value = "/me")]
    path: String,
    /// The header that says who asks.
    #[arg(long, default_value = "authorization")]
    header: String,
    /// Its values, one on each line; each request takes another.
    #[arg(long)]
    values: PathBuf,
    #[command(flatten)]
    bench: BenchCli,
}

pub(crate) async fn load(arguments: Arguments) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&arguments.values)
        .with_context(|| format!("cannot read {}", arguments.values.display()))?;
    let values: Result<Vec<_>, _> = text.lines().map(HeaderValue::from_str).collect();
    let values = values?;
    if values.is_empty() {
        bail!("{} has no line", arguments.values.display());
    }
    let asking = Asking {
        host: HeaderValue::from_str(&arguments.address)?,
        address: arguments.address,
        path: arguments.path,
        header: arguments.header.parse()?,
        values: values.into(),
    };
    rlt::cli::run(arguments.bench, asking).await
}

#[derive(Clone)]
struct Asking {
    address: String,
    host: HeaderValue,
    path: String,
    header: HeaderName,
    values: Arc<[HeaderValue]>,
}

/// One connection, and where it is in the list of values.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    place: u32,
}

#[async_trait]
impl BenchSuite for Asking {
    type WorkerState = Connection;

    async fn state(&self, worker: u32) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection { sender, place: worker })
    }

    async fn bench(&mut self, at: &mut Connection, _: &IterInfo) -> anyhow::Result<IterReport> {
        // All over the list, the same in each run.
        at.place = at.place.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = &self.values[(at.place >> 8) as usize % self.values.len()];
        let request = Request::get(self.path.as_str())
            .header(HOST, &self.host)
            .header(&self.header, value)
            .body(Empty::new())?;
        let asked = Instant::now();
        at.sender.ready().await?;
        let response = at.sender.send_request(request).await?;
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
