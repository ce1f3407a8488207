//! The sign-in on the application's own login route.

use std::fmt;

use serde::Serialize;

use super::{Refusal, answers::token_answer};
use crate::{
    scheme::{Denied, Guid, Persistence, Usage, UserId},
    sessions::{AuthError, ClientInfo, LoginTicket, Sessions, TokenAge},
    wire::{Presented, RawToken, Reply, Transport},
};

/// A request to sign in: who asks, over which transport, and the sessions that the login replaces
/// because their tokens came along.
#[derive(Clone, Debug)]
pub struct SignInRequest {
    sessions: Sessions,
    client: ClientInfo,
    transport: Transport,
    /// Of the replaced sessions, those whose token came by cookie.
    by_cookie: Vec<(UserId, Guid)>,
}

/// A sign-in whose ticket is taken: check the password, then [`finish`](OpenSignIn::finish).
#[derive(Clone, Debug)]
#[must_use = "a sign-in that is not finished signs nobody in"]
pub struct OpenSignIn {
    request: SignInRequest,
    ticket: LoginTicket,
}

impl Sessions {
    /// Reads a request to the application's login route. Malformed, doubled or expired tokens
    /// beside the credentials are ignored; valid ones will be replaced by the login.
    ///
    /// # Errors
    /// [`Denied::CrossSite`]: nobody can be signed in by another site.
    pub fn sign_in(&self, presented: &Presented<'_>) -> Result<SignInRequest, Refusal> {
        if self.is_cross_site(presented) {
            return Err(self.refuse(Denied::CrossSite.into(), presented));
        }
        let http = self.http();
        let mut client = self.client_of(presented);
        let tokens = presented.every_token(http.transports, &http.cookie);
        client.replaces = self.named_by(&tokens, TokenAge::Unspent);
        let is_cookie = |token: &RawToken<'_>| token.transport == Transport::Cookie;
        let cookies: Vec<_> = tokens.into_iter().filter(is_cookie).collect();
        let by_cookie = self.named_by(&cookies, TokenAge::Unspent);
        let transport = http.transports.default_transport();
        Ok(SignInRequest { sessions: self.clone(), client, transport, by_cookie })
    }
}

impl SignInRequest {
    /// Answers over that transport. Default: Bearer if that is on, else the cookie.
    pub fn over(&self, transport: Transport) -> Self {
        Self { transport, ..self.clone() }
    }

    /// What the client says of itself.
    pub fn client(&self) -> &ClientInfo {
        &self.client
    }

    /// Takes the ticket, **before the password hash is read**. For an unknown name pass none: it
    /// costs the same and cannot be finished.
    ///
    /// # Errors
    /// [`AuthError::Store`]; [`Usage`] for an id that cannot be one, or a transport that is off.
    pub async fn begin(&self, user: Option<impl fmt::Display>) -> Result<OpenSignIn, AuthError> {
        self.check_transport()?;
        let ticket = self.sessions.begin_login(user).await?;
        Ok(OpenSignIn { request: self.clone(), ticket })
    }

    /// Continues with a ticket that the application made itself ([`LoginTicket::from_epoch`]).
    ///
    /// # Errors
    /// [`Usage::TransportOff`].
    pub fn with_ticket(&self, ticket: LoginTicket) -> Result<OpenSignIn, Usage> {
        self.check_transport()?;
        Ok(OpenSignIn { request: self.clone(), ticket })
    }

    /// Before anything is stored: the answer could not hand the token out.
    fn check_transport(&self) -> Result<(), Usage> {
        if self.sessions.http().transports.allows(self.transport) {
            return Ok(());
        }
        Err(Usage::TransportOff(match self.transport {
            Transport::Bearer => "Bearer",
            Transport::Cookie => "cookie",
        }))
    }
}

impl OpenSignIn {
    /// Changes this login's options: limits, persistence, device limit.
    ///
    /// ```
    /// # use logout_all::{http::OpenSignIn, Persistence};
    /// # use std::time::Duration;
    /// # fn example(sign_in: OpenSignIn, remember_me: bool) -> OpenSignIn {
    /// if remember_me { sign_in } else {
    ///     sign_in.options(|ticket| ticket.persistence(Persistence::BrowserSession))
    /// }
    /// # }
    /// ```
    pub fn options(mut self, change: impl FnOnce(LoginTicket) -> LoginTicket) -> Self {
        self.ticket = change(self.ticket);
        self
    }

    /// The ticket's session ends with the browser ("remember me" unchecked).
    pub fn for_this_browser_session(self) -> Self {
        self.options(|ticket| ticket.persistence(Persistence::BrowserSession))
    }

    /// Signs in, with the application's `claims` (`&()` for none): the token answer.
    ///
    /// # Errors
    /// As [`Sessions::login`].
    pub async fn finish(self, claims: &(impl Serialize + ?Sized)) -> Result<Reply, AuthError> {
        let SignInRequest { sessions, client, transport, by_cookie } = self.request;
        let signed_in = sessions.login(self.ticket, client, claims).await?;
        let mut reply = token_answer(&sessions, &signed_in.issued, transport, &signed_in.evicted);
        let cookie_ended = signed_in.replaced.iter().any(|ended| by_cookie.contains(ended));
        if transport == Transport::Bearer && cookie_ended {
            // Or every later request would carry both.
            reply = reply.with_header("Set-Cookie", sessions.http().cookie.clear());
        }
        Ok(reply)
    }
}
