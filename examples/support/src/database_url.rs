//! The URL of a PostgreSQL database, which may hold a password: it is never shown.

use std::{fmt, net::IpAddr};

use logout_all_postgres::tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

/// What stands behind `--store postgres://…`. Its `Debug` is redacted; [`fmt::Display`] names hosts
/// and database alone.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes any text: what cannot be is refused by [`config`](Self::config), whose message does
    /// not repeat it. A parser of command lines would.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The driver's configuration, for connections without TLS.
    ///
    /// # Errors
    /// In words that show nothing of the URL: a password that is not encoded may be anywhere in it.
    pub(crate) fn config(&self) -> Result<Config, &'static str> {
        const NO_TLS: &str = "this demo's own connections to PostgreSQL have no TLS: name a server \
                              of this machine, or say sslmode=disable where the network is trusted";
        if self.0.contains("sslmode=verify-") {
            return Err(NO_TLS);
        }
        let mut config: Config = self.0.parse().map_err(|_| {
            "the PostgreSQL URL cannot be read: it is postgres://USER:PASSWORD@HOST:PORT/DATABASE, \
             with percent-encoding for what is not a letter or a number"
        })?;
        let plain = match config.get_ssl_mode() {
            SslMode::Disable => true,
            SslMode::Prefer => is_local(&config),
            _ => false,
        };
        if !plain {
            return Err(NO_TLS);
        }
        config.ssl_mode(SslMode::Disable);
        Ok(config)
    }
}

fn is_local(config: &Config) -> bool {
    let is_loopback = |name: &str| {
        name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => is_loopback(name),
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(config) = self.config() else { return f.write_str("a PostgreSQL database") };
        // What the driver takes where the URL names none.
        let name = config.get_dbname().or(config.get_user()).unwrap_or("of the user's name");
        write!(f, "the PostgreSQL database {name}")?;
        for (number, host) in config.get_hosts().iter().enumerate() {
            f.write_str(if number == 0 { " on " } else { ", " })?;
            match host {
                Host::Tcp(name) => f.write_str(name)?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{}", path.display())?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_whatever_is_wrong_with_the_url() {
        for url in [
            "postgres://app:geheim@localhost/app",
            "postgres://app:geheim@db.example/app",
            "postgres://app:geheim@localhost:x/app",
            "postgres://app:a?geheim=b@localhost/app",
            "postgres://app:a/geheim@localhost/app",
            "postgresql://app:geheim@localhost/app?sslmode=verify-full",
        ] {
            let url = DatabaseUrl::new(url);
            let refusal = url.config().err().unwrap_or_default();
            assert!(!format!("{url} {url:?} {refusal}").contains("geheim"), "{url} {refusal}");
        }
        let url = DatabaseUrl::new("postgres://app:geheim@localhost,[::1]:1/shop");
        assert_eq!(url.to_string(), "the PostgreSQL database shop on localhost, ::1");
    }

    #[test]
    fn a_server_elsewhere_is_refused_unless_plain_text_is_asked_for() {
        let refused = |url| DatabaseUrl::new(url).config().err();
        for plain in [
            "postgres://app@localhost/app",
            "postgresql://127.0.0.1:5433",
            "postgres:///app?host=/run/postgresql",
            "postgres://db.example/app?sslmode=disable",
        ] {
            assert_eq!(refused(plain), None, "{plain}");
        }
        for other in [
            "postgres://db.example/app",
            "postgres://localhost,db.example/app",
            "postgres://localhost/app?sslmode=require",
            "postgres://db.example/app?sslmode=verify-full",
        ] {
            assert!(refused(other).is_some_and(|why| why.contains("sslmode=disable")), "{other}");
        }
    }
}
