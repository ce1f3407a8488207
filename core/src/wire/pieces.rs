//! A body that comes piece by piece while the connection stays open.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;

type Source = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Bytes>> + Send>;

/// A body without a known length: each piece is to be sent on as it comes, also through what
/// compresses or buffers. Clones share the pieces: whoever asks first gets the next. Where it is
/// dropped before its end, the connection counts as closed.
#[derive(Clone)]
pub struct Pieces(Arc<Mutex<Option<Source>>>);

impl Pieces {
    /// Pieces from there, until it gives none.
    pub(crate) fn new(
        next: impl FnMut(&mut Context<'_>) -> Poll<Option<Bytes>> + Send + 'static,
    ) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(next)))))
    }

    /// None: for HEAD.
    pub(crate) fn none() -> Self {
        Self(Arc::default())
    }

    /// The next piece, as a stream or a body of a framework asks for it; none at the end, and ever
    /// after.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = match source.as_mut() {
            Some(next) => next(cx),
            None => Poll::Ready(None),
        };
        if matches!(piece, Poll::Ready(None)) {
            *source = None;
        }
        piece
    }
}

impl PartialEq for Pieces {
    /// Whether they are the same.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Pieces {}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn clones_share_the_pieces_and_the_end_stays_the_end() {
        let mut left = 2;
        let pieces = Pieces::new(move |_| {
            left -= 1;
            Poll::Ready((left > 0).then(|| Bytes::from_static(b"piece")))
        });
        let (other, mut cx) = (pieces.clone(), Context::from_waker(Waker::noop()));
        assert_eq!(pieces.poll_next(&mut cx), Poll::Ready(Some(Bytes::from_static(b"piece"))));
        assert_eq!(other.poll_next(&mut cx), Poll::Ready(None));
        // The source would count below zero.
        assert_eq!(pieces.poll_next(&mut cx), Poll::Ready(None));
        assert_eq!(Pieces::none().poll_next(&mut cx), Poll::Ready(None));
        assert!(pieces == other && pieces != Pieces::none());
    }
}
