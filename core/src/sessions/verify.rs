//! Verification: signature and claims, then one read of the store, and no write that is waited
//! for.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::de::DeserializeOwned;

use super::{AuthError, ClientInfo, Sessions, user_data};
use crate::{
    live::{Entry, Fill, unkept},
    metrics::Verification,
    scheme::{
        Denied, Guid, RefTokId, SessionRow, Snapshot, Usage, UserData, UserId, Verdict, elapsed,
        from_micros, from_seconds, to_micros, verdict, whole_seconds,
    },
    store::{Confirm, Touch},
    token::{AppClaims, Freshness, Opened},
    wire::{RawToken, Transport},
};

/// A session that was proven to be alive: the only way to one is a verification, so nobody asks
/// again. Cheap to clone.
#[derive(Clone)]
pub struct Verified {
    sessions: Sessions,
    proof: Entry<Proof>,
    transport: Option<Transport>,
    /// The store's clock at the verification, in microseconds since 1970.
    now: i64,
}

/// What a verification proves, as it may be kept (see `recall`). Instants are the store's, in
/// microseconds since 1970, as rows have them.
pub(crate) struct Proof {
    pub(super) user: UserId,
    guid: Guid,
    ref_tok_id: RefTokId,
    pub(super) app: AppClaims,
    pub(super) data: Option<UserData>,
    standing: Standing,
    /// `exp`, in whole seconds.
    pub(super) expires_at: u64,
    /// When the client should renew, in whole seconds of the store's clock.
    renew_at: u64,
    created_at: i64,
    auth_time: i64,
    row_expires_at: i64,
    /// What the store's clock said at this node's [`Moment::START`](crate::live::Moment::START).
    pub(super) origin: i64,
}

/// A token whose signature, claims and `exp` are good.
pub(crate) struct Checked<'t> {
    opened: Opened,
    token: &'t [u8],
    /// In cached mode: what the read may fill.
    fill: Option<Fill>,
}

/// Whether a verification shows that a client is there.
#[derive(Clone, Copy)]
pub(crate) enum Activity<'a> {
    /// It does, and has the token.
    Of(&'a ClientInfo),
    /// The server looks at a token that it has not handed out yet.
    None,
}

/// Which tokens name a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenAge {
    /// Those that are not past their `exp`.
    Unspent,
    /// All.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Current,
    Superseded,
}

impl Sessions {
    /// Verifies a token that was presented: size, header, key, signature, claims and `exp`, in
    /// this order and without the store; then whether its session lives and it is the current
    /// token, in one read.
    ///
    /// # Errors
    /// [`AuthError::Denied`] with [`Denied::TokenInvalid`], [`Denied::TokenExpired`],
    /// [`Denied::SessionEnded`] or [`Denied::TokenSuperseded`]; [`AuthError::Store`].
    pub async fn verify(&self, token: &[u8]) -> Result<Verified, AuthError> {
        self.verify_from(token, None, ClientInfo::default).await
    }

    /// The same over that transport. What the client says of itself is asked only where it may be
    /// written down.
    pub(crate) async fn verify_from(
        &self,
        token: &[u8],
        transport: Option<Transport>,
        client: impl FnOnce() -> ClientInfo,
    ) -> Result<Verified, AuthError> {
        if let Some(known) = self.recall(token, transport) {
            return Ok(known);
        }
        let checked = self.check(token)?;
        self.verify_checked(checked, transport, Activity::Of(&client())).await
    }

