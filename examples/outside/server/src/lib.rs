//! A server on bare hyper, as a tutorial for whoever adapts a fourth framework: it uses the published
//! API of `logout-all` alone, and all the HTTP cases of `logout-all-conformance` pass over it
//! (`tests/hyper_cases.rs`).
//!
//! What an adapter does is in this file, `presented`, `body` and `response`: it translates. The rest is
//! an application, as the suite asks for one. Its users are in memory with their passwords as they are,
//! which no real application may do.

mod app;
mod users;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::HeaderValue,
    http::{request::Parts, uri::Authority},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use logout_all::{
    Reply,
    http::{BODY_LIMIT, BodyError},
    wire::{Body, Pieces, Presented},
};
use tokio::{net::TcpListener, time::timeout};

pub use app::App;
pub use users::Users;

/// How long a client has for its header, and for its body.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves the application until the future is dropped.
pub async fn serve(listener: TcpListener, app: App) {
    let app = Arc::new(app);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, say: in a moment some are closed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let app = Arc::clone(&app);
        let service = service_fn(move |request: Request<Incoming>| {
            let app = Arc::clone(&app);
            async move {
                let (parts, incoming) = request.into_parts();
                Ok::<_, Infallible>(app.answer(&parts, Box::pin(body(incoming))).await)
            }
        });
        // A connection that breaks is the client's affair.
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

/// The request as the core reads it: every header line, in order, as bytes.
fn presented(parts: &Parts) -> Presented<'_> {
    Presented::new(parts.method.as_str())
        .authority(parts.uri.authority().map(Authority::as_str))
        .query(parts.uri.query())
        .headers(parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// The body, read when it is awaited, and no further than the core's limit.
async fn body(incoming: Incoming) -> Result<Bytes, BodyError> {
    let whole = Limited::new(incoming, BODY_LIMIT).collect();
    match timeout(PATIENCE, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(why)) if why.is::<LengthLimitError>() => Err(BodyError::TooLong),
        Ok(Err(_)) | Err(_) => Err(BodyError::Broken),
    }
}

/// What is answered with: bytes, or pieces as they come.
type Answered = Either<Full<Bytes>, InPieces>;

/// A body that comes piece by piece: each is sent on at once.
struct InPieces(Pieces);

impl hyper::body::Body for InPieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_next(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// The core's answer as it is.
fn response(reply: Reply) -> Response<Answered> {
    let (status, headers, body) = reply.into_parts();
    let mut response = Response::new(match body {
        Body::Full(bytes) => Either::Left(Full::new(bytes)),
        Body::Pieces(pieces) => Either::Right(InPieces(pieces)),
        _ => Either::Left(Full::default()),
    });
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
