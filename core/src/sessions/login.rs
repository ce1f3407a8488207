//! Signing in: a ticket before the password hash is read, a row and a token after.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::{AuthError, Issued, Sessions, issued::times_of};
use crate::{
    events::Event,
    scheme::{
        By, Denied, DeviceLimit, EndReason, Epochs, Guid, Limits, Persistence, RefTokId, Usage,
        UserAgent, UserId, whole_seconds,
    },
    store::{Ending, Inserted, NewSession, Scope},
    token::{AppClaims, TokenClaims},
};

/// The right to finish one login, taken **before the password hash is read**: if the user is
/// logged out everywhere in between, the login fails. Lives ten minutes.
///
/// ```
/// # use logout_all::{ClientInfo, Keys, MemoryStore, Persistence, Sessions};
/// # use std::time::Duration;
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
/// # let sessions = Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
/// let ticket = sessions.begin_login(Some(42)).await?;
/// // Read the hash and check the password here. Without "remember me":
/// let ticket = ticket.idle(Duration::from_secs(8 * 3600)).persistence(Persistence::BrowserSession);
/// let login = sessions.login(ticket, ClientInfo::default(), &()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a login is finished with Sessions::login"]
pub struct LoginTicket {
    user: Option<UserId>,
    epochs: Epochs,
    began_at: SystemTime,
    idle: Option<Duration>,
    absolute: Option<Duration>,
    persistence: Option<Persistence>,
    device_limit: Option<DeviceLimit>,
}

impl LoginTicket {
    /// A ticket from the epochs that the application read in the same statement as its password
    /// hash (`docs/scheme.md`, "Tickets"): the user's (none if there is no row), everybody's, and
    /// the store's clock in that statement.
    ///
    /// # Errors
    /// [`Usage::UserId`].
    pub fn from_epoch(
        user: impl fmt::Display,
        user_epoch: Option<i64>,
        global_epoch: i64,
        read_at: SystemTime,
    ) -> Result<Self, Usage> {
        let epochs = Epochs { user: user_epoch.unwrap_or(0), global: global_epoch };
        Ok(Self::new(Some(UserId::new(user)?), epochs, read_at))
    }

    fn new(user: Option<UserId>, epochs: Epochs, began_at: SystemTime) -> Self {
        Self {
            user,
            epochs,
            began_at,
            idle: None,
            absolute: None,
            persistence: None,
            device_limit: None,
        }
    }

    /// This session's idle limit.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// This session's absolute limit.
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = Some(absolute);
        self
    }

    /// Whether this session's cookie outlives the browser.
    pub fn persistence(mut self, persistence: Persistence) -> Self {
        self.persistence = Some(persistence);
        self
    }

    /// How many devices this user may have.
    pub fn device_limit(mut self, limit: DeviceLimit) -> Self {
        self.device_limit = Some(limit);
        self
    }

    fn limits(&self, usual: Limits) -> Limits {
        Limits {
            idle: self.idle.unwrap_or(usual.idle),
            absolute: self.absolute.unwrap_or(usual.absolute),
            persistence: self.persistence.unwrap_or(usual.persistence),
        }
    }
}

/// What a client says of itself at a login or a renewal.
#[derive(Clone, Debug, Default)]
pub struct ClientInfo {
    pub(crate) user_agent: Option<UserAgent>,
    pub(crate) ip: Option<String>,
    /// Sessions whose validly signed tokens were presented with the login: it replaces them.
    pub(crate) replaces: Vec<(UserId, Guid)>,
}

impl ClientInfo {
    /// With the bytes of the `User-Agent` header; cleaned and cut to 256 bytes.
    pub fn user_agent(mut self, bytes: &[u8]) -> Self {
        self.user_agent = UserAgent::from_bytes(bytes);
        self
    }

    /// With the client's address, to be kept in the device list.
    pub fn address(mut self, address: std::net::IpAddr) -> Self {
        self.ip = Some(address.to_string());
        self
    }
}

/// A finished login.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The token.
    pub issued: Issued,
    /// Sessions that made room under the device limit.
    pub evicted: Vec<Guid>,
    /// Sessions that the login replaced.
    pub replaced: Vec<(UserId, Guid)>,
}

impl Sessions {
    /// Starts a login: reads both epochs and writes nothing. Call it before the password hash is
    /// read, with the user's id, or with none for an unknown name: that does the same work and
    /// gives a ticket that cannot finish.
    ///
    /// # Errors
    /// [`AuthError::Store`]; [`Usage::UserId`].
    pub async fn begin_login(
        &self,
        user: Option<impl fmt::Display>,
    ) -> Result<LoginTicket, AuthError> {
        let user = user.map(UserId::new).transpose()?;
        let read = self.read(self.store().epochs(user.as_ref()).await)?;
        Ok(LoginTicket::new(user, read.epochs, read.now))
    }