    /// The half of a verification that needs no store.
    pub(crate) fn check<'t>(&self, token: &'t [u8]) -> Result<Checked<'t>, Denied> {
        // Begun before a key is looked for: one that is forgotten meanwhile empties the cache.
        let fill = self.begin_fill();
        let opened = self.open(token).inspect_err(|_| self.count(Verification::Invalid))?;
        match opened.freshness {
            Freshness::Spent => {
                self.count(Verification::Expired);
                Err(Denied::TokenExpired)
            }
            Freshness::Fresh => Ok(Checked { opened, token, fill }),
        }
    }

    /// The half that asks the store.
    pub(crate) async fn verify_checked(
        &self,
        checked: Checked<'_>,
        transport: Option<Transport>,
        activity: Activity<'_>,
    ) -> Result<Verified, AuthError> {
        let answer = self.prove(checked, transport, activity).await;
        // A token that the server looks at itself was presented by nobody.
        if let Activity::Of(_) = activity {
            self.count(kind_of(&answer));
        }
        answer
    }

    async fn prove(
        &self,
        Checked { opened, token, fill }: Checked<'_>,
        transport: Option<Transport>,
        activity: Activity<'_>,
    ) -> Result<Verified, AuthError> {
        let claims = opened.claims;
        let snapshot = self.snapshot(&claims.user, claims.guid).await?;
        let standing = match verdict(self.policy(), &snapshot, claims.ref_tok_id) {
            Verdict::Denied(denied) => return Err(denied.into()),
            Verdict::Superseded => Standing::Superseded,
            Verdict::Current => {
                if let Activity::Of(client) = activity {
                    self.queue_touch(&snapshot, client);
                }
                Standing::Current
            }
        };
        let Some(row) = &snapshot.row else { return Err(Denied::SessionEnded.into()) };
        let times = (claims.issued_at, claims.expires_at);
        let renew_at = match standing {
            Standing::Current => self.renew_at(times, row),
            Standing::Superseded => 0,
        };
        let proof = Proof {
            user: claims.user,
            guid: claims.guid,
            ref_tok_id: claims.ref_tok_id,
            app: claims.app,
            data: user_data(&snapshot.user).cloned(),
            standing,
            expires_at: claims.expires_at,
            renew_at,
            created_at: to_micros(row.created_at),
            auth_time: to_micros(row.auth_time),
            row_expires_at: to_micros(row.expires_at),
            origin: 0,
        };
        let proof = match (fill, activity) {
            (Some(fill), Activity::Of(_)) => self.keep(fill, proof, token, &snapshot, row),
            // What shows no client is written down nowhere, so its next sight is to be one.
            (Some(_), Activity::None) | (None, _) => unkept(proof),
        };
        Ok(Verified::of(self, proof, transport, to_micros(snapshot.now)))
    }

    /// Counts a verification, for the metrics.
    pub(super) fn count(&self, verification: Verification) {
        self.inner.background.tally().count(verification);
    }

    /// Signature and claims; whether it is spent is the caller's to judge.
    pub(super) fn open(&self, token: &[u8]) -> Result<Opened, Denied> {
        self.inner.codec.open(token, self.inner.clock.now())
    }

    /// The sessions that validly signed tokens name, alive or not, each once. Eight at most: a
    /// client of ours has one, and each costs a statement of the store.
    pub(crate) fn named_by(&self, tokens: &[RawToken<'_>], age: TokenAge) -> Vec<(UserId, Guid)> {
        let mut named = Vec::new();
        for opened in tokens.iter().filter_map(|token| self.open(token.expose()).ok()) {
            let session = (opened.claims.user, opened.claims.guid);
            let wanted = age == TokenAge::Any || opened.freshness == Freshness::Fresh;
            if wanted && !named.contains(&session) && named.len() < 8 {
                named.push(session);
            }
        }
        named
    }

    /// Activity with the current token: the last-seen time where it is due, and the confirmation
    /// that the token was received.
    pub(super) fn queue_touch(&self, snapshot: &Snapshot, client: &ClientInfo) {
        let Some(row) = &snapshot.row else { return };
        let granularity = self.granularity(row);
        let due = elapsed(row.last_seen_at, snapshot.now) >= granularity;
        let unconfirmed = row.confirmed_at.is_none();
        if due || unconfirmed {
            self.touches().queue(touch_of(row, snapshot.now, unconfirmed, client), granularity);
        }
    }

    /// How coarse the last activity of that session is kept: a short idle limit is not cut by a
    /// coarser granularity.
    pub(super) fn granularity(&self, row: &SessionRow) -> Duration {
        self.policy().granularity.min(row.limits.idle / 16)
    }
}

impl Proof {
    pub(super) fn is_superseded(&self) -> bool {
        self.standing == Standing::Superseded
    }
}

/// What the store's answer makes of it.
fn kind_of(answer: &Result<Verified, AuthError>) -> Verification {
    match answer {
        Ok(session) if session.is_superseded() => Verification::ReadInGrace,
        Ok(_) => Verification::Read,
        Err(AuthError::Denied(Denied::TokenSuperseded)) => Verification::Superseded,
        Err(AuthError::Denied(_)) => Verification::Ended,
        Err(AuthError::Store(_)) => Verification::Unanswered,
        Err(AuthError::Usage(_)) => Verification::Misused,
    }
}

fn touch_of(row: &SessionRow, now: SystemTime, unconfirmed: bool, client: &ClientInfo) -> Touch {
    let agent = client.user_agent.clone().filter(|agent| row.user_agent.as_ref() != Some(agent));
    Touch {
        user: row.user.clone(),
        guid: row.guid,
        ref_tok_id: row.ref_tok_id,
        seen_at: now,
        extension: row.extension(now),
        user_agent: agent,
        confirm: if unconfirmed { Confirm::Yes } else { Confirm::No },
    }
}

