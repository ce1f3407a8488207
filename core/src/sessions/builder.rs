//! Building `Sessions`: what is required is an argument, what is optional a method, and `build`
//! refuses contradictions. Whatever weakens security has a name that begins with `danger`.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use super::{BuildError, ClaimsSource, Inner, Proof, Sessions, claims_source::DynClaimsSource};
use crate::{
    events::{EventSink, Events},
    live::{Background, Cache, Follower, Following, Held, Marks, Mode, Purges, Reader},
    metrics,
    scheme::{Clock, Denied, DeviceLimit, Grace, PolicyDraft, Recovery, Reuse, Usage},
    store::{
        DynDirectory, DynStore, SessionStore, StoreError, UserDirectory, erase, erase_directory,
    },
    token::{Keys, TokenCodec},
    wire::{
        CookieName, CrossSite, HttpConfig, Origin, PassingRenewal, Presented, Reply, StorePeer,
        Transports,
    },
};

/// How many entries of the journal one poll asks for.
const POLLED: usize = 1000;

/// What `Sessions` is made from. Every method names its default.
pub struct SessionsBuilder {
    store: Arc<dyn DynStore>,
    directory: Option<Arc<dyn DynDirectory>>,
    claims_source: Option<Arc<dyn DynClaimsSource>>,
    sink: Option<Arc<dyn EventSink>>,
    keys: Keys,
    issuer: String,
    audience: Option<String>,
    draft: PolicyDraft,
    clock: Clock,
    http: HttpConfig,
    origins: Vec<String>,
    refused_cookie: Option<String>,
    mode: Mode,
}

impl SessionsBuilder {
    pub(super) fn new(store: impl SessionStore, keys: Keys, issuer: String) -> Self {
        Self {
            store: erase(store),
            directory: None,
            claims_source: None,
            sink: None,
            keys,
            issuer,
            audience: None,
            draft: PolicyDraft::default(),
            clock: Clock::system(),
            http: HttpConfig::default(),
            origins: Vec::new(),
            refused_cookie: None,
            mode: Mode::default(),
        }
    }

