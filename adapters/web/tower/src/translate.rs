//! Requests of `http` into `Presented`, and `Reply`s into responses.

use std::{error::Error, net::IpAddr};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use logout_all::{
    http::{BODY_LIMIT, BodyError},
    wire::{Body, Presented, Reply},
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

/// The reply as a response.
pub fn response<B: From<Bytes>>(reply: Reply) -> Response<B> {
    let (status, headers, body) = reply.into_parts();
    let bytes = match body {
        Body::Full(bytes) => bytes,
        _ => Bytes::new(),
    };
    let mut response = Response::new(B::from(bytes));
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
