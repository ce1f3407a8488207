//! HTTP/1.1 (RFC 9112): one request a connection.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use logout_all::{
    Reply,
    http::{BODY_LIMIT, BodyError},
    wire::{Body, Pieces},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::app::App;

const LONGEST_HEAD: usize = 64 * 1024;

/// The head of a request.
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// What of the body is still to come.
pub(crate) struct Incoming<'s> {
    stream: &'s mut TcpStream,
    read: Vec<u8>,
    framing: Framing,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

/// An answer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What comes after the head instead of that, as it comes.
    pieces: Option<Pieces>,
}

impl Response {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), pieces: None }
    }

    pub(crate) fn with(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.headers.push(("Content-Type".to_owned(), content_type.to_owned()));
        self.body = body.into();
        self
    }
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        let (status, headers, body) = reply.into_parts();
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let (body, pieces) = match body {
            Body::Full(bytes) => (bytes.to_vec(), None),
            Body::Pieces(pieces) => (Vec::new(), Some(pieces)),
            _ => (Vec::new(), None),
        };
        Self { status, headers, body, pieces }
    }
}

pub(crate) async fn serve(mut stream: TcpStream, app: Arc<App>) {
    let (to_head, response) = match read_head(&mut stream).await {
        Some((head, incoming)) => {
            let to_head = head.method == "HEAD" && !app.sends_bodies_to_head();
            (to_head, app.answer(&head, incoming).await)
        }
        None => (false, Response::new(400)),
    };
    let mut out = format!("HTTP/1.1 {} x\r\nConnection: close\r\n", response.status);
    let mut line = |name: &str, value: &str| out.extend([name, ": ", value, "\r\n"]);
    for (name, value) in &response.headers {
        line(name, value);
    }
    let bodiless = matches!(response.status, 204 | 304);
    if !bodiless && response.pieces.is_none() {
        line("Content-Length", &response.body.len().to_string());
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    if !bodiless && !to_head {
        out.extend_from_slice(&response.body);
    }
    let _ = stream.write_all(&out).await;
    if let Some(pieces) = response.pieces.filter(|_| !to_head) {
        send_pieces(&mut stream, &pieces).await;
    }
    let _ = stream.shutdown().await;
    // What the client still sends is read away: a reset could overtake the answer.
    let mut sink = [0; 4096];
    let drain = async { while matches!(stream.read(&mut sink).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
}

/// Until there are no more, or the client is gone. The end of the body is that of the connection.
async fn send_pieces(stream: &mut TcpStream, pieces: &Pieces) {
    let mut sink = [0; 256];
    loop {
        let piece = tokio::select! {
            piece = poll_fn(|cx| pieces.poll_next(cx)) => piece,
            read = stream.read(&mut sink) => match read {
                Ok(1..) => continue,
                Ok(0) | Err(_) => return,
            },
        };
        let Some(piece) = piece else { return };
        if stream.write_all(&piece).await.is_err() {
            return;
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<(Head, Incoming<'_>)> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if read.len() > LONGEST_HEAD || stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let rest = read.split_off(end + 4);
    let mut lines = read[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let line = std::str::from_utf8(lines.next()?).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    if words.next() != Some("HTTP/1.1") || !target.starts_with('/') {
        return None;
    }
    let headers = lines.map(read_header).collect::<Option<Vec<_>>>()?;
    let framing = framing(&headers)?;
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (target.to_owned(), None),
    };
    let head = Head { method: method.to_owned(), path, query, headers };
    Some((head, Incoming { stream, read: rest, framing }))
}

fn read_header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..at]).ok()?;
    let is_token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_token.then(|| (name.to_owned(), line[at + 1..].trim_ascii().to_vec()))
}

fn framing(headers: &[(String, Vec<u8>)]) -> Option<Framing> {
    let all = |wanted: &str| -> Vec<&[u8]> {
        let named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| value.as_slice()).collect()
    };
    match (&all("transfer-encoding")[..], &all("content-length")[..]) {
        ([], []) => Some(Framing::Length(0)),
        ([], [length]) => Some(Framing::Length(std::str::from_utf8(length).ok()?.parse().ok()?)),
        ([b"chunked"], []) => Some(Framing::Chunked),
        _ => None,
    }
}

impl Incoming<'_> {
    /// The body, of which no more is read than it takes to know that it is too long.
    pub(crate) async fn read(mut self) -> Result<Bytes, BodyError> {
        match self.framing {
            Framing::Length(length) if length > BODY_LIMIT => Err(BodyError::TooLong),
            Framing::Length(length) => Ok(Bytes::from(self.take(length).await?)),
            Framing::Chunked => {
                let mut body = Vec::new();
                loop {
                    let line = self.line().await?;
                    let size = usize::from_str_radix(&line, 16).map_err(|_| BodyError::Broken)?;
                    if size == 0 {
                        return Ok(Bytes::from(body));
                    }
                    if body.len() + size > BODY_LIMIT {
                        return Err(BodyError::TooLong);
                    }
                    body.extend(self.take(size).await?);
                    self.take(2).await?;
                }
            }
        }
    }

    async fn line(&mut self) -> Result<String, BodyError> {
        loop {
            if let Some(end) = self.read.windows(2).position(|window| window == b"\r\n") {
                let line = self.take(end).await?;
                self.take(2).await?;
                return String::from_utf8(line).map_err(|_| BodyError::Broken);
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>, BodyError> {
        while self.read.len() < length {
            self.more().await?;
        }
        let rest = self.read.split_off(length);
        Ok(std::mem::replace(&mut self.read, rest))
    }

    async fn more(&mut self) -> Result<(), BodyError> {
        match self.stream.read_buf(&mut self.read).await {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(BodyError::Broken),
        }
    }
}
