//! Renewal: R1 to R5 of the scheme, decided on one read, done by one compare-and-swap, and
//! decided again where another renewal was faster.

use super::{AuthError, ClientInfo, Issued, Sessions, Verified, issued::times_of, user_data};
use crate::{
    events::Event,
    metrics,
    scheme::{
        By, Denied, EndReason, RefTokId, Renewal, RenewalKind, Reuse, SessionRow, Snapshot,
        TokenTimes, live_row, may_rotate, renewal,
    },
    store::{Ending, Remint, RemintOf, Rotation, Scope, StoreError, StoreErrorKind, Swap},
    token::{AppClaims, Freshness, Opened},
};

/// A lost race is decided again on a fresh read. Each loss means that another renewal of the same
/// session succeeded, after which a loser is answered without a swap: two rounds are usual.
const ROUNDS: usize = 32;

/// What a renewal gives.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// The token to use from now on.
    pub issued: Issued,
    /// By which rule.
    pub kind: RenewalKind,
    /// Whether a client that keeps the token in the cookie needs it set.
    pub(crate) cookie: CookieNews,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieNews {
    Set,
    Unchanged,
}

/// What a renewal does about R4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnReuse {
    /// What the policy says.
    React,
    /// Nothing: the request is denied as superseded, and may only be late.
    Deny,
}

/// One round of a renewal.
enum Round {
    Answer(Box<Renewed>),
    Reuse,
    LostRace,
}

/// What a re-mint is for.
struct Anew {
    of: RemintOf,
    times: TokenTimes,
}

impl Sessions {
    /// Renews a token, also one past its `exp`: the session's row decides. Any number of clients
    /// that share the token may renew at once: all get the same successor.
    ///
    /// # Errors
    /// [`Denied::TokenInvalid`]; [`Denied::SessionEnded`], also when the token was replaced long
    /// ago (reuse); [`AuthError::Store`], after which repeating is safe.
    pub async fn renew(&self, token: &[u8], client: ClientInfo) -> Result<Renewed, AuthError> {
        self.renew_reacting(token, client, OnReuse::React).await
    }

    pub(crate) async fn renew_reacting(
        &self,
        token: &[u8],
        client: ClientInfo,
        on_reuse: OnReuse,
    ) -> Result<Renewed, AuthError> {
        let renewed = async {
            let opened = self.open(token)?;
            let sessions = self.clone();
            self.whole(async move { sessions.renew_opened(&opened, &client, on_reuse).await }).await
        };
        let renewed = renewed.await;
        metrics::renewed(outcome_of(&renewed));
        renewed
    }

    async fn renew_opened(
        &self,
        opened: &Opened,
        client: &ClientInfo,
        on_reuse: OnReuse,
    ) -> Result<Renewed, AuthError> {
        for _ in 0..ROUNDS {
            match self.renewal_round(opened, client).await? {
                Round::Answer(renewed) => return Ok(*renewed),
                Round::Reuse if on_reuse == OnReuse::Deny => {
                    return Err(Denied::TokenSuperseded.into());
                }
                Round::Reuse => return Err(self.react_to_reuse(opened, client).await),
                Round::LostRace => {}
            }
        }
        Err(lost_every_race().into())
    }

