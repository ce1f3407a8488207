//! What the store does when the network does not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use logout_all::{SessionStore, store::Scope};
use logout_all_redis::RedisStore;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::{end, lives, proxy::Proxy, server::Server, sign_in, user};

/// "No half-open socket may hang a verb", nor the verbs that come after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_holds_a_verb_up_for_a_moment() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port, None).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port);
    let (store, ada) = (RedisStore::builder(url).connect().await.unwrap(), user("ada"));
    let row = sign_in(&store, &ada).await;
    end(&store, &user("bob"), Scope::All).await.unwrap();
    proxy.swallow();
    let since = Instant::now();
    let (first, second) = tokio::join!(lives(&store, &row), lives(&store, &row));
    assert!(first && second);
    assert!((900..2500).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    let since = Instant::now();
    assert!(lives(&store, &row).await);
    assert!(since.elapsed() < Duration::from_millis(500), "{:?}", since.elapsed());
    // A change begins with a read, and so finds the new connection before it writes.
    let since = Instant::now();
    assert_eq!(end(&store, &ada, Scope::All).await.unwrap().guids, [row.guid]);
    assert!(since.elapsed() < Duration::from_millis(2500), "{:?}", since.elapsed());
}

/// A certificate of an authority that the store is given, for this name.
fn acceptor(name: &str, authority: &CertifiedIssuer<'_, KeyPair>) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// "TLS is verified": by the authority and by the name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_authority_or_name_is_refused() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(params.clone(), KeyPair::generate().unwrap()).unwrap();
    let foreign = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let over = async |acceptor: TlsAcceptor| {
        let proxy = Proxy::to(server.port, Some(acceptor)).await;
        let url = format!("rediss://localhost:{}", proxy.port);
        let connected = RedisStore::builder(url).root_certificate(&file).connect().await;
        (connected, proxy)
    };

    let (store, _proxy) = over(acceptor("localhost", &authority)).await;
    let (store, ada) = (store.unwrap(), user("ada"));
    let row = sign_in(&store, &ada).await;
    assert_eq!(end(&store, &ada, Scope::All).await.unwrap().guids, [row.guid]);
    store.ping().await.unwrap();

    assert!(over(acceptor("localhost", &foreign)).await.0.is_err());
    assert!(over(acceptor("db.example", &authority)).await.0.is_err());
}