    /// `aud` of every token (RFC 7519, section 4.1.3). Default: none, and then a token that has
    /// one is refused.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// How long a token lasts. Default: 1 h. At least 1 s, at most the idle limit.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.draft.token_lifetime = Some(lifetime);
        self
    }

    /// A session without activity ends after this. Default: 14 days.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.draft.idle = Some(idle);
        self
    }

    /// A session ends this long after its login, renewed or not. Default: 90 days.
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.draft.absolute = Some(absolute);
        self
    }

    /// Two rotations of one session are at least this far apart; renewals in between are answered
    /// with the token that is there. Default: 60 s, or a quarter of the token lifetime if that is
    /// shorter.
    pub fn min_renewal_interval(mut self, interval: Duration) -> Self {
        self.draft.interval = Some(interval);
        self
    }

    /// How long the replaced token is still accepted. Default: 10 s, or a third of the minimum
    /// renewal interval if that is shorter.
    pub fn grace(mut self, grace: Grace) -> Self {
        self.draft.grace = Some(grace);
        self
    }

    /// How long after the successor was first seen a renewal with the replaced token still gets
    /// that successor. Default: 10 s, or a third of the minimum renewal interval.
    pub fn window(mut self, window: Duration) -> Self {
        self.draft.window = Some(window);
        self
    }

    /// Until when a lost answer can be asked for again. Default: [`Recovery::UntilSeen`].
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.draft.recovery = Some(recovery);
        self
    }

    /// What ends when a replaced token is reused. Default: [`Reuse::EndDevice`].
    pub fn reuse(mut self, reuse: Reuse) -> Self {
        self.draft.reuse = Some(reuse);
        self
    }

    /// How many devices a user may have. Default: [`DeviceLimit::Evict`] at 20.
    pub fn device_limit(mut self, limit: DeviceLimit) -> Self {
        self.draft.device_limit = Some(limit);
        self
    }

    /// How coarse the last activity is kept. Default: 60 s.
    pub fn last_seen_granularity(mut self, granularity: Duration) -> Self {
        self.draft.granularity = Some(granularity);
        self
    }

    /// How far past its `exp` a token is accepted, for clocks that run apart. Default: none; 300 s
    /// at most.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.draft.leeway = Some(leeway);
        self
    }

    /// Asks `directory` for the user's status and data, where the store joins no users table.
    /// Default: every user is active and has no data.
    pub fn users(mut self, directory: impl UserDirectory) -> Self {
        self.directory = Some(erase_directory(directory));
        self
    }

    /// Makes the application's claims afresh at each renewal. Default: they are repeated.
    pub fn claims_source(mut self, source: impl ClaimsSource) -> Self {
        self.claims_source = Some(Arc::new(source));
        self
    }

    /// Tells the application what happens. Default: `tracing` alone.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// How verifications are answered: `Mode::cached()` for answers from memory. Default:
    /// [`Mode::Strict`].
    pub fn mode(mut self, mode: impl Into<Mode>) -> Self {
        self.mode = mode.into();
        self
    }

    /// How clients may present their tokens. Default: both ways.
    pub fn transports(mut self, transports: Transports) -> Self {
        self.http.transports = transports;
        self
    }

    /// The cookie's name. Default: `__Host-session`.
    pub fn cookie(mut self, name: CookieName) -> Self {
        self.http.cookie = name;
        self
    }

    /// A cookie without the `__Host-` prefix and without `Secure`, for development without TLS:
    /// anybody on the way can read it.
    pub fn danger_plain_http_cookie(mut self, name: &str) -> Self {
        match CookieName::danger_plain_http(name) {
            Some(name) => self.http.cookie = name,
            None => self.refused_cookie = Some(name.to_owned()),
        }
        self
    }

    /// The realm in `WWW-Authenticate`. Default: `logout-all`.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.http.realm = realm.into();
        self
    }

    /// An origin of another host or port whose pages may send unsafe requests with the cookie,
    /// such as `https://app.example`. Default: none but the application's own.
    pub fn trusted_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Host and port that browsers see, where a proxy changes `Host`. Default: the request's own.
    pub fn public_authority(mut self, authority: impl Into<String>) -> Self {
        self.http.public_authority = Some(authority.into());
        self
    }

    /// Turns the cross-site rule off: the application must have a CSRF protection of its own.
    pub fn danger_allow_cross_site(mut self) -> Self {
        self.http.cross_site = CrossSite::DangerAllowed;
        self
    }

    /// Lets page loads renew a cookie that is due, for applications without script. Needs the
    /// adapter's layer, middleware or fairing. Default: off.
    pub fn renew_in_passing(mut self) -> Self {
        self.http.passing = PassingRenewal::On;
        self
    }

    /// The application's own answer to a denial on its own routes: a page, a redirect to the
    /// sign-in; `None` keeps the problem document. Default: always the problem document.
    pub fn on_denied(
        mut self,
        answer: impl Fn(Denied, &Presented<'_>) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        self.http.on_denied = Some(Arc::new(answer));
        self
    }

    /// Keeps the client's address, as the adapter gives it, in the device list. Default: not kept.
    pub fn keep_client_address(mut self) -> Self {
        self.http.store_peer = StorePeer::Yes;
        self
    }

    /// A clock that tests can move, in place of the machine's.
    pub fn danger_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the settings, asks the store once, and starts the tasks on this Tokio runtime.
    ///
    /// # Errors
    /// [`BuildError`]: contradictory settings, a store that does not answer, no runtime.
    pub async fn build(mut self) -> Result<Sessions, BuildError> {
        let policy = self.draft.resolve()?;
        self.check_names()?;
        self.http.trusted_origins = parse_origins(&self.origins)?;
        let audience = self.audience.as_deref();
        let codec = TokenCodec::new(self.keys, &self.issuer, audience, policy.leeway)?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        if let Mode::Cached(cached) = &self.mode {
            cached.check(&policy, self.store.journal_order())?;
        }
        self.store.ping().await?;

        metrics::describe();
        let events = Events::new(self.sink);
        let info = self.store.info();
        tracing::info!(
            store = info.name,
            version = info.version,
            connections = info.connections,
            "sessions are ready"
        );
        let (follower, cache) = follow(&*self.store, &self.mode).await?;
        let purges = cache.clone().map(|cache| cache as Arc<dyn Purges>);
        let following = Following { follower, cache: purges };
        let (store, directory) = (self.store.clone(), self.directory.clone());
        let reader = Reader { store, directory, events: events.clone() };
        let background = Background::start(runtime, &reader, self.clock.clone(), following);
        Ok(Sessions {
            inner: Arc::new(Inner {
                store: self.store,
                directory: self.directory,
                claims_source: self.claims_source,
                codec,
                policy,
                clock: self.clock,
                events,
                http: self.http,
                background,
                cache,
                draining: AtomicBool::new(false),
            }),
        })
    }

    /// These texts go into every token or header: one odd character there would break them all.
    fn check_names(&self) -> Result<(), Usage> {
        let named = |what: &str, text: &str, most: usize| {
            let odd = |c: char| c.is_control() || c == '"' || c == '\\';
            if text.is_empty() || text.len() > most || text.contains(odd) {
                let why = format!(
                    "the {what} must have 1 to {most} bytes and no quotes, backslashes or control \
                     characters; it is {text:?}"
                );
                return Err(Usage::OutOfRange(why.into()));
            }
            Ok(())
        };
        if let Some(name) = &self.refused_cookie {
            let why = format!(
                "{name:?} cannot be the name of a cookie: use 1 to 64 letters, digits, `-`, `_` \
                 or `.`"
            );
            return Err(Usage::OutOfRange(why.into()));
        }
        named("issuer", &self.issuer, 256)?;
        named("realm", &self.http.realm, 128)?;
        if !self.http.realm.is_ascii() {
            return Err(Usage::OutOfRange("the realm must be ASCII".into()));
        }
        if let Some(audience) = &self.audience {
            named("audience", audience, 256)?;
        }
        if let Some(authority) = &self.http.public_authority {
            named("public authority", authority, 256)?;
            if authority.contains(|c: char| c.is_whitespace() || "/?#@".contains(c)) {
                let why = format!(
                    "the public authority is host and perhaps port, such as app.example or \
                     app.example:8443; it is {authority:?}"
                );
                return Err(Usage::OutOfRange(why.into()));
            }
        }
        Ok(())
    }
}

