//! Rocket's requests into `Presented`, and `Reply`s into its responses.

use std::{
    borrow::Cow,
    io::{self, Cursor},
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use logout_all::{
    http::{BODY_LIMIT, BodyError},
    wire::{Body, Pieces, Presented, Reply},
};
use rocket::{
    Data, Request, Response,
    data::ToByteUnit,
    http::{Header, Status},
    tokio::io::{AsyncRead, ReadBuf},
};

/// The client's address as the application knows it: behind a proxy, from the header that the proxy
/// sets. With `keep_client_address()` it is kept in the device list. Where the application says
/// nothing, the address of the connection is taken; Rocket's `ip_header` is not read, for by default
/// it is one that any client can send.
///
/// ```
/// use logout_all_rocket::ClientAddress;
/// use rocket::fairing::AdHoc;
///
/// let behind_a_proxy = AdHoc::on_request("client address", |request, _| {
///     Box::pin(async move {
///         let told = request.headers().get_one("X-Client-Address");
///         if let Some(address) = told.and_then(|address| address.parse().ok()) {
///             ClientAddress(address).keep(request);
///         }
///     })
/// });
/// # let _ = behind_a_proxy;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Leaves it with the request, in a fairing of the application's own. The first one counts.
    pub fn keep(self, request: &Request<'_>) {
        request.local_cache(|| Some(self));
    }

    fn of(request: &Request<'_>) -> Option<IpAddr> {
        let kept = request.local_cache(|| None::<Self>);
        kept.map(|Self(address)| address).or_else(|| request.remote().map(|remote| remote.ip()))
    }
}

/// The request as the core reads it: every header line, in order. For an application's own calls of
/// the core, such as [`read_json`](logout_all::http::read_json).
pub fn presented<'a>(request: &'a Request<'_>) -> Presented<'a> {
    presented_by(request.method().as_str(), request)
}

/// The same with another method.
pub(crate) fn presented_by<'a>(method: &str, request: &'a Request<'_>) -> Presented<'a> {
    let lines = request.headers().iter().filter_map(|Header { name, value, .. }| match value {
        Cow::Borrowed(value) => Some((name, value)),
        // The map lends its values: there is none of these.
        Cow::Owned(_) => None,
    });
    let presented = Presented::new(method)
        .authority(authority(request))
        .query(request.uri().query().map(|query| query.raw().as_str()))
        .peer(ClientAddress::of(request));
    lines.fold(presented, |presented, (name, value)| {
        presented.header(name.as_str(), value.as_bytes())
    })
}

/// Of HTTP/2, whose requests have no `Host` line: Rocket knows it from `:authority`. Of HTTP/1 it
/// keeps no target, so the core reads `Host`.
fn authority<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    struct Authority(Option<String>);
    if request.headers().contains("Host") {
        return None;
    }
    let Authority(text) =
        request.local_cache(|| Authority(request.host().map(ToString::to_string)));
    text.as_deref()
}

/// Rocket reads as many bytes of every body before it calls anybody (`_method=delete`).
const LOOKED_AT: usize = 14;

/// Reads a body that the core asks for.
///
/// # Errors
/// [`BodyError`]: longer than 4096 bytes, or broken off.
pub async fn read_body(body: Data<'_>) -> Result<Bytes, BodyError> {
    // Where the body breaks off while Rocket looks at it, Rocket forgets that, and what is there
    // seems to be the whole. A body as short as that which is whole has been seen to its end.
    let seen_to_its_end = body.peek_complete();
    let read = body.open(BODY_LIMIT.bytes()).into_bytes().await;
    let read = read.map_err(|_| BodyError::Broken)?;
    if !read.is_complete() {
        return Err(BodyError::TooLong);
    }
    let bytes = read.into_inner();
    if bytes.len() < LOOKED_AT && !seen_to_its_end {
        return Err(BodyError::Broken);
    }
    Ok(bytes.into())
}

/// The reply as a response.
pub(crate) fn response<'r>(reply: Reply) -> Response<'r> {
    let (status, headers, body) = reply.into_parts();
    let mut response = Response::new();
    response.set_status(Status::new(status));
    for (name, value) in headers {
        response.adjoin_raw_header(name, value);
    }
    match body {
        Body::Full(bytes) => response.set_sized_body(bytes.len(), Cursor::new(bytes)),
        Body::Pieces(pieces) => {
            response.set_streamed_body(PiecesReader { pieces, rest: Bytes::new() });
        }
        _ => {}
    }
    response
}

/// A body that comes piece by piece, read as Rocket reads bodies.
struct PiecesReader {
    pieces: Pieces,
    /// Of the last piece, what has not been read.
    rest: Bytes,
}

impl AsyncRead for PiecesReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            let Some(piece) = ready!(self.pieces.poll_next(cx)) else { return Poll::Ready(Ok(())) };
            self.rest = piece;
        }
        let length = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest.split_to(length));
        Poll::Ready(Ok(()))
    }
}
