//! Renewal in passing, for applications without script: a page load renews a cookie that is due.

use super::{Refusal, answers::set_cookie};
use crate::{
    scheme::Denied,
    sessions::{Activity, AuthError, CookieNews, OnReuse, Renewed, Sessions, Verified},
    wire::{PassingRenewal, Presented, Provenance, RawToken, Transport, provenance},
};

/// A request that a layer, middleware or fairing lets through.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The session; none for an anonymous request, where those are let through.
    pub session: Option<Verified>,
    /// What to set on the response, unless the handler has set or cleared that cookie itself.
    pub renewed_cookie: Option<RenewedCookie>,
}

/// What becomes of a request that presents no token, where a subtree is guarded as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// 401 `token-missing`.
    #[default]
    Refused,
    /// It goes on without a session: pages that everybody may see. A token that is presented must be
    /// good all the same.
    LetThrough,
}

impl Anonymous {
    /// Whether that request goes on.
    pub fn lets_through(self, admitted: &Admitted) -> bool {
        self == Self::LetThrough || admitted.session.is_some()
    }
}

/// A cookie that was renewed in passing. Its `Debug` is redacted.
#[derive(Clone)]
pub struct RenewedCookie {
    name: String,
    set_cookie: String,
}

impl RenewedCookie {
    /// The value of `Set-Cookie`, or none where the response already has one for the same cookie:
    /// a handler that signs out has the last word.
    pub fn unless_set<'a>(&self, already: impl IntoIterator<Item = &'a [u8]>) -> Option<&str> {
        let ours = |value: &[u8]| {
            let name = value.split(|byte| *byte == b'=').next().unwrap_or_default();
            name.trim_ascii() == self.name.as_bytes()
        };
        (!already.into_iter().any(ours)).then_some(&self.set_cookie)
    }
}

impl std::fmt::Debug for RenewedCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RenewedCookie({})", self.name)
    }
}

impl Sessions {
    /// What a layer, middleware or fairing asks: like
    /// [`authenticate_if_presented`](Self::authenticate_if_presented), and with
    /// `renew_in_passing()` a cookie that is due, or past its `exp`, is renewed.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub async fn admit(
        &self,
        presented: &Presented<'_>,
        anonymous: Anonymous,
    ) -> Result<Admitted, Refusal> {
        let token = self.presented_token(presented);
        let token = token.map_err(|denied| self.refuse(denied.into(), presented))?;
        let admitted = match token {
            None => Ok(Admitted { session: None, renewed_cookie: None }),
            Some(token) => self.admit_token(token, presented).await,
        };
        let admitted = admitted.map_err(|error| self.refuse(error, presented))?;
        if anonymous.lets_through(&admitted) {
            Ok(admitted)
        } else {
            Err(self.refuse_anonymous(presented))
        }
    }

    async fn admit_token(
        &self,
        token: RawToken<'_>,
        presented: &Presented<'_>,
    ) -> Result<Admitted, AuthError> {
        let client = || self.client_of(presented);
        let verified = self.verify_from(token.expose(), Some(token.transport), client).await;
        if !self.may_renew_in_passing(token, presented) {
            return Ok(Admitted { session: Some(verified?), renewed_cookie: None });
        }
        match verified {
            Ok(session) if session.renew_after().is_zero() => {
                // The session stands whatever becomes of the renewal: the next page load tries
                // again.
                let renewed = self.renew_reacting(token.expose(), client(), OnReuse::Deny).await;
                let renewed_cookie = renewed.ok().and_then(|renewed| self.renewed_cookie(&renewed));
                Ok(Admitted { session: Some(session), renewed_cookie })
            }
            Err(AuthError::Denied(Denied::TokenExpired)) => {
                let renewed = self.renew(token.expose(), client()).await?;
                self.admit_renewed(&renewed, token.transport).await
            }
            // The page load that rotated was lost, and its cookie with it: the browser has only the
            // predecessor. A request that is merely late ends nothing.
            Err(AuthError::Denied(Denied::TokenSuperseded)) => {
                let renewed = self.renew_reacting(token.expose(), client(), OnReuse::Deny).await?;
                self.admit_renewed(&renewed, token.transport).await
            }
            verified => Ok(Admitted { session: Some(verified?), renewed_cookie: None }),
        }
    }

    /// The handler sees the session by the new token. Nobody has received that yet, so looking at
    /// it confirms nothing.
    async fn admit_renewed(
        &self,
        renewed: &Renewed,
        transport: Transport,
    ) -> Result<Admitted, AuthError> {
        let checked = self.check(renewed.issued.token.expose().as_bytes())?;
        let session = self.verify_checked(checked, Some(transport), Activity::None).await?;
        Ok(Admitted { session: Some(session), renewed_cookie: self.renewed_cookie(renewed) })
    }

    fn may_renew_in_passing(&self, token: RawToken<'_>, presented: &Presented<'_>) -> bool {
        let http = self.http();
        http.passing == PassingRenewal::On
            && token.transport == Transport::Cookie
            && provenance(presented, http.home()) == Provenance::Ours
    }

    fn renewed_cookie(&self, renewed: &Renewed) -> Option<RenewedCookie> {
        let name = self.http().cookie.as_str().to_owned();
        match renewed.cookie {
            CookieNews::Unchanged => None,
            CookieNews::Set => {
                Some(RenewedCookie { name, set_cookie: set_cookie(self, &renewed.issued) })
            }
        }
    }

    /// Refuses an anonymous request, where a layer lets none through.
    pub fn refuse_anonymous(&self, presented: &Presented<'_>) -> Refusal {
        self.refuse(Denied::TokenMissing.into(), presented)
    }
}
