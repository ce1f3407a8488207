//! "There is no TLS without verification, and no falling back to plain."

use std::{error::Error, path::PathBuf, time::SystemTime};

use logout_all::{SessionStore as _, StoreError};
use logout_all_postgres::PostgresStore;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    postgres::Postgres,
    terminator::{SSL_REQUEST, in_front_of},
};

/// An authority of a company's own.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// As the builder takes it.
    fn file(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// A server's certificate and its key.
    fn sign(&self, names: &[&str], until: SystemTime) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = until.into();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A server behind TLS: its own, or that of a proxy where its programs were built without.
struct Behind {
    server: Postgres,
    proxy: Option<u16>,
}

impl Behind {
    async fn start(certificate: &str, key: &str) -> Self {
        if let Some(server) = Postgres::start_with_tls(certificate, key).await {
            return Self { server, proxy: None };
        }
        println!("this PostgreSQL was built without TLS: a proxy ends it here");
        let server = Postgres::start().await;
        let proxy = in_front_of(server.port(), certificate, key).await;
        Self { server, proxy: Some(proxy) }
    }

    fn url(&self, host: &str, mode: &str) -> String {
        let port = self.proxy.unwrap_or(self.server.port());
        format!("{}?sslmode={mode}", self.server.url_at(host, port))
    }
}

fn in_a_year() -> SystemTime {
    SystemTime::now() + std::time::Duration::from_hours(24 * 365)
}

/// Everything that an error says, with its causes.
fn whole(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn connected(url: String, root: Option<PathBuf>) -> Result<PostgresStore, StoreError> {
    let builder = PostgresStore::builder(url);
    let builder = match root {
        Some(file) => builder.root_certificate(file),
        None => builder,
    };
    builder.migrate().await?;
    builder.connect().await
}

async fn refused(url: String, root: Option<PathBuf>, word: &str) {
    let error = whole(&connected(url, root).await.expect_err("it must not connect"));
    assert!(error.contains(word), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_verifies_the_authority_and_the_name() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let impostor = Authority::new("ours");
    let (certificate, key) = ours.sign(&["localhost"], in_a_year());
    let server = Behind::start(&certificate, &key).await;
    let by = |mode: &str, host: &str| server.url(host, mode);

    for mode in ["require", "verify-ca", "verify-full"] {
        let store = connected(by(mode, "localhost"), Some(ours.file())).await.unwrap();
        store.ping().await.unwrap();
        refused(by(mode, "localhost"), Some(other.file()), "UnknownIssuer").await;
        refused(by(mode, "localhost"), Some(impostor.file()), "BadSignature").await;
        refused(by(mode, "localhost"), None, "certificate").await;
        refused(by(mode, "127.0.0.1"), Some(ours.file()), "not valid for name").await;
    }
    // To this machine itself, without TLS: and the server takes nobody so.
    let word = if server.proxy.is_none() { "no encryption" } else { "cannot be reached" };
    for mode in ["disable", "prefer"] {
        refused(by(mode, "127.0.0.1"), Some(ours.file()), word).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_refuses_a_certificate_that_has_expired() {
    let ours = Authority::new("ours");
    let (certificate, key) = ours.sign(&["localhost"], SystemTime::UNIX_EPOCH);
    let server = Behind::start(&certificate, &key).await;
    refused(server.url("localhost", "require"), Some(ours.file()), "xpired").await;
}

/// Somebody on the way says that the server speaks no TLS: not a byte more is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_that_is_denied_sends_no_password() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let between = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut asked = [0; 8];
        client.read_exact(&mut asked).await.unwrap();
        client.write_all(b"N").await.unwrap();
        let mut more = Vec::new();
        let _ = client.read_to_end(&mut more).await;
        (asked, more)
    });
    let ours = Authority::new("ours");
    let url = format!("postgres://postgres:geheim@localhost:{port}/postgres?sslmode=require");
    refused(url, Some(ours.file()), "TLS").await;
    let (asked, more) = between.await.unwrap();
    // The question, and nothing behind it.
    assert_eq!((asked, more), (SSL_REQUEST, Vec::new()));
}
