//! A token for a row, at a login and at a renewal: signed, with what its client needs to know.

use std::time::{Duration, SystemTime};

use super::{AuthError, Sessions};
use crate::{
    scheme::{Guid, Persistence, RefTokId, SessionRow, TokenTimes, elapsed, later, whole_seconds},
    token::{AppClaims, Token, TokenClaims},
};

/// A token that was just handed out, and what its client needs to know.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// Its device session.
    pub guid: Guid,
    /// How long it lasts from now, in whole seconds.
    pub expires_in: Duration,
    /// When to renew it, from now, in whole seconds: 80 % of its lifetime, never past the end of
    /// the session.
    pub renew_after: Duration,
    /// `Max-Age` of its cookie; none for a session that ends with the browser.
    pub cookie_max_age: Option<Duration>,
}

impl Sessions {
    /// Signs a token for that row, and says what its client needs to know at `now`.
    pub(super) fn issue(
        &self,
        row: &SessionRow,
        ref_tok_id: RefTokId,
        times: TokenTimes,
        app: AppClaims,
        now: SystemTime,
    ) -> Result<Issued, AuthError> {
        let (iat, exp) = (whole_seconds(times.issued_at), whole_seconds(times.expires_at));
        let claims = TokenClaims {
            user: row.user.clone(),
            guid: row.guid,
            ref_tok_id,
            issued_at: iat,
            expires_at: exp,
            auth_time: whole_seconds(row.auth_time),
            app,
        };
        let token = self.inner.codec.issue(&claims, self.cookie_bytes())?;
        let (now_seconds, renew_at) = (whole_seconds(now), self.renew_at((iat, exp), row));
        let absolute_end = later(row.created_at, row.limits.absolute);
        let max_age = row.limits.idle.min(elapsed(now, absolute_end));
        Ok(Issued {
            token,
            guid: row.guid,
            expires_in: Duration::from_secs(exp.saturating_sub(now_seconds)),
            renew_after: Duration::from_secs(renew_at.saturating_sub(now_seconds)),
            cookie_max_age: (row.limits.persistence == Persistence::Persistent).then_some(max_age),
        })
    }

    /// When a token of that row should be renewed, in whole seconds since 1970: at 80 % of its
    /// lifetime, no sooner than a renewal would give a new one, never past the end of the session.
    pub(super) fn renew_at(&self, (iat, exp): (u64, u64), row: &SessionRow) -> u64 {
        let due = iat + exp.saturating_sub(iat) * 4 / 5;
        let rotatable = match row.generation {
            0 => iat,
            _ => whole_seconds(later(row.token_issued_at, self.policy().interval)) + 1,
        };
        due.max(rotatable).min(whole_seconds(row.expires_at))
    }

    /// What the cookie's name takes from the room for the token.
    pub(super) fn cookie_bytes(&self) -> usize {
        let http = self.http();
        if http.transports.cookie() { http.cookie.as_str().len() + 1 } else { 0 }
    }
}

/// The times of the token that the row last handed out.
pub(super) fn times_of(row: &SessionRow) -> TokenTimes {
    TokenTimes { issued_at: row.token_issued_at, expires_at: row.token_expires_at }
}
