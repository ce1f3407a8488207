//! How an application presents tokens and answers: transports, cookie, realm, origins.

use std::{fmt, sync::Arc};

use super::{CookieName, CrossSite, Origin, Presented, Reply, cross_site::Home};
use crate::scheme::Denied;

/// How one token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `Authorization: Bearer` (RFC 6750).
    Bearer,
    /// The session cookie.
    Cookie,
}

/// Which transports the application allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transports {
    /// Bearer tokens alone.
    Bearer,
    /// The cookie alone.
    Cookie,
    /// Either; never both at once.
    #[default]
    Both,
}

impl Transports {
    pub(crate) fn bearer(self) -> bool {
        self != Self::Cookie
    }

    pub(crate) fn cookie(self) -> bool {
        self != Self::Bearer
    }

    pub(crate) fn allows(self, transport: Transport) -> bool {
        match transport {
            Transport::Bearer => self.bearer(),
            Transport::Cookie => self.cookie(),
        }
    }

    /// What a login uses that says nothing: Bearer if that is on.
    pub(crate) fn default_transport(self) -> Transport {
        if self.bearer() { Transport::Bearer } else { Transport::Cookie }
    }
}

/// Whether page loads renew the cookie by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassingRenewal {
    /// They do, for applications without script.
    On,
    /// They do not: the client calls `POST /session/renew`.
    Off,
}

/// The application's own answer to a denial on its own routes: a page, a redirect; none keeps the
/// library's.
pub(crate) type OnDenied = Arc<dyn Fn(Denied, &Presented<'_>) -> Option<Reply> + Send + Sync>;

/// Everything about HTTP that an application may set. The builder of `Sessions` fills it in.
#[derive(Clone)]
pub struct HttpConfig {
    pub(crate) transports: Transports,
    pub(crate) cookie: CookieName,
    pub(crate) realm: String,
    pub(crate) trusted_origins: Vec<Origin>,
    pub(crate) public_authority: Option<String>,
    pub(crate) cross_site: CrossSite,
    pub(crate) passing: PassingRenewal,
    pub(crate) on_denied: Option<OnDenied>,
    pub(crate) store_peer: StorePeer,
}

/// Whether the client's address is kept in the device list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorePeer {
    Yes,
    No,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            transports: Transports::default(),
            cookie: CookieName::host_session(),
            realm: "logout-all".to_owned(),
            trusted_origins: Vec::new(),
            public_authority: None,
            cross_site: CrossSite::Refused,
            passing: PassingRenewal::Off,
            on_denied: None,
            store_peer: StorePeer::No,
        }
    }
}

impl HttpConfig {
    pub(crate) fn home(&self) -> Home<'_> {
        Home { trusted: &self.trusted_origins, public_authority: self.public_authority.as_deref() }
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("transports", &self.transports)
            .field("cookie", &self.cookie.as_str())
            .field("realm", &self.realm)
            .field("trusted_origins", &self.trusted_origins)
            .field("public_authority", &self.public_authority)
            .field("cross_site", &self.cross_site)
            .field("passing", &self.passing)
            .finish_non_exhaustive()
    }
}
