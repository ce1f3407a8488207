//! The cross-site rule: which unsafe requests may carry a cookie (`docs/http.md`, "Cross-site
//! rule"). With it no CSRF token is needed: browsers say where a request comes from.

use std::fmt;

use super::{CookieName, Presented, Transports};

/// Whether the rule is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossSite {
    /// It is.
    Refused,
    /// The application has a protection of its own.
    DangerAllowed,
}

/// An origin whose requests pass, exactly as browsers send it: `https://app.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// None unless it is a scheme, `://`, a host and perhaps a port, in lower case, without a path
    /// (RFC 6454, section 7).
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\".contains(&byte);
        let well_formed = !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !authority.is_empty()
            && authority.bytes().all(plain)
            && text.bytes().all(|byte| !byte.is_ascii_uppercase());
        well_formed.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose request it is, by what the browser says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provenance {
    /// A trusted or the same origin, or the user's own doing.
    Ours,
    /// Another site, or another origin of the same site.
    Foreign,
    /// The client says nothing: no browser of today.
    Unsaid,
}

/// What the rule compares with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home<'a> {
    pub(crate) trusted: &'a [Origin],
    pub(crate) public_authority: Option<&'a str>,
}

/// Whether an unsafe request or an upgrade is refused, where the cookie transport is on. A request
/// with a Bearer token is never: no other site can make a browser send one.
pub(crate) fn is_refused(
    presented: &Presented<'_>,
    transports: Transports,
    name: &CookieName,
    home: Home<'_>,
) -> bool {
    let may_change = !presented.method().is_safe() || presented.is_upgrade();
    if !may_change || !transports.cookie() || presented.presents_bearer(transports) {
        return false;
    }
    match provenance(presented, home) {
        Provenance::Ours => false,
        Provenance::Foreign => true,
        Provenance::Unsaid => presented.presents_cookie(transports, name),
    }
}

/// Where a request comes from, in this order: the list of trusted origins, `Sec-Fetch-Site` (W3C
/// Fetch Metadata), `Origin` against the request's authority.
pub(crate) fn provenance(presented: &Presented<'_>, home: Home<'_>) -> Provenance {
    let mut origins = presented.origins();
    let origin = origins.next();
    if origins.next().is_some() {
        return Provenance::Foreign;
    }
    let is_trusted = |bytes: &[u8]| home.trusted.iter().any(|known| known.0.as_bytes() == bytes);
    if origin.is_some_and(is_trusted) {
        return Provenance::Ours;
    }
    let mut sites = presented.fetch_sites().peekable();
    if sites.peek().is_some() {
        let ours = sites.all(|site| site == b"same-origin" || site == b"none");
        return if ours { Provenance::Ours } else { Provenance::Foreign };
    }
    let Some(origin) = origin else {
        return Provenance::Unsaid;
    };
    let authority = home.public_authority.or_else(|| presented.request_authority());
    let same = authority.is_some_and(|authority| is_same_host(origin, authority));
    if same { Provenance::Ours } else { Provenance::Foreign }
}

