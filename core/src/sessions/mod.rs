//! `Sessions` and its operations. This folder knows the scheme, tokens and stores, and the words
//! of HTTP only as settings; nothing here reads a request or writes an answer.

mod builder;
mod claims_source;
mod devices;
mod end;
mod ended;
mod error;
mod issued;
mod login;
mod pending;
mod recall;
mod renew;
mod verify;

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

pub use builder::SessionsBuilder;
pub use claims_source::ClaimsSource;
pub use devices::Device;
pub use end::Before;
pub(crate) use ended::OpenStream;
pub use ended::{SessionEnd, UntilEnded};
pub use error::{AuthError, BuildError};
pub use issued::Issued;
pub use login::{ClientInfo, LoginTicket, SignedIn};
pub use pending::Pending;
pub use renew::Renewed;
pub(crate) use renew::{CookieNews, OnReuse};
use verify::Proof;
pub use verify::Verified;
pub(crate) use verify::{Activity, TokenAge};

use crate::{
    events::{Event, Events, Side},
    live::{Background, Cache, Open, Touches, look},
    scheme::{Clock, Policy, Snapshot, UserData, UserId, UserState},
    store::{DynDirectory, DynStore, SessionStore, StoreError, StoreErrorKind},
    token::{AppClaims, Keys, TokenCodec},
    wire::HttpConfig,
};
use claims_source::DynClaimsSource;

/// The sessions of an application: sign in, verify, renew, end, list. Cheap to clone; all clones
/// are one.
///
/// Built once at start-up, inside the Tokio runtime that its tasks shall live on:
///
/// ```
/// use logout_all::{ClientInfo, EndReason, By, Keys, MemoryStore, Sessions};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
/// let sessions = Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
///
/// let ticket = sessions.begin_login(Some("ada")).await?; // before the password hash is read
/// let login = sessions.login(ticket, ClientInfo::default(), &()).await?;
/// let token = login.issued.token.expose().as_bytes();
///
/// let session = sessions.verify(token).await?;
/// assert_eq!(session.user_id().as_str(), "ada");
///
/// sessions.logout_all(session.user_id(), EndReason::Operator, By::operator("on call")).await?;
/// assert!(sessions.verify(token).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn DynStore>,
    directory: Option<Arc<dyn DynDirectory>>,
    claims_source: Option<Arc<dyn DynClaimsSource>>,
    codec: TokenCodec,
    policy: Policy,
    clock: Clock,
    events: Events,
    http: HttpConfig,
    background: Background,
    /// In cached mode.
    cache: Option<Arc<Cache<Proof>>>,
    draining: AtomicBool,
}

impl Sessions {
    /// Starts to build: the store, the keys and the issuer (`iss`, usually the application's URL)
    /// are required, all else has a default.
    pub fn builder(
        store: impl SessionStore,
        keys: Keys,
        issuer: impl Into<String>,
    ) -> SessionsBuilder {
        SessionsBuilder::new(store, keys, issuer.into())
    }

    /// The key ring, to change keys while running.
    pub fn keys(&self) -> &Keys {
        self.inner.codec.keys()
    }

    /// The resolved numbers.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// Whether the store answers and the node is not draining: what `/readyz` tells.
    ///
    /// # Errors
    /// The store's failure, or [`StoreErrorKind::Stopped`] while draining.
    pub async fn ready(&self) -> Result<(), StoreError> {
        if self.is_draining() {
            return Err(StoreError::new(StoreErrorKind::Stopped, "this node is shutting down"));
        }
        self.read(self.inner.store.ping().await)
    }

    /// First step of a shutdown, at the signal: the node reports itself not ready, and its event
    /// streams end; requests are still answered.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::SeqCst);
        self.connections().drain();
    }

    /// Whether [`drain`](Self::drain) was called.
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::SeqCst)
    }

    /// Second step, after the server has stopped: stops the tasks and writes down the last
    /// activity (5 s at most). Whoever still waits for the end of a session is told that it is
    /// [unknown](SessionEnd::Unknown).
    pub async fn shutdown(&self) {
        self.drain();
        self.inner.background.shutdown().await;
    }

    /// Whether both are clones of one: a session that one of them verified is good for the other.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn http(&self) -> &HttpConfig {
        &self.inner.http
    }

    fn store(&self) -> &dyn DynStore {
        &*self.inner.store
    }

    fn touches(&self) -> &Touches {
        self.inner.background.touches()
    }

    fn connections(&self) -> &Arc<Open> {
        self.inner.background.open()
    }

    /// After it took effect; what is open learns of it before the application does.
    fn tell(&self, event: &Event) {
        self.connections().ended_here(event);
        self.inner.events.tell(event);
    }

    fn read<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        self.inner.events.watch(Side::Reads, answer)
    }

    fn written<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        self.inner.events.watch(Side::Writes, answer)
    }

    /// One read of everything about a presented (user, guid): with the directory's word on the
    /// user, where the store joins none.
    async fn snapshot(
        &self,
        user: &UserId,
        guid: crate::scheme::Guid,
    ) -> Result<Snapshot, AuthError> {
        let Inner { store, directory, events, .. } = &*self.inner;
        Ok(look(&**store, directory.as_deref(), events, (user, guid)).await?)
    }

    /// The claims of a renewed token: from the source, or those that were presented.
    async fn renewed_claims(
        &self,
        user: &UserId,
        data: Option<&UserData>,
        presented: &AppClaims,
    ) -> Result<AppClaims, AuthError> {
        match &self.inner.claims_source {
            Some(source) => source.claims(user, data).await,
            None => Ok(presented.clone()),
        }
    }

    /// Runs a mutation in a task of its own on the home runtime: a handler whose client
    /// disconnects is dropped half way, and the mutation must happen wholly or not at all.
    async fn whole<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, AuthError>> + Send + 'static,
    ) -> Result<T, AuthError> {
        match self.inner.background.runtime().spawn(work).await {
            Ok(outcome) => outcome,
            Err(stopped) => {
                let message = "the operation was stopped; repeating it is safe";
                Err(StoreError::new(StoreErrorKind::Stopped, message).with_cause(stopped).into())
            }
        }
    }
}

/// The user data of a snapshot, where there are any.
fn user_data(state: &UserState) -> Option<&UserData> {
    match state {
        UserState::Active(data) => data.as_ref(),
        UserState::NotAsked | UserState::Inactive => None,
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("store", &self.inner.store.info().name)
            .field("policy", &self.inner.policy)
            .field("http", &self.inner.http)
            .finish_non_exhaustive()
    }
}
