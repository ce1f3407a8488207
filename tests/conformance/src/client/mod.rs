//! A plain HTTP/1.1 client (RFC 9112) over TCP that can send anything: several headers of one name,
//! bytes that are not UTF-8, bodies that lie about their length, requests that are none. It knows
//! no cookie jar, no redirects and no TLS, and it never waits for ever.

mod opened;
mod request;
mod response;

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub use opened::Opened;
pub use request::Request;
pub use response::Response;

/// How long one exchange may take, from the connection to the last byte.
pub const TIME_LIMIT: Duration = Duration::from_secs(15);

/// What a request says as `Host` unless it says something itself, wherever the server listens.
pub const AUTHORITY: &str = "app.example:3000";

/// More than any answer of the contract has, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The connection failed or broke off, with what had come until then.
    Broken {
        /// What failed.
        cause: std::io::Error,
        /// What had come.
        received: Vec<u8>,
    },
    /// No whole answer within [`TIME_LIMIT`].
    TimedOut,
    /// What came is not HTTP/1.1.
    Malformed {
        /// What is wrong with it.
        why: String,
        /// What came.
        received: Vec<u8>,
    },
}

/// Sends a request on a connection of its own and reads the answer.
///
/// # Errors
/// [`ClientError`].
pub async fn send(address: SocketAddr, request: &Request) -> Result<Response, ClientError> {
    let received = exchange(address, &request.to_bytes()).await?;
    Response::parse(&received, request.is_head())
        .map_err(|why| ClientError::Malformed { why, received })
}

/// Sends bytes as they are and gives back what comes until the server closes.
///
/// # Errors
/// [`ClientError`]; a connection that the server resets gives what had come.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, ClientError> {
    let both_ways = async {
        let broken = |cause| ClientError::Broken { cause, received: Vec::new() };
        let mut stream = TcpStream::connect(address).await.map_err(broken)?;
        // A server that refuses early closes before it has read everything: the answer counts.
        let _ = stream.write_all(bytes).await;
        let mut received = Vec::new();
        let mut limited = stream.take(LONGEST_ANSWER as u64);
        match limited.read_to_end(&mut received).await {
            Ok(_) => Ok(received),
            Err(_) if !received.is_empty() => Ok(received),
            Err(cause) => Err(ClientError::Broken { cause, received }),
        }
    };
    timeout(TIME_LIMIT, both_ways).await.unwrap_or(Err(ClientError::TimedOut))
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken { cause, received } => {
                write!(f, "the connection broke ({cause}) after {:?}", lossy(received))
            }
            Self::TimedOut => write!(f, "no whole answer within {TIME_LIMIT:?}"),
            Self::Malformed { why, received } => {
                write!(f, "the answer is not HTTP/1.1 ({why}): {:?}", lossy(received))
            }
        }
    }
}

impl std::error::Error for ClientError {}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
