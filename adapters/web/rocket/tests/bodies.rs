//! Bodies as they come over a connection.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod server;

use logout_all_rocket::{http::BodyError, read_body};
use rocket::{
    Data, Request, State,
    data::{FromData, Outcome},
    post, routes,
};
use server::{Server, config};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};

type Read = Result<Vec<u8>, BodyError>;

struct Body(Read);

#[rocket::async_trait]
impl<'r> FromData<'r> for Body {
    type Error = std::convert::Infallible;

    async fn from_data(_request: &'r Request<'_>, body: Data<'r>) -> Outcome<'r, Self> {
        Outcome::Success(Self(read_body(body).await.map(Vec::from)))
    }
}

#[post("/", data = "<body>")]
fn told(body: Body, tell: &State<mpsc::UnboundedSender<Read>>) {
    tell.send(body.0).unwrap();
}

/// Rocket looks at the first bytes of a body by itself, and forgets that this has failed: the handler
/// runs on, and must not take the rest for the whole.
#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_a_whole_one() {
    let (tell, mut heard) = mpsc::unbounded_channel::<Read>();
    let server =
        Server::start(rocket::custom(config()).manage(tell).mount("/", routes![told])).await;
    let whole = |bytes: &[u8]| Ok(bytes.to_vec());
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(30));
    for (framing, body, wanted) in [
        ("Content-Length: 7", r#"{"a":1}"#, whole(br#"{"a":1}"#)),
        ("Content-Length: 8", r#"{"a":1}"#, Err(BodyError::Broken)),
        ("Content-Length: 100", &long, Err(BodyError::Broken)),
        ("Content-Length: 100", "", Err(BodyError::Broken)),
        ("Content-Length: 0", "", whole(b"")),
        ("A: b", "", whole(b"")),
        ("Transfer-Encoding: chunked", "7\r\n{\"a\":1}\r\n0\r\n\r\n", whole(br#"{"a":1}"#)),
        // As long as what the library may be sent to rename a device.
        (
            "Transfer-Encoding: chunked",
            "d\r\n{\"label\":\"x\"}\r\n0\r\n\r\n",
            whole(br#"{"label":"x"}"#),
        ),
        ("Transfer-Encoding: chunked", "d\r\n{\"label\":\"x\"}\r\nzz\r\n", Err(BodyError::Broken)),
        ("Transfer-Encoding: chunked", "e\r\n{\"label\":\"xx\"}\r\nzz\r\n", Err(BodyError::Broken)),
    ] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let read = tokio::time::timeout(std::time::Duration::from_secs(20), heard.recv());
        assert_eq!(read.await.unwrap().unwrap(), wanted, "{framing}, {body}");
    }
    server.end().await;
}
