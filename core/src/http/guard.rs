//! The guard of the application's own routes.

use std::fmt;

use crate::{
    scheme::Denied,
    sessions::{AuthError, ClientInfo, Sessions, Verified},
    wire::{CrossSite, Presentation, Presented, Problem, RawToken, Reply, StorePeer, is_refused},
};

/// A refusal with its answer, rendered where realm and transport are known. Boxed: the usual case
/// is a session.
#[derive(Clone)]
pub struct Refusal(Box<Inside>);

#[derive(Clone)]
struct Inside {
    error: AuthError,
    reply: Reply,
}

impl Refusal {
    /// A refusal of that error. Usage errors are logged here: the client learns only that the
    /// service is misconfigured.
    pub fn new(error: AuthError, sessions: &Sessions) -> Self {
        Self::with_realm(error, &sessions.http().realm)
    }

    /// The same where no `Sessions` is at hand: the challenge names the default realm.
    pub fn without_sessions(error: AuthError) -> Self {
        Self::with_realm(error, "logout-all")
    }

    fn with_realm(error: AuthError, realm: &str) -> Self {
        let problem = match &error {
            AuthError::Denied(denied) => Problem::from(*denied),
            AuthError::Store(_) => Problem::StoreUnavailable,
            AuthError::Usage(usage) => {
                tracing::error!(%usage, "the application uses logout-all wrongly");
                Problem::Misconfigured
            }
        };
        let reply = problem.reply(realm);
        Self(Box::new(Inside { error, reply }))
    }

    /// Why.
    pub fn error(&self) -> &AuthError {
        &self.0.error
    }

    /// The answer.
    pub fn reply(&self) -> &Reply {
        &self.0.reply
    }

    /// The answer.
    pub fn into_reply(self) -> Reply {
        self.0.reply
    }

    fn answered_by(mut self, reply: Reply) -> Self {
        self.0.reply = reply;
        self
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("error", &self.0.error).finish_non_exhaustive()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.error.fmt(f)
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.error)
    }
}

impl Sessions {
    /// Verifies the request of an application's own route: the cross-site rule where it presents
    /// the cookie, the presentation, then the token.
    ///
    /// # Errors
    /// A [`Refusal`]: also where nothing is presented.
    pub async fn authenticate(&self, presented: &Presented<'_>) -> Result<Verified, Refusal> {
        match self.authenticate_if_presented(presented).await? {
            Some(session) => Ok(session),
            None => Err(self.refuse(Denied::TokenMissing.into(), presented)),
        }
    }

    /// The same, and none where no token is presented. Everything else is refused as usual: an
    /// outage must not turn a user into a guest.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub async fn authenticate_if_presented(
        &self,
        presented: &Presented<'_>,
    ) -> Result<Option<Verified>, Refusal> {
        let refuse = |error| self.refuse(error, presented);
        let Some(token) = self.presented_token(presented).map_err(|d| refuse(d.into()))? else {
            return Ok(None);
        };
        let client = || self.client_of(presented);
        let verified = self.verify_from(token.expose(), Some(token.transport), client).await;
        verified.map(Some).map_err(refuse)
    }

    /// The one token of an application's request, after the cross-site rule.
    pub(super) fn presented_token<'r>(
        &self,
        presented: &Presented<'r>,
    ) -> Result<Option<RawToken<'r>>, Denied> {
        let http = self.http();
        if presented.presents_cookie(http.transports, &http.cookie) && self.is_cross_site(presented)
        {
            return Err(Denied::CrossSite);
        }
        match presented.token(http.transports, &http.cookie) {
            Presentation::Absent => Ok(None),
            Presentation::Malformed => Err(Denied::RequestMalformed),
            Presentation::Token(token) => Ok(Some(token)),
        }
    }

    pub(super) fn is_cross_site(&self, presented: &Presented<'_>) -> bool {
        let http = self.http();
        http.cross_site == CrossSite::Refused
            && is_refused(presented, http.transports, &http.cookie, http.home())
    }

    /// What the client says of itself.
    pub(super) fn client_of(&self, presented: &Presented<'_>) -> ClientInfo {
        let mut client = ClientInfo::default();
        if let Some(agent) = presented.user_agent() {
            client = client.user_agent(agent);
        }
        match (presented.peer_address(), self.http().store_peer) {
            (Some(address), StorePeer::Yes) => client.address(address),
            _ => client,
        }
    }

    /// A refusal on an application's route, which may have an answer of its own.
    pub(super) fn refuse(&self, error: AuthError, presented: &Presented<'_>) -> Refusal {
        tracing::debug!(%error, "refused");
        let own = match (&error, &self.http().on_denied) {
            (AuthError::Denied(denied), Some(answer)) => answer(*denied, presented),
            _ => None,
        };
        let refusal = Refusal::new(error, self);
        match own {
            Some(reply) => refusal.answered_by(reply),
            None => refusal,
        }
    }
}
