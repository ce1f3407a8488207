//! Two nodes on one store: on A sessions end, on B they are open.

use std::{path::Path, time::Duration};

use logout_all::{
    ClientInfo, Clock, Keys, MemoryStore, SessionEnd, SessionStore, Sessions, UntilEnded, UserId,
};
use logout_all_postgres::PostgresStore;
use logout_all_redis::RedisStore;
use logout_all_sqlite::SqliteStore;
use tokio::time::timeout;

use crate::{database::Database, keys::Prefix};

/// Half a second is the rule; a machine may be busy.
const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Nodes<S> {
    pub(crate) a: Sessions,
    pub(crate) b: Sessions,
    pub(crate) clock: Clock,
    /// Of B.
    _store: std::marker::PhantomData<S>,
}

pub(crate) struct Device {
    pub(crate) user: UserId,
    pub(crate) token: String,
}

pub(crate) async fn over_memory() -> Nodes<MemoryStore> {
    let clock = Clock::system();
    let store = MemoryStore::with_clock(clock.clone());
    Nodes::start(store.clone(), store, clock).await
}

pub(crate) async fn over_sqlite(path: &Path) -> Nodes<SqliteStore> {
    let clock = Clock::system();
    let builder = || SqliteStore::builder(path).danger_clock(clock.clone());
    builder().migrate().await.unwrap();
    let (a, b) = (builder().connect().await.unwrap(), builder().connect().await.unwrap());
    Nodes::start(a, b, clock.clone()).await
}

pub(crate) async fn over_postgres(database: &Database) -> Nodes<PostgresStore> {
    let clock = Clock::system();
    let builder = || PostgresStore::builder(database.config()).danger_clock(clock.clone());
    builder().migrate().await.unwrap();
    let (a, b) = (builder().connect().await.unwrap(), builder().connect().await.unwrap());
    Nodes::start(a, b, clock.clone()).await
}

pub(crate) async fn over_redis(prefix: &Prefix) -> Nodes<RedisStore> {
    let clock = Clock::system();
    let builder =
        || RedisStore::builder(prefix.url()).prefix(prefix.name()).danger_clock(clock.clone());
    let (a, b) = (builder().connect().await.unwrap(), builder().connect().await.unwrap());
    Nodes::start(a, b, clock.clone()).await
}

impl<S: SessionStore> Nodes<S> {
    async fn start(a: S, b: S, clock: Clock) -> Self {
        let keys = Keys::hs256(b"a key that both of the nodes have").unwrap();
        let build = async |store| {
            let builder = Sessions::builder(store, keys.clone(), "open");
            builder.danger_clock(clock.clone()).build().await.unwrap()
        };
        let (a, b) = (build(a).await, build(b).await);
        Self { a, b, clock, _store: std::marker::PhantomData }
    }

    pub(crate) async fn sign_in(&self, user: &str) -> Device {
        let ticket = self.a.begin_login(Some(user)).await.unwrap();
        let login = self.a.login(ticket, ClientInfo::default(), &()).await.unwrap();
        let token = login.issued.token.expose().to_owned();
        Device { user: UserId::new(user).unwrap(), token }
    }

    /// On A, by rotation.
    pub(crate) async fn renew(&self, token: &str) -> String {
        let renewed = self.a.renew(token.as_bytes(), ClientInfo::default()).await.unwrap();
        assert_eq!(renewed.kind.as_str(), "rotated");
        // Seen, so that its predecessor is a copy.
        let token = renewed.issued.token.expose().to_owned();
        self.a.verify(token.as_bytes()).await.unwrap();
        token
    }

    /// Open on B, and known to be so.
    pub(crate) async fn open(&self, device: &Device) -> UntilEnded {
        self.open_by(&device.token).await
    }

    pub(crate) async fn open_by(&self, token: &str) -> UntilEnded {
        self.b.verify(token.as_bytes()).await.unwrap().ended()
    }
}

pub(crate) async fn end(open: UntilEnded) -> SessionEnd {
    timeout(SOON, open).await.unwrap()
}

/// Whether it is still open when an entry of the journal would have been read.
pub(crate) async fn stays(open: &mut UntilEnded) -> bool {
    timeout(Duration::from_millis(800), open).await.is_err()
}
