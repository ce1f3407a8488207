//! What the store does when the network does not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use logout_all::{SessionStore, store::Scope};
use logout_all_redis::RedisStore;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tempfile::NamedTempFile;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::{
    end, lives,
    proxy::{Cut, Proxy},
    rotation,
    server::Server,
    sign_in, user,
};

/// "No half-open socket may hang a verb", nor the verbs that come after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_holds_a_verb_up_for_a_moment() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port, None).await;
    let (store, ada) = (RedisStore::builder(proxy.url()).connect().await.unwrap(), user("ada"));
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

/// "A failed mutation happened wholly or not at all, and may be repeated": whether the request or
/// the answer was lost, the next verb works, and the ending is in the journal once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_leaves_no_half_an_ending() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port, None).await;
    let (store, ada) = (RedisStore::builder(proxy.url()).connect().await.unwrap(), user("ada"));
    for (round, cut) in [Cut::Request, Cut::Answer].into_iter().cycle().take(8).enumerate() {
        let row = sign_in(&store, &ada).await;
        // The word of the commit alone: the reason that goes into the journal.
        proxy.cut_at("operator", cut);
        let error = end(&store, &ada, Scope::Device(row.guid)).await.unwrap_err();
        assert!(error.to_string().contains("may be repeated"), "{error:?}");
        assert!(!proxy.cut_is_pending());
        assert_eq!(lives(&store, &row).await, cut == Cut::Request, "{cut:?}");
        let again = end(&store, &ada, Scope::Device(row.guid)).await.unwrap();
        assert_eq!(again.guids.len(), usize::from(cut == Cut::Request), "{cut:?}");
        assert!(!lives(&store, &row).await);
        let page = store.journal(0, 100).await.unwrap();
        assert_eq!(page.last_seq, u64::try_from(round).unwrap() + 1, "{page:?}");
    }
}

/// A rotation whose answer was lost is one rotation: the driver does not send it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_is_never_sent_twice() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port, None).await;
    let store = RedisStore::builder(proxy.url()).connect().await.unwrap();
    let row = sign_in(&store, &user("ada")).await;
    for cut in [Cut::Request, Cut::Answer] {
        let before = store.lookup(&row.user, row.guid).await.unwrap().row.unwrap();
        let rotation = rotation(&before);
        proxy.cut_at(&rotation.next.expose().simple().to_string(), cut);
        store.rotate(&rotation).await.unwrap_err();
        let after = store.lookup(&row.user, row.guid).await.unwrap().row.unwrap();
        let rotated = u64::from(cut == Cut::Answer);
        assert_eq!(after.generation, before.generation + rotated, "{cut:?}");
    }
}

/// A slow network is slow, and past the limits an error; no verb waits longer than it says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_is_waited_for_so_long_and_no_longer() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port, None).await;
    let (store, ada) = (RedisStore::builder(proxy.url()).connect().await.unwrap(), user("ada"));
    let row = sign_in(&store, &ada).await;
    proxy.slow_down(Duration::from_millis(200));
    assert!(lives(&store, &row).await);
    assert_eq!(end(&store, &ada, Scope::Device(row.guid)).await.unwrap().guids, [row.guid]);
    let row = sign_in(&store, &ada).await;
    proxy.slow_down(Duration::from_millis(900));
    let since = Instant::now();
    assert!(store.lookup(&ada, row.guid).await.is_err());
    assert!(end(&store, &ada, Scope::All).await.is_err());
    assert!(since.elapsed() < Duration::from_millis(2 * 4000 + 500), "{:?}", since.elapsed());
    proxy.slow_down(Duration::ZERO);
    end(&store, &ada, Scope::All).await.unwrap();
    assert!(!lives(&store, &row).await);
}

/// "A reconnect that does not stall": two seconds without a server, and with the first moment of
/// the next one there are answers again, for all who ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_outage_the_next_verb_is_answered_at_once() {
    let mut server = Server::start(&["--appendonly", "yes"]);
    let proxy = Proxy::to(server.port, None).await;
    let (store, ada) = (RedisStore::builder(proxy.url()).connect().await.unwrap(), user("ada"));
    let row = sign_in(&store, &ada).await;
    server.kill();
    let outage = Instant::now();
    // Callers that never cease, as in a server under load.
    while outage.elapsed() < Duration::from_secs(2) {
        let asked = (0..50).map(|_| {
            let (store, row) = (store.clone(), row.clone());
            tokio::spawn(async move { store.lookup(&row.user, row.guid).await.is_err() })
        });
        for refused in asked.collect::<Vec<_>>() {
            assert!(refused.await.unwrap(), "nobody is there to answer");
        }
    }
    server.restart();
    let since = Instant::now();
    let asked = (0..50).map(|_| {
        let (store, row) = (store.clone(), row.clone());
        tokio::spawn(async move { lives(&store, &row).await })
    });
    for alive in asked.collect::<Vec<_>>() {
        assert!(alive.await.unwrap());
    }
    end(&store, &ada, Scope::All).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

/// An authority, and the file of its certificate.
pub(crate) fn authority() -> (CertifiedIssuer<'static, KeyPair>, NamedTempFile) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    (authority, file)
}

/// A certificate of that authority, for this name.
pub(crate) fn acceptor(name: &str, authority: &CertifiedIssuer<'_, KeyPair>) -> TlsAcceptor {
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
    let ((authority, file), (foreign, _other)) = (authority(), authority());
    let over = async |acceptor: TlsAcceptor| {
        let proxy = Proxy::to(server.port, Some(acceptor)).await;
        let url = format!("rediss://localhost:{}", proxy.port);
        let connected = RedisStore::builder(url).root_certificate(file.path()).connect().await;
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
