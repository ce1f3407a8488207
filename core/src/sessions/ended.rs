//! Waiting for the end of a session, for whatever stays open: a WebSocket, a long answer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::Verified;
use crate::{
    live::{Kind, Place, Told, TooMany},
    scheme::EndReason,
};

/// How a session came to its end, as far as an open connection learns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// It was ended, on whatever node and by whatever means, for this reason.
    Ended(EndReason),
    /// Nothing happened for too long, or its time was over.
    Expired,
    /// The store has not answered for 15 s, or the node was shut down: the session may be alive.
    /// Close all the same; the client comes back and is verified.
    Unknown,
}

impl SessionEnd {
    /// The reason as a client may learn it (`docs/http.md`, "Event streams"): who copied a token must
    /// not learn from it what was noticed, so that reuse, a lock and what operators do are all
    /// `ended`.
    pub fn as_public_str(self) -> &'static str {
        match self {
            Self::Ended(
                reason @ (EndReason::Logout
                | EndReason::Others
                | EndReason::Everywhere
                | EndReason::Password
                | EndReason::Replaced
                | EndReason::Evicted),
            ) => reason.as_str(),
            Self::Ended(_) => "ended",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

/// Completes once, when the session ends. It borrows nothing, needs no task of its own, and may be
/// dropped at any time.
#[must_use = "a future does nothing unless it is awaited"]
pub struct UntilEnded(Result<Place, SessionEnd>);

/// The same for an event stream of the library's own, which also learns that the node shuts down.
pub(crate) struct OpenStream(Place);

impl Verified {
    /// Waits until this session ends, for whatever reason: logout by any route and on any node,
    /// eviction, reuse, a lock, expiry. For connections that stay open, which nothing verifies any
    /// more; it asks the store nothing while it waits. (Of what was ended by hand and written into no
    /// journal it learns when the session would have expired, or by
    /// [`Sessions::settled`](crate::Sessions::settled).)
    ///
    /// On the node of the logout it completes before the logout returns (of `logout_everyone` a moment
    /// later), on others within half a second as a rule. When the store does not answer, it completes
    /// as [`SessionEnd::Unknown`] after 15 s. It does not keep the session alive: waiting is no
    /// activity.
    ///
    /// ```
    /// # async fn example(session: logout_all::Verified, mut next: impl AsyncFnMut() -> Option<String>) {
    /// let mut ended = session.ended();
    /// loop {
    ///     tokio::select! {
    ///         end = &mut ended => {
    ///             println!("closing: {}", end.as_public_str());
    ///             break;
    ///         }
    ///         message = next() => match message {
    ///             Some(message) => println!("{message}"),
    ///             None => break,
    ///         },
    ///     }
    /// }
    /// # }
    /// ```
    pub fn ended(&self) -> UntilEnded {
        // Only event streams are counted.
        UntilEnded(self.join(Kind::Own).map_err(|TooMany| SessionEnd::Unknown))
    }

    /// A place among the event streams.
    pub(crate) fn stream(&self) -> Result<OpenStream, TooMany> {
        self.join(Kind::Stream).map(OpenStream)
    }

    fn join(&self, kind: Kind) -> Result<Place, TooMany> {
        self.sessions().connections().join(self.user_id(), self.guid(), self.read_at(), kind)
    }
}

impl Future for UntilEnded {
    type Output = SessionEnd;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        let end = match &mut self.0 {
            Ok(place) => match Pin::new(place).poll(cx) {
                Poll::Ready(told) => end_of(told),
                Poll::Pending => return Poll::Pending,
            },
            Err(end) => *end,
        };
        // Asked again, it says the same.
        self.0 = Err(end);
        Poll::Ready(end)
    }
}

impl Future for OpenStream {
    type Output = Option<SessionEnd>;

    /// None: the node shuts down.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SessionEnd>> {
        Pin::new(&mut self.0).poll(cx).map(|told| (told != Told::Closing).then(|| end_of(told)))
    }
}

fn end_of(told: Told) -> SessionEnd {
    match told {
        Told::Ended(reason) => SessionEnd::Ended(reason),
        Told::Expired => SessionEnd::Expired,
        Told::Unknown | Told::Closing => SessionEnd::Unknown,
    }
}

impl fmt::Debug for UntilEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UntilEnded").field(&self.0.as_ref().err()).finish()
    }
}
