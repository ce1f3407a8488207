//! A request as the core reads it: *all* values of each header that matters, in order, as bytes.
//! No adapter picks one, because whoever picks the first `Authorization` header cannot refuse the
//! second.

use std::net::IpAddr;

use super::{CookieName, Transport, Transports, cookie};

/// The parts of a request that the library reads. Borrowed from the framework's request.
///
/// ```
/// use logout_all::wire::Presented;
/// let request = Presented::new("GET").header("Authorization", b"Bearer abc").query(Some("a=1"));
/// ```
#[derive(Clone)]
pub struct Presented<'r> {
    method: Method,
    target_authority: Option<&'r str>,
    query: Option<&'r str>,
    peer: Option<IpAddr>,
    headers: Vec<(Header, &'r [u8])>,
}

/// The request method, as far as it matters here (RFC 9110, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS or TRACE, which are safe too.
    OtherSafe,
    /// Any other, unsafe until proven otherwise.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Authorization,
    ContentLength,
    ContentType,
    Cookie,
    Host,
    Origin,
    SecFetchSite,
    Upgrade,
    UserAgent,
}

/// The names that are read; everything else of a request is not ours.
const HEADERS: [(&str, Header); 9] = [
    ("authorization", Header::Authorization),
    ("content-length", Header::ContentLength),
    ("content-type", Header::ContentType),
    ("cookie", Header::Cookie),
    ("host", Header::Host),
    ("origin", Header::Origin),
    ("sec-fetch-site", Header::SecFetchSite),
    ("upgrade", Header::Upgrade),
    ("user-agent", Header::UserAgent),
];

/// What a request presents under the rules of `docs/http.md`, "Presenting the token".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presentation<'r> {
    /// Nothing.
    Absent,
    /// One token over one transport.
    Token(RawToken<'r>),
    /// `request-malformed`: no client of ours presents it so.
    Malformed,
}

/// The bytes of a token as they came, unchecked. Its `Debug` is redacted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawToken<'r> {
    /// How it came.
    pub transport: Transport,
    bytes: &'r [u8],
}

impl<'r> RawToken<'r> {
    /// The one way to the bytes.
    pub fn expose(&self) -> &'r [u8] {
        self.bytes
    }
}

impl std::fmt::Debug for RawToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawToken({:?}, {} bytes)", self.transport, self.bytes.len())
    }
}

impl std::fmt::Debug for Presented<'_> {
    /// Names alone: the values of `Authorization` and `Cookie` are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(header, _)| header).collect();
        f.debug_struct("Presented")
            .field("method", &self.method)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

impl Method {
    /// Reads a method name; methods are case-sensitive (RFC 9110, section 9.1).
    pub fn parse(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" | "TRACE" => Self::OtherSafe,
            _ => Self::Other,
        }
    }

    /// Safe in the sense of RFC 9110, section 9.2.1.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::OtherSafe)
    }
}

impl<'r> Presented<'r> {
    /// A request with that method and nothing else yet.
    pub fn new(method: &str) -> Self {
        Self {
            method: Method::parse(method),
            target_authority: None,
            query: None,
            peer: None,
            headers: Vec::with_capacity(8),
        }
    }

    /// The authority of the request target (HTTP/2's `:authority`, or an absolute-form target),
    /// which wins over `Host`.
    pub fn authority(mut self, authority: Option<&'r str>) -> Self {
        self.target_authority = authority;
        self
    }

    /// The query string without its question mark.
    pub fn query(mut self, query: Option<&'r str>) -> Self {
        self.query = query;
        self
    }