/// Host and port of an `Origin` against an authority; a port that is not named is the default of
/// the origin's scheme, for the server does not know whether TLS ended in front of it.
fn is_same_host(origin: &[u8], authority: &str) -> bool {
    let Some((scheme, named)) = std::str::from_utf8(origin).ok().and_then(|o| o.split_once("://"))
    else {
        return false; // `null` too
    };
    let default_port = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return false,
    };
    let (origin_host, origin_port) = split_port(named);
    let (host, port) = split_port(authority);
    !host.is_empty()
        && origin_host.eq_ignore_ascii_case(host)
        && origin_port.unwrap_or(default_port) == port.unwrap_or(default_port)
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The last colon of `[::1]` is inside the brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &str, lines: &[(&str, &str)]) -> bool {
        let request = Presented::new(method)
            .headers(lines.iter().map(|(name, value)| (*name, value.as_bytes())));
        let trusted = [Origin::parse("https://partner.example").unwrap()];
        let home = Home { trusted: &trusted, public_authority: None };
        is_refused(&request, Transports::Both, &CookieName::host_session(), home)
    }

    const COOKIE: (&str, &str) = ("Cookie", "__Host-session=t");
    const HOST: (&str, &str) = ("Host", "app.example");

    #[test]
    fn unsafe_requests_of_other_sites_are_refused() {
        for (lines, wanted) in [
            (vec![HOST, COOKIE, ("Origin", "https://partner.example")], false),
            (
                vec![
                    HOST,
                    COOKIE,
                    ("Origin", "https://partner.example"),
                    ("Sec-Fetch-Site", "cross-site"),
                ],
                false,
            ),
            (vec![HOST, COOKIE, ("Sec-Fetch-Site", "same-origin")], false),
            (vec![HOST, COOKIE, ("Sec-Fetch-Site", "none")], false),
            (vec![HOST, COOKIE, ("Sec-Fetch-Site", "same-site")], true),
            (vec![HOST, COOKIE, ("Sec-Fetch-Site", "cross-site")], true),
            (vec![HOST, ("Sec-Fetch-Site", "cross-site")], true),
            (vec![HOST, ("Sec-Fetch-Site", "nonsense")], true),
            (
                vec![
                    HOST,
                    COOKIE,
                    ("Sec-Fetch-Site", "same-origin"),
                    ("Sec-Fetch-Site", "cross-site"),
                ],
                true,
            ),
            (vec![HOST, COOKIE, ("Origin", "https://app.example")], false),
            (vec![HOST, COOKIE, ("Origin", "https://APP.example")], false),
            (vec![HOST, COOKIE, ("Origin", "https://app.example:443")], false),
            (vec![HOST, COOKIE, ("Origin", "https://app.example:444")], true),
            (vec![("Host", "app.example:80"), COOKIE, ("Origin", "http://app.example")], false),
            (vec![("Host", "app.example:80"), COOKIE, ("Origin", "https://app.example")], true),
            (vec![("Host", "[::1]:3000"), COOKIE, ("Origin", "http://[::1]:3000")], false),
            (vec![HOST, COOKIE, ("Origin", "https://evil.example")], true),
            (vec![HOST, COOKIE, ("Origin", "null")], true),
            (vec![HOST, COOKIE, ("Origin", "https://app.example.evil")], true),
            (vec![HOST, ("Origin", "null")], true),
            (vec![COOKIE, ("Origin", "https://app.example")], true),
            (vec![HOST, HOST, COOKIE, ("Origin", "https://app.example")], true),
            (
                vec![HOST, ("Origin", "https://app.example"), ("Origin", "https://app.example")],
                true,
            ),
            (vec![HOST, COOKIE], true),
            (vec![HOST], false),
            (vec![HOST, ("Authorization", "Bearer t"), ("Sec-Fetch-Site", "cross-site")], false),
        ] {
            assert_eq!(refused("POST", &lines), wanted, "{lines:?}");
        }
    }

    #[test]
    fn safe_requests_pass_and_upgrades_do_not() {
        let cross = [HOST, COOKIE, ("Sec-Fetch-Site", "cross-site")];
        assert!(!refused("GET", &cross));
        let upgrade = [HOST, COOKIE, ("Sec-Fetch-Site", "cross-site"), ("Upgrade", "websocket")];
        assert!(refused("GET", &upgrade));
        assert!(refused("PURGE", &cross));
    }

    #[test]
    fn origins_are_parsed_as_browsers_send_them() {
        assert!(Origin::parse("https://a.example:8443").is_some());
        for bad in ["", "a.example", "https://", "https://a/", "https://A.example", "null"] {
            assert!(Origin::parse(bad).is_none(), "{bad:?}");
        }
    }
}
