//! Requests of `http` into `Presented`, and `Reply`s into responses.

use std::{
    convert::Infallible,
    error::Error,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, request::Parts};
use http_body::Frame;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use logout_all::{
    http::{BODY_LIMIT, BodyError},
    wire::{Body, Pieces, Presented, Reply},
};

/// The client's address as the application knows it: put it into the request's extensions (behind
/// a proxy, from the header that the proxy sets), and with `keep_client_address()` it is kept in
/// the device list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The request as the core reads it: every header line, in order.
pub fn presented(parts: &Parts) -> Presented<'_> {
    Presented::new(parts.method.as_str())
        .authority(parts.uri.authority().map(http::uri::Authority::as_str))
        .query(parts.uri.query())
        .peer(parts.extensions.get::<ClientAddress>().map(|address| address.0))
        .headers(parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// The body of a reply that comes piece by piece, such as the event stream.
#[derive(Clone, Debug)]
pub struct PiecesBody(Pieces);

impl http_body::Body for PiecesBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_next(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// The reply of a guard or a handler as a response. What comes piece by piece, which only the
/// library's own routes answer with, is left out: see [`any_response`].
pub fn response<B: From<Bytes>>(reply: Reply) -> Response<B> {
    any_response(reply, B::from, |_| B::from(Bytes::new()))
}

/// Every reply as a response, with a body made of the whole bytes or of the pieces.
pub fn any_response<B>(
    reply: Reply,
    whole: impl FnOnce(Bytes) -> B,
    pieces: impl FnOnce(PiecesBody) -> B,
) -> Response<B> {
    let (status, headers, body) = reply.into_parts();
    let mut response = Response::new(match body {
        Body::Full(bytes) => whole(bytes),
        Body::Pieces(piecewise) => pieces(PiecesBody(piecewise)),
        _ => whole(Bytes::new()),
    });
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        // The core writes no control characters into a value.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(name, unlogged(name, value));
        }
    }
    response
}

/// Layers that log headers leave the values out that are marked so: a cookie is a token.
pub(crate) fn unlogged(name: &str, mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(name.eq_ignore_ascii_case("set-cookie"));
    value
}

/// Reads a body that the core asks for.
///
/// # Errors
/// [`BodyError`]: longer than 4096 bytes, or broken off.
pub async fn read_body<B>(body: B) -> Result<Bytes, BodyError>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLong),
        Err(_) => Err(BodyError::Broken),
    }
}
