//! The peers, as their own program starts them, and who is signed in there.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{
    Request, StatusCode,
    client::conn::http1::handshake,
    header::{HOST, SET_COOKIE},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, process::Command};

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

/// Signs as many users in as are active elsewhere, one after the other; gives their cookies.
async fn sign_in(address: &str) -> anyhow::Result<Vec<String>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut cookies = Vec::new();
    for number in 1..=world::ACTIVE {
        let request = Request::post(format!("/login/{number}")).header(HOST, address);
        sender.ready().await?;
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        anyhow::ensure!(response.status() == StatusCode::NO_CONTENT, "{}", response.status());
        let cookie = response.headers().get(SET_COOKIE).context("a login set no cookie")?;
        let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
        cookies.push(pair.to_owned());
    }
    Ok(cookies)
}
