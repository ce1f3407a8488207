//! An answer as text and bytes, for an adapter to translate.

use bytes::Bytes;
use serde::Serialize;

use super::Pieces;

/// A whole HTTP answer. Adapters send it as it is.
///
/// Its `Debug` leaves the body and the values of headers out: a token answer has a secret in both.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

/// The body of a reply.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// None.
    Empty,
    /// These bytes, of the `Content-Type` among the headers.
    Full(Bytes),
    /// These, as they come, of the `Content-Type` among the headers and without a length.
    Pieces(Pieces),
}

impl Reply {
    /// An empty answer of the application's own, for `on_denied`: with `Cache-Control: no-store`
    /// and `Vary: Authorization, Cookie`, like all that depends on who asks.
    pub fn new(status: u16) -> Self {
        let headers = vec![
            ("Cache-Control", "no-store".to_owned()),
            ("Vary", "Authorization, Cookie".to_owned()),
        ];
        Self { status, headers, body: Body::Empty }
    }

    /// 303 See Other to a path of this application, such as `/login`. Control characters are
    /// removed, so that the path cannot add header lines.
    pub fn see_other(location: &str) -> Self {
        let location = location.chars().filter(char::is_ascii_graphic).collect();
        Self::new(303).with_header("Location", location)
    }

    /// A page of the application's own.
    pub fn html(status: u16, page: impl Into<String>) -> Self {
        Self::new(status).with_body("text/html; charset=utf-8", page.into())
    }

    pub(crate) fn json(status: u16, value: &impl Serialize) -> Self {
        Self::new(status).with_body("application/json", to_json(value))
    }

    pub(crate) fn with_body(mut self, content_type: &'static str, body: String) -> Self {
        self.headers.push(("Content-Type", content_type.to_owned()));
        self.body = Body::Full(Bytes::from(body));
        self
    }

    pub(crate) fn with_pieces(mut self, content_type: &'static str, pieces: Pieces) -> Self {
        self.headers.push(("Content-Type", content_type.to_owned()));
        self.body = Body::Pieces(pieces);
        self
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Replaces every header of that name.
    pub(crate) fn replace_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.with_header(name, value)
    }

    pub(crate) fn without_header(mut self, name: &'static str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers in order; names are valid and values have no control characters.
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The parts, for an adapter that takes the reply apart.
    pub fn into_parts(self) -> (u16, Vec<(&'static str, String)>, Body) {
        (self.status, self.headers, self.body)
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Pieces(_) => f.write_str("Pieces"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
        }
    }
}

/// The answers of this crate are structs of strings and numbers, which always serialise.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}
