//! The peers, as their own program starts them, and who is signed in there.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{HOST, SET_COOKIE},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, process::Command, task::JoinSet};

use super::{fill::Database, server::Server};
use crate::world;

/// Other people's sessions, as tower-sessions would have stored them.
const OTHERS: &str = include_str!("../../peers/src/fill_sessions.sql");

/// A peer, and the file with the cookies of those who signed in.
pub(super) struct Peer {
    pub(super) server: Server,
    pub(super) cookies: PathBuf,
}

pub(super) async fn start(
    program: &Path,
    variant: &str,
    places: &[String],
    folder: &Path,
) -> anyhow::Result<Peer> {
    let server = Server::start(variant, Command::new(program).arg(variant).args(places)).await?;
    let cookies = folder.join(variant);
    std::fs::write(&cookies, sign_in(&server.address).await?.join("\n"))?;
    Ok(Peer { server, cookies })
}

/// Fills the table of axum-login's sessions; it is there once its server has started.
pub(super) async fn fill(database: &Database, sessions: u32) -> anyhow::Result<()> {
    for statement in OTHERS.replace("$N", &sessions.to_string()).split(";\n") {
        database.sql.batch_execute(statement).await?;
    }
    Ok(database.sql.batch_execute("VACUUM ANALYZE peers.session").await?)
}

/// Signs as many users in as are active elsewhere; gives their cookies.
async fn sign_in(address: &str) -> anyhow::Result<Vec<String>> {
    const CONNECTIONS: u32 = 16;
    let mut tasks = JoinSet::new();
    for first in 1..=CONNECTIONS {
        let mut client = Client::connect(address).await?;
        tasks.spawn(async move {
            let mut cookies = Vec::new();
            for number in (first..=world::ACTIVE).step_by(CONNECTIONS as usize) {
                cookies.push(client.sign_in(number).await?);
            }
            anyhow::Ok(cookies)
        });
    }
    let mut cookies = Vec::new();
    while let Some(some) = tasks.join_next().await {
        cookies.extend(some??);
    }
    Ok(cookies)
}

/// A connection to a peer.
struct Client {
    address: String,
    sender: SendRequest<Empty<Bytes>>,
}

impl Client {
    async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { address: address.to_owned(), sender })
    }

    /// The cookie that a user gets.
    async fn sign_in(&mut self, number: u32) -> anyhow::Result<String> {
        let request = Request::post(format!("/login/{number}")).header(HOST, &self.address);
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Empty::new())?).await?;
        anyhow::ensure!(response.status() == StatusCode::NO_CONTENT, "{}", response.status());
        let cookie = response.headers().get(SET_COOKIE).context("a login set no cookie")?;
        Ok(cookie.to_str()?.split(';').next().unwrap_or_default().to_owned())
    }
}