    async fn renewal_round(
        &self,
        opened: &Opened,
        client: &ClientInfo,
    ) -> Result<Round, AuthError> {
        let claims = &opened.claims;
        let snapshot = self.snapshot(&claims.user, claims.guid).await?;
        let token = snapshot.row.as_ref().map(|row| row.ref_tok_id);
        let seen_here = token.and_then(|token| self.touches().seen_here(token));
        let decision = renewal(self.policy(), &snapshot, claims.ref_tok_id, seen_here);
        let (anew, kind) = match decision {
            Renewal::Denied(denied) => return Err(denied.into()),
            Renewal::Reuse => return Ok(Round::Reuse),
            Renewal::Rotate { times, extension } => {
                let Some(row) = &snapshot.row else { return Err(Denied::SessionEnded.into()) };
                let rotation = Rotation {
                    user: row.user.clone(),
                    guid: row.guid,
                    expected: row.ref_tok_id,
                    next: RefTokId::random(),
                    times,
                    extension,
                    auth_time: None,
                    user_agent: client.user_agent.clone(),
                };
                let issued = self.rotate(&snapshot, row, &rotation, &claims.app).await?;
                return Ok(answer(issued, RenewalKind::Rotated, CookieNews::Set));
            }
            Renewal::Coalesce { remint } => {
                self.queue_touch(&snapshot, client);
                (remint.map(|times| (times, RemintOf::Any)), RenewalKind::Coalesced)
            }
            Renewal::Replay { remint } => {
                (remint.map(|times| (times, RemintOf::Any)), RenewalKind::Replayed)
            }
            Renewal::Recover { times } => {
                (Some((times, RemintOf::Unconfirmed)), RenewalKind::Recovered)
            }
        };
        let Some(row) = live_row(&snapshot) else { return Err(Denied::SessionEnded.into()) };
        let app = self.renewed_claims(&row.user, user_data(&snapshot.user), &claims.app).await?;
        let issued = match anew {
            None => Some(self.issue(row, row.ref_tok_id, times_of(row), app, snapshot.now)?),
            Some((times, of)) => self.remint(row, &Anew { of, times }, app).await?,
        };
        let unchanged = kind == RenewalKind::Coalesced && opened.freshness == Freshness::Fresh;
        let cookie = if unchanged { CookieNews::Unchanged } else { CookieNews::Set };
        if let Some(issued) = &issued {
            self.tell(&Event::Renewed { user: row.user.clone(), guid: issued.guid, kind });
        }
        Ok(answer(issued, kind, cookie))
    }

    /// R1. The token is signed before the swap, so that nothing can fail after it. None: lost.
    async fn rotate(
        &self,
        snapshot: &Snapshot,
        row: &SessionRow,
        rotation: &Rotation,
        presented: &AppClaims,
    ) -> Result<Option<Issued>, AuthError> {
        let app = self.renewed_claims(&row.user, user_data(&snapshot.user), presented).await?;
        let mut after = row.clone();
        rotation.apply(&mut after);
        let issued = self.issue(&after, rotation.next, rotation.times, app, snapshot.now)?;
        let swapped = self.store().rotate(rotation).await;
        self.forget(&row.user);
        match self.written(swapped)? {
            Swap::Lost => Ok(None),
            Swap::Done(_) => {
                let (user, guid) = (row.user.clone(), row.guid);
                self.tell(&Event::Renewed { user, guid, kind: RenewalKind::Rotated });
                Ok(Some(issued))
            }
        }
    }

    /// Fresh times for the row's token. None: lost.
    async fn remint(
        &self,
        row: &SessionRow,
        anew: &Anew,
        app: AppClaims,
    ) -> Result<Option<Issued>, AuthError> {
        let now = anew.times.issued_at;
        let issued = self.issue(row, row.ref_tok_id, anew.times, app, now)?;
        let remint = Remint {
            user: row.user.clone(),
            guid: row.guid,
            expected: row.ref_tok_id,
            times: anew.times,
            auth_time: None,
            of: anew.of,
        };
        let swapped = self.store().remint(&remint).await;
        self.forget(&row.user);
        match self.written(swapped)? {
            Swap::Lost => Ok(None),
            Swap::Done(_) => Ok(Some(issued)),
        }
    }