    /// Finishes a login: stores the device session, under the device limit, and signs its first
    /// token with the application's `claims` (`&()` for none). Then ends the sessions that it
    /// replaces.
    ///
    /// # Errors
    /// [`Denied::LoginOvertaken`], [`Denied::DeviceLimit`], [`Denied::CredentialsInvalid`] for a
    /// ticket without a user; [`AuthError::Store`]; [`Usage`] for claims that cannot be, or limits
    /// that contradict each other. Nothing is stored then.
    pub async fn login(
        &self,
        ticket: LoginTicket,
        client: ClientInfo,
        claims: &(impl Serialize + ?Sized),
    ) -> Result<SignedIn, AuthError> {
        let app = AppClaims::from_value(claims)?;
        let Some(user) = ticket.user.clone() else {
            return Err(Denied::CredentialsInvalid.into());
        };
        let policy = &self.inner.policy;
        let limits = ticket.limits(policy.limits());
        policy.admits(limits)?;
        if let Some(DeviceLimit::Evict(0) | DeviceLimit::Refuse(0)) = ticket.device_limit {
            return Err(Usage::OutOfRange("the device limit must be at least 1".into()).into());
        }
        let (same, others): (Vec<_>, Vec<_>) =
            client.replaces.into_iter().partition(|(of, _)| *of == user);
        let login = NewSession {
            user,
            guid: Guid::random(),
            ref_tok_id: RefTokId::random(),
            epochs: ticket.epochs,
            began_at: ticket.began_at,
            limits,
            token_lifetime: policy.token_lifetime(),
            device_limit: ticket.device_limit.unwrap_or(policy.device_limit),
            replaces: same.into_iter().map(|(_, guid)| guid).collect(),
            user_agent: client.user_agent,
            ip: client.ip,
        };
        self.check_issuable(&login, &app)?;
        let sessions = self.clone();
        self.whole(async move { sessions.store_login(&login, app, others).await }).await
    }

    /// A token that would be refused is never issued: found out before anything is stored.
    fn check_issuable(&self, login: &NewSession, app: &AppClaims) -> Result<(), AuthError> {
        let now = whole_seconds(login.began_at);
        let claims = TokenClaims {
            user: login.user.clone(),
            guid: login.guid,
            ref_tok_id: login.ref_tok_id,
            issued_at: now,
            expires_at: now + login.token_lifetime.as_secs().max(1),
            auth_time: now,
            app: app.clone(),
        };
        self.inner.codec.issue(&claims, self.cookie_bytes())?;
        Ok(())
    }

    async fn store_login(
        &self,
        login: &NewSession,
        app: AppClaims,
        others: Vec<(UserId, Guid)>,
    ) -> Result<SignedIn, AuthError> {
        let inserted = self.written(self.store().insert(login).await)?;
        let (row, evicted, same) = match inserted {
            Inserted::Stored { row, evicted, replaced } => (row, evicted, replaced),
            Inserted::Overtaken => return Err(Denied::LoginOvertaken.into()),
            Inserted::LimitReached => return Err(Denied::DeviceLimit.into()),
        };
        let issued = self.issue(&row, row.ref_tok_id, times_of(&row), app, row.token_issued_at)?;
        self.tell(&Event::SignedIn {
            user: row.user.clone(),
            guid: row.guid,
            user_agent: row.user_agent.as_ref().map(ToString::to_string),
            ip: row.ip.clone(),
        });
        if !evicted.is_empty() || !same.is_empty() {
            self.forget(&row.user);
        }
        self.tell_ended_by_policy(&row.user, &evicted, EndReason::Evicted);
        self.tell_ended_by_policy(&row.user, &same, EndReason::Replaced);
        let mut replaced: Vec<_> = same.into_iter().map(|guid| (row.user.clone(), guid)).collect();
        replaced.extend(self.end_replaced(others).await);
        Ok(SignedIn { issued, evicted, replaced })
    }

    /// The login stands whatever becomes of another user's session in the same browser; a failure
    /// is told by `watch`, and that session ends with its idle limit. All of them settle together.
    async fn end_replaced(&self, others: Vec<(UserId, Guid)>) -> Vec<(UserId, Guid)> {
        if others.is_empty() {
            return others;
        }
        let (mut ended, mut committed) = (Vec::new(), false);
        for (user, guid) in others {
            let ending = Ending {
                user: user.clone(),
                scope: Scope::Device(guid),
                reason: EndReason::Replaced,
                by: By::Policy,
            };
            match self.commit(&ending).await {
                Ok(outcome) => {
                    committed = true;
                    if !outcome.guids.is_empty() {
                        ended.push((user, guid));
                    }
                }
                Err(error) => tracing::warn!(%user, %guid, %error, "a replaced session lives on"),
            }
        }
        if committed && let Err(error) = self.settle().await {
            tracing::warn!(%error, "a replaced session lives on for a lease");
        }
        ended
    }

    fn tell_ended_by_policy(&self, user: &UserId, guids: &[Guid], reason: EndReason) {
        for guid in guids {
            self.tell(&Event::Ended {
                user: Some(user.clone()),
                guids: vec![*guid],
                scope: Some(Scope::Device(*guid)),
                reason,
                by: By::Policy,
            });
        }
    }
}
