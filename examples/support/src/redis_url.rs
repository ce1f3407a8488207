//! The URL of a Redis server, which may hold a password: it is never shown.

use std::{fmt, net::IpAddr};

use redis::{ConnectionAddr, IntoConnectionInfo};

/// What stands behind `--store redis://…`. Its `Debug` is redacted; [`fmt::Display`] names the place
/// alone.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Takes any text: what cannot be is refused by [`check`](Self::check), whose message does not
    /// repeat it.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this demo can use it: over a connection without TLS.
    ///
    /// # Errors
    /// In words that show nothing of the URL.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        const NO_TLS: &str = "this demo's connections to Redis have no TLS: name a server of this \
                              machine, as redis://127.0.0.1:6379";
        if self.0.starts_with("rediss:") {
            return Err(NO_TLS);
        }
        match self.address() {
            None => {
                Err("the Redis URL cannot be read: it is redis://USER:PASSWORD@HOST:PORT/NUMBER")
            }
            Some(ConnectionAddr::Tcp(host, _)) if !is_loopback(&host) => Err(NO_TLS),
            Some(_) => Ok(()),
        }
    }

    fn address(&self) -> Option<ConnectionAddr> {
        Some(self.0.as_str().into_connection_info().ok()?.addr().clone())
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some(address) => write!(f, "the Redis server {address}"),
            None => f.write_str("a Redis server"),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_whatever_is_wrong_with_the_url() {
        for url in [
            "redis://:geheim@localhost/0",
            "redis://app:geheim@db.example/1",
            "redis://:geheim@localhost:x",
            "redis://localhost/geheim",
            "rediss://:geheim@localhost",
        ] {
            let url = RedisUrl::new(url);
            let refusal = url.check().err().unwrap_or_default();
            assert!(!format!("{url} {url:?} {refusal}").contains("geheim"), "{url} {refusal}");
        }
    }

    #[test]
    fn a_server_elsewhere_is_refused() {
        for own in ["redis://localhost", "redis://:p@127.0.0.1:6380/2", "redis://[::1]:1"] {
            assert_eq!(RedisUrl::new(own).check(), Ok(()), "{own}");
        }
        for other in ["redis://db.example", "rediss://localhost", "redis://10.0.0.1"] {
            let refusal = RedisUrl::new(other).check().err();
            assert!(refusal.is_some_and(|why| why.contains("TLS")), "{other}");
        }
    }
}