/// What follows the journal, and in cached mode the cache: the lease that this node wants is stored,
/// and so waited for by every logout, before the first poll is sent.
async fn follow(
    store: &dyn DynStore,
    mode: &Mode,
) -> Result<(Arc<Follower>, Option<Arc<Cache<Proof>>>), StoreError> {
    let held = Arc::new(Held::new());
    let Mode::Cached(cached) = mode else {
        let marks = Arc::new(Marks::new(1));
        return Ok((Arc::new(Follower::new(Duration::ZERO, POLLED, held, marks)), None));
    };
    store.raise_lease(cached.length()).await?;
    let marks = Arc::new(Marks::new(Marks::PLACES));
    let (entries, bytes) = cached.room();
    let cache = Arc::new(Cache::new(entries, bytes, held.clone(), marks.clone()));
    let follower = Arc::new(Follower::new(cached.length(), POLLED, held, marks));
    Ok((follower, Some(cache)))
}

fn parse_origins(texts: &[String]) -> Result<Vec<Origin>, Usage> {
    let parse = |text: &String| {
        Origin::parse(text).ok_or_else(|| {
            let why = format!(
                "{text:?} is no origin: write scheme, host and perhaps port in lower case, such as \
                 https://app.example"
            );
            Usage::OutOfRange(why.into())
        })
    };
    texts.iter().map(parse).collect()
}

impl std::fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionsBuilder")
            .field("store", &self.store.info().name)
            .field("issuer", &self.issuer)
            .field("draft", &self.draft)
            .field("http", &self.http)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
