//! Connections that are given up in the end.
//!
//! `axum::serve` gives hyper no timer, so a client may send its header a byte an hour and keep a
//! connection for ever (slowloris); a few thousand such connections take all descriptors of the
//! process. Here a request that was begun must be answered, in part at least, within
//! [`ANSWER_LIMIT`], however busily its bytes trickle in; and a connection over which nothing goes
//! out is closed after [`IDLE_LIMIT`]. An open event stream writes a comment every 15 s and lives.
//!
//! What it does not do: count connections, or tell one client from another.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpListener,
    time::{Instant, Sleep, sleep},
};

/// From the first byte of a request (or the opening of the connection) to the first of its answer.
/// Longer than the library's waits together, and than a full queue of passwords.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// From the last byte of an answer to the next request, or to the next byte that the client takes.
const IDLE_LIMIT: Duration = Duration::from_secs(75);

/// A listener whose connections are patient, but not for ever.
#[derive(Debug)]
pub(crate) struct Patient<T>(T);

/// One of them.
#[derive(Debug)]
pub(crate) struct Connection<T> {
    io: T,
    phase: Phase,
    limit: Pin<Box<Sleep>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request has begun, and nothing of its answer has gone out.
    Asked,
    /// All is answered, as far as this layer can see.
    Answered,
}

impl Patient<TcpListener> {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl<L: Listener> Listener for Patient<L> {
    type Io = Connection<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (io, address) = self.0.accept().await;
        (Connection::new(io), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl<T> Connection<T> {
    fn new(io: T) -> Self {
        Self { io, phase: Phase::Asked, limit: Box::pin(sleep(ANSWER_LIMIT)) }
    }

    fn has_read(&mut self) {
        if self.phase == Phase::Answered {
            self.phase = Phase::Asked;
            self.limit.as_mut().reset(Instant::now() + ANSWER_LIMIT);
        }
    }

    fn has_written(&mut self) {
        self.phase = Phase::Answered;
        self.limit.as_mut().reset(Instant::now() + IDLE_LIMIT);
    }

    /// Asked whenever the connection waits, in either direction; wakes the task at the limit.
    fn patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.limit.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Before the bytes: a client that always has one more is not to be waited for either.
        if let Poll::Ready(error) = this.patience(cx) {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            this.has_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.after_write(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl<T> Connection<T> {
    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(_)) => self.has_written(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                if let Poll::Ready(error) = self.patience(cx) {
                    return Poll::Ready(Err(error));
                }
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_that_trickles_in_is_cut_off() {
        let (mut client, server) = duplex(64);
        let mut server = Connection::new(server);
        let begun = Instant::now();
        let trickle = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let mut byte = [0];
        let error = loop {
            match server.read(&mut byte).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), ANSWER_LIMIT.as_secs());
        drop(server);
        trickle.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_writes_now_and_then_lives_and_what_is_idle_does_not() {
        let (mut client, server) = duplex(4096);
        let mut server = Connection::new(server);
        client.write_all(b"GET").await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(server.read(&mut bytes).await.unwrap(), 3);
        // An event stream: nothing comes in any more.
        for _ in 0..40 {
            let waiting = tokio::time::timeout(Duration::from_secs(15), server.read(&mut bytes));
            assert!(waiting.await.is_err());
            server.write_all(b":\n\n").await.unwrap();
        }
        let begun = Instant::now();
        let error = server.read(&mut bytes).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, IDLE_LIMIT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_answer_is_cut_off() {
        let (client, server) = duplex(4);
        let mut server = Connection::new(server);
        let error = server.write_all(b"an answer that is longer than the buffer").await;
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(client);
    }
}
