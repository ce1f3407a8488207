//! Where the database is, and how it is reached: what the URL says, with TLS that is verified or
//! left out by the URL's own word, and waits that end.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use logout_all::{StoreError, StoreErrorKind};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a new connection may take.
pub(crate) const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// How long bytes that were sent may stay without an answer of the other machine.
const UNANSWERED: Duration = Duration::from_secs(4);

/// The database: a URL or key-value string as libpq takes it, or the driver's configuration.
///
/// ```
/// use logout_all_postgres::{Server, tokio_postgres::Config};
/// let by_url = Server::from("postgres://app@db.example/app?sslmode=verify-full");
/// let by_hand = Server::from(Config::new());
/// # drop((by_url, by_hand));
/// ```
#[derive(Clone)]
pub struct Server(Given);

#[derive(Clone)]
enum Given {
    Text(String),
    Config(Box<Config>),
}

impl From<&str> for Server {
    fn from(url: &str) -> Self {
        Self(Given::Text(url.to_owned()))
    }
}

impl From<String> for Server {
    fn from(url: String) -> Self {
        Self(Given::Text(url))
    }
}

impl From<&String> for Server {
    fn from(url: &String) -> Self {
        Self(Given::Text(url.clone()))
    }
}

impl From<Config> for Server {
    fn from(config: Config) -> Self {
        Self(Given::Config(Box::new(config)))
    }
}

impl fmt::Debug for Server {
    /// A URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server(..)")
    }
}

/// How to reach the database, made once.
#[derive(Clone)]
pub(crate) struct Reach {
    config: Config,
    pub(crate) tls: MakeRustlsConnect,
}

impl Reach {
    pub(crate) fn new(
        server: &Server,
        root_certificate: Option<&PathBuf>,
    ) -> Result<Self, StoreError> {
        let mut config = match &server.0 {
            Given::Config(config) => Config::clone(config),
            Given::Text(text) => parse(text)?,
        };
        // TLS to the own machine protects from nobody, and such servers have made-up certificates.
        // Everywhere else a server that offers none, or somebody in between, must not be able to
        // talk us out of it: so `prefer` is `require`, and both verify.
        let plain = match config.get_ssl_mode() {
            SslMode::Disable => true,
            SslMode::Prefer => is_local(&config),
            _ => false,
        };
        config.ssl_mode(if plain { SslMode::Disable } else { SslMode::Require });
        let roots = if plain { RootCertStore::empty() } else { roots(root_certificate)? };
        config
            .connect_timeout(CONNECT_WAIT)
            .tcp_user_timeout(UNANSWERED)
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(3))
            .keepalives_retries(3);
        Ok(Self { config, tls: MakeRustlsConnect::new(tls(roots)?) })
    }

    /// The configuration of connections that say what they are for (`pg_stat_activity`).
    pub(crate) fn config_for(&self, role: &str) -> Config {
        let mut config = self.config.clone();
        config.application_name(format!("logout-all {role}"));
        config
    }
}

fn parse(text: &str) -> Result<Config, StoreError> {
    let refuse = |message: &str| Err(StoreError::new(StoreErrorKind::Unavailable, message));
    if text.contains("sslmode=allow") {
        return refuse(
            "sslmode=allow would send passwords in the clear to whoever asks: use require or disable",
        );
    }
    // libpq's two stricter words; `require` verifies just so here.
    let text = text.replace("sslmode=verify-full", "sslmode=require");
    let text = text.replace("sslmode=verify-ca", "sslmode=require");
    match text.parse() {
        Ok(config) => Ok(config),
        // The driver names the parameter that it does not know, and no value but that of a port.
        Err(error) => {
            let message = "the PostgreSQL URL cannot be read; a root certificate's file is named to \
                           the builder";
            let cause = crate::fault::Cause::of(&error);
            Err(StoreError::new(StoreErrorKind::Unavailable, message).with_cause(cause))
        }
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

fn roots(file: Option<&PathBuf>) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    let given = match file {
        Some(file) => read(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(given);
    if roots.is_empty() {
        let message = "no root certificate was found to verify the PostgreSQL server with: name its \
                       file to the builder (root_certificate)";
        return Err(StoreError::new(StoreErrorKind::Unavailable, message));
    }
    Ok(roots)
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let certificates =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    certificates.map_err(|error| {
        let message = format!("the root certificate {} cannot be read", file.display());
        StoreError::new(StoreErrorKind::Unavailable, message).with_cause(error)
    })
}

/// The provider is named, so that no other crate of the build decides it.
fn tls(roots: RootCertStore) -> Result<ClientConfig, StoreError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| {
        let message = "TLS cannot be set up";
        StoreError::new(StoreErrorKind::Unavailable, message).with_cause(error)
    })?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, StoreError> {
        let root = std::env::temp_dir().join("no such certificate");
        Reach::new(&url.into(), Some(&root)).map(|reach| reach.config.get_ssl_mode())
    }

    #[test]
    fn nothing_but_the_word_disable_or_the_own_machine_is_plain() {
        for plain in [
            "postgres://localhost/app",
            "postgres://127.0.0.1/app?sslmode=prefer",
            "postgres://[::1]/app",
            "host=/var/run/postgresql dbname=app",
            "postgres://db.example/app?sslmode=disable",
        ] {
            assert_eq!(mode(plain).unwrap(), SslMode::Disable, "{plain}");
        }
        for verified in [
            "postgres://db.example/app",
            "postgres://db.example/app?sslmode=prefer",
            "postgres://localhost/app?sslmode=require",
            "postgres://localhost/app?sslmode=verify-full",
            "host=db.example sslmode=verify-ca",
            "postgres://localhost,db.example/app",
            "host=localhost hostaddr=192.0.2.1",
        ] {
            let error = mode(verified).unwrap_err();
            assert!(error.to_string().contains("root certificate"), "{verified}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_password() {
        for bad in ["postgres://u:geheim@h/d?sslmode=allow", "postgres://u:geheim@h/d?nonsense=1"] {
            let error = mode(bad).unwrap_err();
            assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        }
        assert_eq!(format!("{:?}", Server::from("postgres://u:geheim@h/d")), "Server(..)");
    }
}
