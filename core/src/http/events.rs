//! `GET /session/events`: server-sent events (the WHATWG's HTML, section 9.2) that tell a client of
//! the end of its session (`docs/http.md`, "Event streams").

use std::{future::Future, pin::Pin, task::Poll, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::{
    sessions::{OpenStream, SessionEnd},
    wire::{Pieces, Reply},
};

/// Something is said at least so often, so that whoever is on the way keeps the connection open, and
/// the server notices that the client is gone.
const BEAT: Duration = Duration::from_secs(15);

/// A comment, which clients pass over.
const COMMENT: &[u8] = b":\n\n";

/// The node shuts down: the client comes back, to another.
const CLOSING: &[u8] = b"event: closing\ndata: {}\n\n";

/// Whether the client wants the stream or only to know what it would get.
pub(super) fn events_answer(stream: Option<OpenStream>) -> Reply {
    let pieces = stream.map_or_else(Pieces::none, pieces);
    Reply::new(200)
        .with_header("X-Accel-Buffering", "no".to_owned())
        .with_pieces("text/event-stream", pieces)
}

fn pieces(mut stream: OpenStream) -> Pieces {
    let mut beat = Box::pin(sleep(Duration::ZERO));
    let mut over = false;
    Pieces::new(move |cx| {
        if over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(end) = Pin::new(&mut stream).poll(cx) {
            over = true;
            return Poll::Ready(Some(last(end)));
        }
        if beat.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        // The first comes at once: what waits for a first byte has it.
        beat.as_mut().reset(Instant::now() + BEAT);
        // Registered for the next.
        let _ = beat.as_mut().poll(cx);
        Poll::Ready(Some(Bytes::from_static(COMMENT)))
    })
}

fn last(end: Option<SessionEnd>) -> Bytes {
    match end {
        Some(end) => {
            let reason = end.as_public_str();
            Bytes::from(format!("event: ended\ndata: {{\"reason\":\"{reason}\"}}\n\n"))
        }
        None => Bytes::from_static(CLOSING),
    }
}
