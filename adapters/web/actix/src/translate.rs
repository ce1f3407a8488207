//! Requests of Actix into `Presented`, and `Reply`s into responses.

use std::{
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    http::{StatusCode, header::HeaderValue},
    web,
};
use logout_all::{
    http::{BODY_LIMIT, BodyError},
    wire::{Body, Pieces, Presented, Reply},
};

/// The client's address as the application knows it: put it into the request's extensions (behind
/// a proxy, from the header that the proxy sets). Default: that of the connection. With
/// `keep_client_address()` it is kept in the device list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The request as the core reads it: every header line, those of one name in order.
pub fn presented(request: &HttpRequest) -> Presented<'_> {
    let uri = request.uri();
    let lines = request.headers().iter();
    Presented::new(request.method().as_str())
        .authority(uri.authority().map(actix_web::http::uri::Authority::as_str))
        .query(uri.query())
        .peer(client_address(request))
        .headers(lines.map(|(name, value)| (name.as_str(), value.as_bytes())))
}

fn client_address(request: &HttpRequest) -> Option<IpAddr> {
    let given = request.extensions().get::<ClientAddress>().map(|address| address.0);
    given.or_else(|| Some(request.peer_addr()?.ip()))
}

/// The reply as a response.
pub(crate) fn response(reply: Reply) -> HttpResponse {
    let (status, headers, body) = reply.into_parts();
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or_default());
    for (name, value) in headers {
        // The core writes no control characters into a value.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.append_header((name, unlogged(name, value)));
        }
    }
    match body {
        Body::Full(bytes) => response.body(bytes),
        Body::Pieces(pieces) => response.body(PiecesBody(pieces)),
        _ => response.finish(),
    }
}

/// A body that comes piece by piece.
struct PiecesBody(Pieces);

impl MessageBody for PiecesBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<web::Bytes, Infallible>>> {
        self.0.poll_next(cx).map(|piece| piece.map(Ok))
    }
}

/// Middleware that logs headers leaves the values out that are marked so: a cookie is a token.
pub(crate) fn unlogged(name: &str, mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(name.eq_ignore_ascii_case("set-cookie"));
    value
}

/// Reads a body as the core asks for it, for JSON bodies of the application's own under the same
/// rules: `read_json(&presented(&request), read_body(payload))`.
///
/// # Errors
/// [`BodyError`]: longer than 4096 bytes, or broken off.
pub async fn read_body(payload: web::Payload) -> Result<web::Bytes, BodyError> {
    match payload.to_bytes_limited(BODY_LIMIT).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(BodyError::Broken),
        Err(_) => Err(BodyError::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_address_is_the_connections_unless_the_application_knows_better() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let request = TestRequest::default().to_http_request();
        assert_eq!(presented(&request).peer_address(), None);
        let connected = TestRequest::default().peer_addr("192.0.2.1:9".parse().unwrap());
        let request = connected.to_http_request();
        assert_eq!(presented(&request).peer_address(), Some(address("192.0.2.1")));
        request.extensions_mut().insert(ClientAddress(address("2001:db8::7")));
        assert_eq!(presented(&request).peer_address(), Some(address("2001:db8::7")));
    }
}