impl Verified {
    pub(super) fn of(
        sessions: &Sessions,
        proof: Entry<Proof>,
        transport: Option<Transport>,
        now: i64,
    ) -> Self {
        Self { sessions: sessions.clone(), proof, transport, now }
    }

    /// Whose session.
    pub fn user_id(&self) -> &UserId {
        &self.proof().user
    }

    /// Which session.
    pub fn guid(&self) -> Guid {
        self.proof().guid
    }

    /// The user's data that the same read brought, as the application's type.
    ///
    /// # Errors
    /// [`Usage::NoUserData`] if nobody provides any, [`Usage::WrongType`] if they do not fit.
    pub fn user<T: DeserializeOwned>(&self) -> Result<T, AuthError> {
        let data = self.proof().data.as_ref().ok_or(Usage::NoUserData)?;
        Ok(data.get()?)
    }

    /// The user's data as JSON text, if anybody provides any.
    pub fn user_data(&self) -> Option<&UserData> {
        self.proof().data.as_ref()
    }

    /// The application's claims in the token, as the application's type.
    ///
    /// # Errors
    /// [`Usage::WrongType`] if they do not fit.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, AuthError> {
        Ok(self.proof().app.get()?)
    }

    /// The application's claims, untyped.
    pub fn app_claims(&self) -> &AppClaims {
        &self.proof().app
    }

    /// When the login began.
    pub fn created_at(&self) -> SystemTime {
        from_micros(self.proof().created_at)
    }

    /// When a password (or better) was last shown.
    pub fn auth_time(&self) -> SystemTime {
        from_micros(self.proof().auth_time)
    }

    /// `exp` of the presented token.
    pub fn token_expires_at(&self) -> SystemTime {
        from_seconds(self.proof().expires_at)
    }

    /// When the session ends if nothing happens any more.
    pub fn expires_at(&self) -> SystemTime {
        from_micros(self.proof().row_expires_at)
    }

    /// In how many whole seconds the client should renew, counted from now: at 80 % of the token's
    /// lifetime, never past the end of the session; zero when it is due.
    pub fn renew_after(&self) -> Duration {
        let now = whole_seconds(from_micros(self.now));
        Duration::from_secs(self.proof().renew_at.saturating_sub(now))
    }

    /// Whether a newer token has replaced the presented one, which the grace still accepts.
    pub fn is_superseded(&self) -> bool {
        self.proof().is_superseded()
    }

    /// Asks for a sign-in no longer than `max_age` ago (RFC 9470).
    ///
    /// # Errors
    /// [`Denied::ReauthenticationRequired`].
    pub fn require_recent(&self, max_age: Duration) -> Result<(), AuthError> {
        if elapsed(self.auth_time(), from_micros(self.now)) <= max_age {
            return Ok(());
        }
        Err(Denied::ReauthenticationRequired { max_age_seconds: max_age.as_secs() }.into())
    }

    /// The sessions that this one was verified by.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn transport(&self) -> Option<Transport> {
        self.transport
    }

    /// The store's clock when it was found alive.
    pub(super) fn read_at(&self) -> SystemTime {
        from_micros(self.now)
    }

    pub(super) fn ref_tok_id(&self) -> RefTokId {
        self.proof().ref_tok_id
    }

    fn proof(&self) -> &Proof {
        &self.proof.header.header.value
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("user", self.user_id())
            .field("guid", &self.guid())
            .field("standing", &self.proof().standing)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{store::MemoryStore, token::Keys};

    /// The usual verification, of a token that is confirmed and was seen within the minute, takes no
    /// lock of the touches, and so waits for nobody.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_usual_verification_takes_no_lock_of_the_touches() {
        let keys = Keys::hs256(b"a key for the usual verification").unwrap();
        let sessions = Sessions::builder(MemoryStore::new(), keys, "usual").build().await.unwrap();
        let user = UserId::new(1).unwrap();
        let ticket = sessions.begin_login(Some(&user)).await.unwrap();
        let login = sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
        let token = login.issued.token.expose().as_bytes().to_vec();
        sessions.verify(&token).await.unwrap();
        while !sessions.touches().all_is_written() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let held = sessions.touches().held();
        let (tell, told) = std::sync::mpsc::channel();
        let verifying = {
            let sessions = sessions.clone();
            tokio::spawn(async move { tell.send(sessions.verify(&token).await.is_ok()) })
        };
        let answer = tokio::task::block_in_place(|| told.recv_timeout(Duration::from_secs(5)));
        drop((held, verifying));
        assert_eq!(answer, Ok(true), "it waits for the lock");
    }
}
