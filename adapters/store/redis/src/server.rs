//! Where the server is, and how it is reached: what the URL says, with TLS that is verified.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use logout_all::{StoreError, StoreErrorKind};
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo,
    aio::{AsyncPushSender, MultiplexedConnection},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::fault::Fault;

/// The URL of a server. It may hold a password, and is never shown.
#[derive(Clone)]
pub(crate) struct Url(pub(crate) String);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(..)")
    }
}

/// Where a connection without TLS may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    ThisMachine,
    AnyMachine,
}

/// How to reach a server, made once.
pub(crate) struct Reach {
    settings: RedisConnectionInfo,
    place: Place,
    plain: Plain,
}

#[derive(Clone)]
enum Place {
    Plain {
        host: String,
        port: u16,
    },
    Tls {
        host: String,
        port: u16,
        name: ServerName<'static>,
        connector: TlsConnector,
    },
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Reach {
    pub(crate) fn new(
        url: &Url,
        plain: Plain,
        root_certificate: Option<&PathBuf>,
    ) -> Result<Self, StoreError> {
        let (tls, address) = match url.0.split_once("://") {
            Some(("rediss" | "valkeys", rest)) => (true, format!("redis://{rest}")),
            Some(("valkey", rest)) => (false, format!("redis://{rest}")),
            _ => (false, url.0.clone()),
        };
        // The driver's error is left out: it may quote the URL.
        let info: ConnectionInfo = address.as_str().into_connection_info().map_err(|_| {
            refused("the Redis URL cannot be read: redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss://")
        })?;
        // The driver names itself to the server by a command that old ones do not know, and that a
        // user with few permissions may not give.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let place = match info.addr().clone() {
            ConnectionAddr::Tcp(host, port) if tls => {
                let connector = TlsConnector::from(Arc::new(client(roots(root_certificate)?)?));
                encrypted(host, port, connector)?
            }
            ConnectionAddr::Tcp(host, port) => in_the_clear(host, port, plain)?,
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => Place::Unix(path),
            _ => {
                return Err(refused("the Redis URL names a kind of address that is not supported"));
            }
        };
        Ok(Self { settings, place, plain })
    }

    /// Another node of the same cluster, in the same manner.
    pub(crate) fn at(&self, host: &str, port: u16) -> Result<Self, StoreError> {
        let (settings, plain) = (self.settings.clone(), self.plain);
        let host = host.to_owned();
        let place = match &self.place {
            Place::Tls { connector, .. } => encrypted(host, port, connector.clone())?,
            Place::Plain { .. } => in_the_clear(host, port, plain)?,
            #[cfg(unix)]
            Place::Unix(_) => {
                return Err(refused("a Redis Cluster is reached by the address of a node"));
            }
        };
        Ok(Self { settings, place, plain })
    }

    pub(crate) fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Plain { host, .. } | Place::Tls { host, .. } => Some(host),
            #[cfg(unix)]
            Place::Unix(_) => None,
        }
    }

    /// A new connection, driven on the runtime that calls this.
    pub(crate) async fn connect(&self) -> Result<MultiplexedConnection, StoreError> {
        self.open(&self.settings, config()).await
    }

    /// One that may subscribe: what comes unasked is pushed. (Its protocol begins with `HELLO`.)
    pub(crate) async fn listen(
        &self,
        push: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection, StoreError> {
        let settings = self.settings.clone().set_protocol(ProtocolVersion::RESP3);
        self.open(&settings, config().set_push_sender(push)).await
    }

    async fn open(
        &self,
        settings: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, StoreError> {
        match &self.place {
            Place::Plain { host, port } => over(tcp(host, *port).await?, settings, config).await,
            Place::Tls { host, port, name, connector } => {
                let stream = tcp(host, *port).await?;
                let stream = connector.connect(name.clone(), stream).await.map_err(unreached)?;
                over(stream, settings, config).await
            }
            #[cfg(unix)]
            Place::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await.map_err(unreached)?;
                over(stream, settings, config).await
            }
        }
    }
}

/// Every wait is ours: what a verb waits depends on the verb.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None)
}

async fn over<S>(
    stream: S,
    settings: &RedisConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection, StoreError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let made = MultiplexedConnection::new_with_config(settings, stream, config).await;
    let (connection, driver) = made.map_err(|error| Fault::of(&error).told())?;
    tokio::spawn(driver);
    Ok(connection)
}

fn encrypted(host: String, port: u16, connector: TlsConnector) -> Result<Place, StoreError> {
    let name = ServerName::try_from(host.clone()).map_err(|_| {
        refused("the Redis URL, or the cluster, names no host that a certificate can be for")
    })?;
    Ok(Place::Tls { host, port, name, connector })
}

/// A password, and every session, in the clear for whoever is on the way.
fn in_the_clear(host: String, port: u16, plain: Plain) -> Result<Place, StoreError> {
    if is_local(&host) || plain == Plain::AnyMachine {
        return Ok(Place::Plain { host, port });
    }
    Err(refused(
        "a Redis server on another machine is reached by TLS: rediss://; where the network itself \
         is private, say so to the builder (danger_plain_network)",
    ))
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, StoreError> {
    let stream = TcpStream::connect((host, port)).await.map_err(unreached)?;
    stream.set_nodelay(true).map_err(unreached)?;
    Ok(stream)
}

fn unreached(error: std::io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "Redis cannot be reached").with_cause(error)
}

fn refused(message: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, message)
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn roots(file: Option<&PathBuf>) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    let given = match file {
        Some(file) => read(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(given);
    if roots.is_empty() {
        return Err(refused(
            "no root certificate was found to verify the Redis server with: name its file to the \
             builder (root_certificate)",
        ));
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
fn client(roots: RootCertStore) -> Result<ClientConfig, StoreError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| refused("TLS cannot be set up").with_cause(error))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(url: &str) -> Result<Reach, StoreError> {
        let root = std::env::temp_dir().join("no such certificate");
        Reach::new(&Url(url.to_owned()), Plain::ThisMachine, Some(&root))
    }

    #[test]
    fn nothing_but_the_own_machine_or_the_word_danger_is_plain() {
        for plain in [
            "redis://localhost",
            "redis://127.0.0.1:6380/2",
            "valkey://[::1]/",
            "redis+unix:///run/redis.sock",
        ] {
            assert!(!matches!(reach(plain).unwrap().place, Place::Tls { .. }), "{plain}");
        }
        for verified in ["rediss://db.example", "rediss://localhost", "valkeys://db.example/1"] {
            let error = reach(verified).err().unwrap();
            assert!(error.to_string().contains("root certificate"), "{verified}: {error}");
        }
        let error = reach("redis://:geheim@db.example").err().unwrap();
        assert!(error.to_string().contains("rediss://"), "{error}");
    }

    #[test]
    fn a_node_of_a_cluster_is_reached_as_the_first_one() {
        let seed = reach("redis://:geheim@127.0.0.1:7000").unwrap();
        let node = seed.at("127.0.0.1", 7001).unwrap();
        assert_eq!(node.settings.password(), Some("geheim"));
        assert!(matches!(node.place, Place::Plain { port: 7001, .. }));
        // A cluster on this machine that names a node elsewhere gets no password there.
        let error = seed.at("10.0.0.5", 7002).err().unwrap();
        assert!(error.to_string().contains("rediss://"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_password() {
        for bad in ["redis://u:geheim@h:x/1", "geheim", "redis://:geheim@127.0.0.1/geheim"] {
            let error = reach(bad).err().unwrap();
            assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        }
        assert_eq!(format!("{:?}", Url("redis://:geheim@h".into())), "Url(..)");
    }
}