    /// R4: somebody has a copy of a token. What ends is the policy's to say; the answer is that of
    /// any ended session.
    async fn react_to_reuse(&self, opened: &Opened, client: &ClientInfo) -> AuthError {
        let (user, guid) = (opened.claims.user.clone(), opened.claims.guid);
        let policy = self.policy().reuse;
        let scope = match policy {
            Reuse::EndDevice => Some(Scope::Device(guid)),
            Reuse::EndAll => Some(Scope::All),
            Reuse::DenyOnly => None,
        };
        let mut answer = Denied::SessionEnded.into();
        if let Some(scope) = scope {
            let (reason, by) = (EndReason::Reuse, By::Policy);
            let ending = Ending { user: user.clone(), scope, reason, by };
            if let Err(error) = self.end(&ending).await {
                answer = error;
            }
        }
        // Told also where the ending failed: the theft is a fact, and the next renewal ends it.
        let user_agent = client.user_agent.as_ref().map(ToString::to_string);
        self.tell(&Event::Reuse { user, guid, policy, user_agent });
        answer
    }

    /// The user has just shown a password again: a token with a new `auth_time`. Rotates only
    /// where a renewal would, otherwise mints the same refTokID again; called with the
    /// predecessor, it acts on the session's current token. Also for the fresh token that follows
    /// a password change.
    ///
    /// # Errors
    /// [`Denied::SessionEnded`], [`Denied::TokenSuperseded`]; [`AuthError::Store`].
    pub async fn reauthenticate(&self, session: &Verified) -> Result<Issued, AuthError> {
        let (sessions, session) = (self.clone(), session.clone());
        self.whole(async move {
            for _ in 0..ROUNDS {
                if let Some(issued) = sessions.reauthentication_round(&session).await? {
                    return Ok(issued);
                }
            }
            Err(lost_every_race().into())
        })
        .await
    }

    async fn reauthentication_round(
        &self,
        session: &Verified,
    ) -> Result<Option<Issued>, AuthError> {
        let snapshot = self.snapshot(session.user_id(), session.guid()).await?;
        let Some(row) = live_row(&snapshot) else { return Err(Denied::SessionEnded.into()) };
        let shown = session.ref_tok_id();
        if row.ref_tok_id != shown && row.prev_ref_tok_id != Some(shown) {
            return Err(Denied::TokenSuperseded.into());
        }
        let now = snapshot.now;
        let lifetime = self.policy().token_lifetime();
        let Some(times) = TokenTimes::at(now, lifetime, row.absolute_end()) else {
            return Err(Denied::SessionEnded.into());
        };
        if may_rotate(self.policy(), row, now) {
            let rotation = Rotation {
                user: row.user.clone(),
                guid: row.guid,
                expected: row.ref_tok_id,
                next: RefTokId::random(),
                times,
                extension: row.extension(now),
                auth_time: Some(now),
                user_agent: None,
            };
            return self.rotate(&snapshot, row, &rotation, session.app_claims()).await;
        }
        let data = user_data(&snapshot.user);
        let app = self.renewed_claims(&row.user, data, session.app_claims()).await?;
        let shown_now = SessionRow { auth_time: now, ..row.clone() };
        let issued = self.issue(&shown_now, row.ref_tok_id, times, app, now)?;
        let remint = Remint {
            user: row.user.clone(),
            guid: row.guid,
            expected: row.ref_tok_id,
            times,
            auth_time: Some(now),
            of: RemintOf::Any,
        };
        let swapped = self.store().remint(&remint).await;
        self.forget(&row.user);
        match self.written(swapped)? {
            Swap::Lost => Ok(None),
            Swap::Done(_) => Ok(Some(issued)),
        }
    }
}

/// The word for it, as metrics have it.
fn outcome_of(renewed: &Result<Renewed, AuthError>) -> &'static str {
    match renewed {
        Ok(renewed) => renewed.kind.as_str(),
        Err(AuthError::Denied(_)) => "denied",
        Err(AuthError::Store(_)) => "store-unavailable",
        Err(AuthError::Usage(_)) => "misconfigured",
    }
}

fn answer(issued: Option<Issued>, kind: RenewalKind, cookie: CookieNews) -> Round {
    match issued {
        None => Round::LostRace,
        Some(issued) => Round::Answer(Box::new(Renewed { issued, kind, cookie })),
    }
}

fn lost_every_race() -> StoreError {
    let message = "the session changed at every attempt to renew it; repeating is safe";
    StoreError::new(StoreErrorKind::Unavailable, message)
}
