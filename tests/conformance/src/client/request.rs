//! A request as bytes.

use std::fmt;

/// A request: a method, a target, header lines in order and a body. `Host` and `Connection: close`
/// are added unless they are there.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    /// With its true `Content-Length`.
    Sized(Vec<u8>),
    /// In pieces, without a length (RFC 9112, section 7.1).
    Chunked(Vec<Vec<u8>>),
    /// As they are, without a header that frames them.
    Unframed(Vec<u8>),
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, headers: Vec::new(), body: Body::None }
    }

    /// One more header line; the value may be any bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// A body with its length, and no `Content-Type`.
    #[must_use]
    pub fn body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.body = Body::Sized(bytes.as_ref().to_vec());
        self
    }

    /// A JSON body with its type and length.
    #[must_use]
    pub fn json(self, text: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/json").body(text)
    }

    /// A body in chunks of that many bytes.
    #[must_use]
    pub fn chunked(mut self, bytes: &[u8], chunk: usize) -> Self {
        self.body = Body::Chunked(bytes.chunks(chunk.max(1)).map(<[u8]>::to_vec).collect());
        self
    }

    /// Bytes after the headers, framed by what headers the test itself has set.
    #[must_use]
    pub fn unframed(mut self, bytes: &[u8]) -> Self {
        self.body = Body::Unframed(bytes.to_vec());
        self
    }

    /// The same request with another method.
    #[must_use]
    pub fn with_method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// The same request for another target.
    #[must_use]
    pub fn with_target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// The request target.
    pub fn target(&self) -> &str {
        &self.target
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The request as it is sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        };
        if !self.has("Host") {
            line("Host", super::AUTHORITY.as_bytes());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        if !self.has("Connection") {
            line("Connection", b"close");
        }
        match &self.body {
            Body::Sized(bytes) => line("Content-Length", bytes.len().to_string().as_bytes()),
            Body::Chunked(_) => line("Transfer-Encoding", b"chunked"),
            Body::None | Body::Unframed(_) => {}
        }
        out.extend_from_slice(b"\r\n");
        match &self.body {
            Body::None => {}
            Body::Sized(bytes) | Body::Unframed(bytes) => out.extend_from_slice(bytes),
            Body::Chunked(chunks) => {
                for chunk in chunks {
                    out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    out.extend_from_slice(chunk);
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(b"0\r\n\r\n");
            }
        }
        out
    }
}

impl fmt::Display for Request {
    /// The request as it is sent, cut where it is long: for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)?;
        for (name, value) in &self.headers {
            write!(f, "\n    {name}: {}", cut(value))?;
        }
        match &self.body {
            Body::None => Ok(()),
            Body::Sized(bytes) => write!(f, "\n    ({} bytes) {}", bytes.len(), cut(bytes)),
            Body::Unframed(bytes) => write!(f, "\n    (unframed) {}", cut(bytes)),
            Body::Chunked(chunks) => {
                let bytes = chunks.concat();
                write!(f, "\n    (chunked, {} bytes) {}", bytes.len(), cut(&bytes))
            }
        }
    }
}

fn cut(bytes: &[u8]) -> String {
    let text: String = bytes.escape_ascii().to_string().chars().take(200).collect();
    if text.len() < bytes.len() { format!("{text}…") } else { text }
}