    /// The client's address, as the application wants it to be kept.
    pub fn peer(mut self, peer: Option<IpAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// One header line. Call it for every line of the request in order; names that do not matter
    /// are passed over.
    pub fn header(mut self, name: &str, value: &'r [u8]) -> Self {
        if let Some((_, header)) =
            HEADERS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))
        {
            self.headers.push((*header, value));
        }
        self
    }

    /// All header lines in order.
    pub fn headers(self, lines: impl IntoIterator<Item = (&'r str, &'r [u8])>) -> Self {
        lines.into_iter().fold(self, |presented, (name, value)| presented.header(name, value))
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Whether the request asks for another protocol (a WebSocket, say).
    pub fn is_upgrade(&self) -> bool {
        self.all(Header::Upgrade).next().is_some()
    }

    /// Whether the query is absent or empty; a parameter that nobody knows changes nothing.
    pub fn has_query(&self) -> bool {
        self.query.is_some_and(|query| !query.is_empty())
    }

    /// The client's address, if the adapter gave one.
    pub fn peer_address(&self) -> Option<IpAddr> {
        self.peer
    }

    /// What the client says it is.
    pub fn user_agent(&self) -> Option<&'r [u8]> {
        self.all(Header::UserAgent).next()
    }

    /// The media type of the body in lower case, without parameters; none if absent, given twice
    /// or not text.
    pub fn media_type(&self) -> Option<String> {
        let value = self.only(Header::ContentType)?;
        let text = std::str::from_utf8(value).ok()?;
        let media_type = text.split(';').next().unwrap_or_default();
        Some(media_type.trim().to_ascii_lowercase())
    }

    /// Whether any `Content-Type` says that the body is an HTML form: what other sites can send
    /// without asking, and what frameworks read method overrides from.
    pub fn has_form_body(&self) -> bool {
        let is_form = |value: &[u8]| {
            let text = String::from_utf8_lossy(value).to_ascii_lowercase();
            let media_type = text.split(';').next().unwrap_or_default().trim().to_owned();
            media_type == "application/x-www-form-urlencoded" || media_type == "multipart/form-data"
        };
        self.all(Header::ContentType).any(is_form)
    }

    /// What `Content-Length` announces, if it is one number.
    pub fn content_length(&self) -> Option<u64> {
        std::str::from_utf8(self.only(Header::ContentLength)?).ok()?.trim().parse().ok()
    }

    /// The authority that the request is for; none if it is absent or ambiguous.
    pub(super) fn request_authority(&self) -> Option<&'r str> {
        match self.target_authority {
            Some(authority) => Some(authority),
            None => std::str::from_utf8(self.only(Header::Host)?).ok(),
        }
    }

    /// `Origin`, all values.
    pub(super) fn origins(&self) -> impl Iterator<Item = &'r [u8]> {
        self.all(Header::Origin)
    }

    /// `Sec-Fetch-Site`, all values.
    pub(super) fn fetch_sites(&self) -> impl Iterator<Item = &'r [u8]> {
        self.all(Header::SecFetchSite)
    }

    /// Whether a Bearer token is presented, well-formed or not.
    pub(crate) fn presents_bearer(&self, transports: Transports) -> bool {
        let is_bearer = |value| !matches!(credentials(value), Credentials::OtherScheme);
        transports.bearer() && self.all(Header::Authorization).any(is_bearer)
    }

    /// Whether the session cookie is presented.
    pub(crate) fn presents_cookie(&self, transports: Transports, name: &CookieName) -> bool {
        transports.cookie() && self.cookies(name).next().is_some()
    }

    /// The one token of the request. A transport that is off is not read, not counted, and
    /// switches no rule off.
    pub fn token(&self, transports: Transports, name: &CookieName) -> Presentation<'r> {
        let mut found = Presentation::Absent;
        if transports.bearer() {
            let lines = self.all(Header::Authorization).count();
            for value in self.all(Header::Authorization) {
                match credentials(value) {
                    Credentials::OtherScheme => {}
                    Credentials::Bearer(token) if lines == 1 => found = Presentation::Token(token),
                    // Malformed, or one of two headers of which this is Bearer.
                    Credentials::Bearer(_) | Credentials::MalformedBearer => {
                        return Presentation::Malformed;
                    }
                }
            }
        }
        if transports.cookie() {
            for token in self.cookies(name) {
                if found != Presentation::Absent {
                    return Presentation::Malformed;
                }
                found = Presentation::Token(token);
            }
        }
        found
    }

    /// Every token of the request, however odd the presentation: what a sign-out ends, and what a
    /// login replaces.
    pub fn every_token(&self, transports: Transports, name: &CookieName) -> Vec<RawToken<'r>> {
        let bearers = self.all(Header::Authorization).filter(|_| transports.bearer());
        let bearers = bearers.filter_map(|value| match credentials(value) {
            Credentials::Bearer(token) => Some(token),
            Credentials::OtherScheme | Credentials::MalformedBearer => None,
        });
        let cookies = self.cookies(name).filter(|_| transports.cookie());
        // Bounded by what the server accepts as headers. Cutting the list here would let junk in
        // front of the real token keep it from being signed out.
        bearers.chain(cookies).collect()
    }

    fn cookies<'a>(&'a self, name: &'a CookieName) -> impl Iterator<Item = RawToken<'r>> + 'a {
        // Several `Cookie` lines are one list (RFC 9113, section 8.2.3).
        self.all(Header::Cookie)
            .flat_map(|line| cookie::values(line, name))
            .map(|bytes| RawToken { transport: Transport::Cookie, bytes })
    }

    fn all(&self, wanted: Header) -> impl Iterator<Item = &'r [u8]> {
        let of_that_name = move |(header, _): &&(Header, &'r [u8])| *header == wanted;
        self.headers.iter().filter(of_that_name).map(|(_, value)| *value)
    }

    fn only(&self, wanted: Header) -> Option<&'r [u8]> {
        let mut values = self.all(wanted);
        values.next().filter(|_| values.next().is_none())
    }
}

/// What one `Authorization` value is.
#[derive(Clone, Copy)]
enum Credentials<'r> {
    /// Of another scheme: no presentation.
    OtherScheme,
    Bearer(RawToken<'r>),
    MalformedBearer,
}

