//! The session cookie (RFC 6265bis): its name, its attributes, and the one place that writes it.

use std::{fmt, time::Duration};

/// The name of the session cookie, and with it whether it is bound to TLS.
///
/// The default, `__Host-session`, is accepted by browsers only with `Secure`, `Path=/` and no
/// `Domain`, so no other host, and no page without TLS, can set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName {
    name: String,
    binding: Binding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binding {
    Tls,
    PlainHttp,
}

impl CookieName {
    /// `__Host-session`.
    pub fn host_session() -> Self {
        Self { name: "__Host-session".to_owned(), binding: Binding::Tls }
    }

    /// `__Host-` and a name of the application's own, for two applications on one host.
    /// None unless it is 1 to 64 letters, digits, `-`, `_` or `.`.
    pub fn host_prefixed(name: &str) -> Option<Self> {
        is_name(name).then(|| Self { name: format!("__Host-{name}"), binding: Binding::Tls })
    }

    /// A cookie without prefix and without `Secure`, for development without TLS. None unless the
    /// name is 1 to 64 letters, digits, `-`, `_` or `.`, and begins with neither `__Host-` nor
    /// `__Secure-`, which browsers keep for `Secure` ones.
    pub fn danger_plain_http(name: &str) -> Option<Self> {
        // Browsers drop a prefixed cookie that is not `Secure`.
        let lower = name.to_ascii_lowercase();
        let prefixed = lower.starts_with("__host-") || lower.starts_with("__secure-");
        (is_name(name) && !prefixed)
            .then(|| Self { name: name.to_owned(), binding: Binding::PlainHttp })
    }

    /// The name as it is on the wire.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The value of `Set-Cookie` that stores a token; without `max_age` it ends with the browser.
    pub(crate) fn set(&self, token: &str, max_age: Option<Duration>) -> String {
        let age = max_age.map(|age| format!("; Max-Age={}", age.as_secs())).unwrap_or_default();
        format!("{}={token}{}{age}", self.name, self.attributes())
    }

    /// The value of `Set-Cookie` that removes it: the same attributes, or some browsers keep it.
    pub(crate) fn clear(&self) -> String {
        format!("{}={}; Max-Age=0", self.name, self.attributes())
    }

    fn attributes(&self) -> &'static str {
        match self.binding {
            Binding::Tls => "; Path=/; Secure; HttpOnly; SameSite=Lax",
            Binding::PlainHttp => "; Path=/; HttpOnly; SameSite=Lax",
        }
    }
}

impl fmt::Display for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The values of that name in one `Cookie` line (RFC 6265, section 5.4: pairs joined by `;`).
/// Pairs without `=` are no cookie of ours; what else is on the line is not ours to judge.
pub(super) fn values<'r>(line: &'r [u8], name: &CookieName) -> impl Iterator<Item = &'r [u8]> {
    let wanted = name.name.as_bytes().to_vec();
    line.split(|byte| *byte == b';').filter_map(move |pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        (name == wanted).then_some(value)
    })
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attributes_are_those_of_the_docs() {
        let name = CookieName::host_session();
        let day = Some(Duration::from_millis(86_400_999));
        assert_eq!(
            name.set("t", day),
            "__Host-session=t; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=86400"
        );
        assert_eq!(name.set("t", None), "__Host-session=t; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert_eq!(
            name.clear(),
            "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        );
        let plain = CookieName::danger_plain_http("dev").unwrap();
        assert_eq!(plain.clear(), "dev=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn names_that_would_change_the_header_are_refused() {
        assert!(CookieName::danger_plain_http("__host-session").is_none());
        for bad in ["", "a b", "a;b", "a=b", "a\r\nb", &"a".repeat(65)] {
            assert!(CookieName::danger_plain_http(bad).is_none(), "{bad:?}");
            assert!(CookieName::host_prefixed(bad).is_none(), "{bad:?}");
        }
    }
}
