//! An answer that stays open: what has come of it, while more may come.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{ClientError, LONGEST_ANSWER, Request, Response, TIME_LIMIT, lossy};

/// A connection whose answer is read as it comes. Dropped, it is closed.
#[derive(Debug)]
pub struct Opened {
    stream: TcpStream,
    received: Vec<u8>,
    to_head: bool,
}

impl Opened {
    /// Sends the request on a connection of its own.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn open(address: SocketAddr, request: &Request) -> Result<Self, ClientError> {
        let broken = |cause| ClientError::Broken { cause, received: Vec::new() };
        let opening = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(&request.to_bytes()).await?;
            Ok(Self { stream, received: Vec::new(), to_head: request.is_head() })
        };
        let within = tokio::time::timeout(TIME_LIMIT, opening).await;
        within.unwrap_or(Err(std::io::ErrorKind::TimedOut.into())).map_err(broken)
    }

    /// Waits until that stands in what has come; whether it came before the end and within the limit.
    ///
    /// # Errors
    /// [`ClientError::Broken`].
    pub async fn has(
        &mut self,
        wanted: impl AsRef<[u8]>,
        limit: Duration,
    ) -> Result<bool, ClientError> {
        let (wanted, deadline) = (wanted.as_ref(), Instant::now() + limit);
        loop {
            if self.received.windows(wanted.len()).any(|window| window == wanted) {
                return Ok(true);
            }
            match timeout_at(deadline, self.more()).await {
                Ok(Ok(0)) | Err(_) => return Ok(false),
                Ok(Ok(_)) => {}
                Ok(Err(cause)) => return Err(self.broken(cause)),
            }
        }
    }

    /// Waits until the server closes; whether it does within the limit.
    pub async fn is_closed(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            match timeout_at(deadline, self.more()).await {
                Ok(Ok(0) | Err(_)) => return true,
                Ok(Ok(_)) => {}
                Err(_) => return false,
            }
        }
    }

    /// Waits until the server closes, and reads the whole answer.
    ///
    /// # Errors
    /// [`ClientError`]: also where it does not close within the limit.
    pub async fn closed(mut self, limit: Duration) -> Result<Response, ClientError> {
        let deadline = Instant::now() + limit;
        loop {
            match timeout_at(deadline, self.more()).await {
                Ok(Ok(0)) => break,
                Ok(Ok(_)) if self.received.len() < LONGEST_ANSWER => {}
                Ok(Ok(_)) => return Err(self.malformed("it does not end".to_owned())),
                Ok(Err(cause)) => return Err(self.broken(cause)),
                Err(_) => return Err(ClientError::TimedOut),
            }
        }
        Response::parse(&self.received, self.to_head).map_err(|why| self.malformed(why))
    }

    /// All that has come, as text: the head, and the body in its framing.
    pub fn received(&self) -> String {
        lossy(&self.received)
    }

    async fn more(&mut self) -> std::io::Result<usize> {
        self.stream.read_buf(&mut self.received).await
    }

    fn broken(&self, cause: std::io::Error) -> ClientError {
        ClientError::Broken { cause, received: self.received.clone() }
    }

    fn malformed(&self, why: String) -> ClientError {
        ClientError::Malformed { why, received: self.received.clone() }
    }
}