/// RFC 6750, section 2.1: `"Bearer" 1*SP b64token`.
fn credentials(value: &[u8]) -> Credentials<'_> {
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = value.iter().position(|byte| !is_scheme(byte)).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Credentials::OtherScheme;
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = &rest[spaces..];
    let body = token.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let is_b64token = |byte: &u8| B64TOKEN[usize::from(*byte)];
    let well_formed = spaces > 0 && body > 0 && token[..body].iter().all(is_b64token);
    if well_formed {
        Credentials::Bearer(RawToken { transport: Transport::Bearer, bytes: token })
    } else {
        Credentials::MalformedBearer
    }
}

/// The characters of a `b64token` before its padding (RFC 6750, section 2.1), by their code: each
/// request brings some hundred, and a table answers a quarter sooner than comparisons do.
const B64TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte: u8 = 0;
    // All of them are ASCII.
    while byte < 128 {
        table[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> CookieName {
        CookieName::host_session()
    }

    fn request<'r>(lines: &[(&'r str, &'r str)]) -> Presented<'r> {
        Presented::new("GET").headers(lines.iter().map(|(name, value)| (*name, value.as_bytes())))
    }

    fn found(lines: &[(&str, &str)], transports: Transports) -> String {
        match request(lines).token(transports, &name()) {
            Presentation::Absent => "absent".to_owned(),
            Presentation::Malformed => "malformed".to_owned(),
            Presentation::Token(token) => {
                let text = String::from_utf8_lossy(token.expose()).into_owned();
                format!("{:?} {text}", token.transport)
            }
        }
    }

    #[test]
    fn one_token_over_one_transport() {
        const COOKIE: &str = "__Host-session=tok";
        let both = Transports::Both;
        for (lines, wanted) in [
            (vec![], "absent"),
            (vec![("Authorization", "Bearer tok")], "Bearer tok"),
            (vec![("authorization", "bEaReR   tok==")], "Bearer tok=="),
            (vec![("Authorization", "Basic dXNlcg==")], "absent"),
            (vec![("Authorization", "Bearertok")], "absent"),
            (vec![("Authorization", "Bearer")], "malformed"),
            (vec![("Authorization", "Bearer ")], "malformed"),
            (vec![("Authorization", "Bearer\ttok")], "malformed"),
            (vec![("Authorization", "Bearer a b")], "malformed"),
            (vec![("Authorization", "Bearer a,b")], "malformed"),
            (vec![("Authorization", "Bearer =")], "malformed"),
            (vec![("Authorization", "Bearer t\u{f6}k")], "malformed"),
            (vec![("Authorization", "Bearer a"), ("Authorization", "Bearer a")], "malformed"),
            (vec![("Authorization", "Bearer a"), ("Authorization", "Basic b")], "malformed"),
            (vec![("Authorization", "Basic b"), ("Authorization", "Bearer a")], "malformed"),
            (vec![("Authorization", "Basic a"), ("Authorization", "Basic b")], "absent"),
            (vec![("Cookie", COOKIE)], "Cookie tok"),
            (vec![("Cookie", "a=b; __Host-session=tok; c=d")], "Cookie tok"),
            (vec![("Cookie", "a=b"), ("Cookie", COOKIE)], "Cookie tok"),
            (vec![("Cookie", "__Host-session=a; __Host-session=a")], "malformed"),
            (vec![("Cookie", COOKIE), ("Cookie", COOKIE)], "malformed"),
            (vec![("Cookie", COOKIE), ("Authorization", "Bearer tok")], "malformed"),
            (vec![("Cookie", COOKIE), ("Authorization", "Basic tok")], "Cookie tok"),
            (vec![("Cookie", "__host-session=tok")], "absent"),
            (vec![("Cookie", "__Host-session2=tok")], "absent"),
        ] {
            assert_eq!(found(&lines, both), wanted, "{lines:?}");
        }
    }

    #[test]
    fn a_transport_that_is_off_is_not_read() {
        let lines = [("Cookie", "__Host-session=tok"), ("Authorization", "Bearer tok2")];
        assert_eq!(found(&lines, Transports::Bearer), "Bearer tok2");
        assert_eq!(found(&lines, Transports::Cookie), "Cookie tok");
        assert!(!request(&lines).presents_bearer(Transports::Cookie));
        assert!(!request(&lines).presents_cookie(Transports::Bearer, &name()));
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = RawToken { transport: Transport::Bearer, bytes: b"secret" };
        assert!(!format!("{token:?}").contains("secret"));
        let request = request(&[("Authorization", "Bearer secret"), ("Cookie", "a=secret")]);
        let shown = format!("{request:?}");
        assert!(shown.contains("Authorization"), "{shown}");
        // Neither as text nor as the numbers of its bytes.
        assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
    }

    #[test]
    fn forms_are_seen_in_any_dress() {
        for form in ["application/x-www-form-urlencoded", "Multipart/Form-Data; boundary=x"] {
            assert!(request(&[("Content-Type", form)]).has_form_body(), "{form}");
        }
        assert!(!request(&[("Content-Type", "application/json")]).has_form_body());
    }
}
