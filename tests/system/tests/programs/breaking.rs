//! A request over a connection that breaks at a random moment, and one over a connection that stays.

use std::{net::SocketAddr, time::Duration};

use logout_all_conformance::client::{Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::dice::Dice;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// At most as long does it wait, in microseconds: as long as a read takes, a write, or two hashes of
/// a password.
const WAITS: [usize; 3] = [2_000, 20_000, 200_000];

/// When the client goes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// When it has sent a part of the request.
    Sending,
    /// When it has sent all, and some time has passed or none.
    Waiting,
    /// When it has received a part of the answer.
    Receiving,
}

/// How it goes.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// FIN.
    Close,
    /// RST: `SO_LINGER` of 0.
    Reset,
    /// FIN in its own direction alone; then it reads on.
    HalfClose,
}

/// Sends the request and goes; what had been received by then.
pub(crate) async fn broken_off(address: SocketAddr, request: &Request, dice: &mut Dice) -> Vec<u8> {
    let moment = dice.one_of(&[Moment::Sending, Moment::Waiting, Moment::Receiving]);
    let manner = dice.one_of(&[Manner::Close, Manner::Reset, Manner::Reset, Manner::HalfClose]);
    let bytes = request.to_bytes();
    let sent = match moment {
        Moment::Sending => dice.below(bytes.len()),
        Moment::Waiting | Moment::Receiving => bytes.len(),
    };
    let mut stream = TcpStream::connect(address).await.unwrap();
    write_in_pieces(&mut stream, &bytes[..sent], dice).await;
    let mut received = Vec::new();
    match moment {
        Moment::Sending => {}
        Moment::Waiting => {
            let longest = dice.one_of(&WAITS);
            pause(dice, longest).await;
        }
        Moment::Receiving => {
            let mut part = vec![0; 1 + dice.below(200)];
            let read = timeout(PATIENCE, stream.read(&mut part)).await.expect("it is answered");
            received.extend_from_slice(&part[..read.unwrap_or(0)]);
        }
    }
    match manner {
        Manner::Close => {}
        Manner::Reset => stream.set_zero_linger().unwrap(),
        Manner::HalfClose => {
            // The server may have closed first.
            let _ = stream.shutdown().await;
            let rest = timeout(PATIENCE, stream.read_to_end(&mut received)).await;
            // A request that is cut may be answered or not; the connection ends.
            let _ = rest.expect("the connection ends");
        }
    }
    received
}

async fn write_in_pieces(stream: &mut TcpStream, mut bytes: &[u8], dice: &mut Dice) {
    stream.set_nodelay(true).unwrap();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(1 + dice.below(bytes.len()));
        // A server that refuses early may have closed.
        if stream.write_all(piece).await.is_err() {
            return;
        }
        bytes = rest;
        pause(dice, 2_000).await;
    }
}

/// Of at most that many microseconds; often none at all.
async fn pause(dice: &mut Dice, longest: usize) {
    if dice.below(3) > 0 {
        sleep(Duration::from_micros(dice.below(longest) as u64)).await;
    }
}

/// A connection that is kept for many requests, and opened again when the server closes it.
pub(crate) struct Kept {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Kept {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    pub(crate) async fn ask(&mut self, request: Request) -> Response {
        let bytes = request.header("Connection", "keep-alive").to_bytes();
        // One that was idle may have been closed just now.
        if let Some(answer) = self.exchange(&bytes).await {
            return answer;
        }
        self.exchange(&bytes).await.expect("a fresh connection is served")
    }

    async fn exchange(&mut self, bytes: &[u8]) -> Option<Response> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await.unwrap(),
        };
        stream.write_all(bytes).await.ok()?;
        let mut received = Vec::new();
        loop {
            let read = timeout(PATIENCE, stream.read_buf(&mut received)).await;
            if read.expect("it is answered").ok()? == 0 {
                return None;
            }
            // Every answer of these tests has a length or no body: a part of one is no answer yet.
            if let Ok(answer) = Response::parse(&received, false)
                && (answer.status() == 204 || answer.all("Content-Length").next().is_some())
            {
                self.stream = Some(stream);
                return Some(answer);
            }
        }
    }
}
