//! Verification: signature and claims, then one read of the store, and no write that is waited
//! for.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::de::DeserializeOwned;

use super::{AuthError, ClientInfo, Sessions, user_data};
use crate::{
    scheme::{
        Denied, Guid, RefTokId, SessionRow, Snapshot, Usage, UserData, UserId, Verdict, elapsed,
        from_micros, verdict,
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
    proof: Arc<Proof>,
}

struct Proof {
    user: UserId,
    guid: Guid,
    ref_tok_id: RefTokId,
    app: AppClaims,
    data: Option<UserData>,
    transport: Option<Transport>,
    standing: Standing,
    expires_at: u64,
    renew_after: Duration,
    row: Facts,
}

/// What the row said at the read.
struct Facts {
    now: SystemTime,
    created_at: SystemTime,
    auth_time: SystemTime,
    expires_at: SystemTime,
}

/// A token whose signature, claims and `exp` are good.
pub(crate) struct Checked(Opened);

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
        self.verify_from(token, None, &ClientInfo::default()).await
    }

    pub(crate) async fn verify_from(
        &self,
        token: &[u8],
        transport: Option<Transport>,
        client: &ClientInfo,
    ) -> Result<Verified, AuthError> {
        let checked = self.check(token)?;
        self.verify_checked(checked, transport, Activity::Of(client)).await
    }

    /// The half of a verification that needs no store.
    pub(crate) fn check(&self, token: &[u8]) -> Result<Checked, Denied> {
        let opened = self.open(token)?;
        match opened.freshness {
            Freshness::Spent => Err(Denied::TokenExpired),
            Freshness::Fresh => Ok(Checked(opened)),
        }
    }

    /// The half that asks the store.
    pub(crate) async fn verify_checked(
        &self,
        Checked(opened): Checked,
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
        let renew_after = match standing {
            Standing::Current => self.renew_after(times, row, snapshot.now),
            Standing::Superseded => Duration::ZERO,
        };
        let row = Facts {
            now: snapshot.now,
            created_at: row.created_at,
            auth_time: row.auth_time,
            expires_at: row.expires_at,
        };
        let proof = Proof {
            user: claims.user,
            guid: claims.guid,
            ref_tok_id: claims.ref_tok_id,
            app: claims.app,
            data: user_data(&snapshot.user).cloned(),
            transport,
            standing,
            expires_at: claims.expires_at,
            renew_after,
            row,
        };
        Ok(Verified { sessions: self.clone(), proof: Arc::new(proof) })
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
        // A short idle limit is not cut by a coarser granularity.
        let granularity = self.policy().granularity.min(row.limits.idle / 16);
        let due = elapsed(row.last_seen_at, snapshot.now) >= granularity;
        let unconfirmed = row.confirmed_at.is_none();
        if due || unconfirmed {
            self.touches().queue(touch_of(row, snapshot.now, unconfirmed, client), granularity);
        }
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
    /// Whose session.
    pub fn user_id(&self) -> &UserId {
        &self.proof.user
    }

    /// Which session.
    pub fn guid(&self) -> Guid {
        self.proof.guid
    }

    /// The user's data that the same read brought, as the application's type.
    ///
    /// # Errors
    /// [`Usage::NoUserData`] if nobody provides any, [`Usage::WrongType`] if they do not fit.
    pub fn user<T: DeserializeOwned>(&self) -> Result<T, AuthError> {
        let data = self.proof.data.as_ref().ok_or(Usage::NoUserData)?;
        Ok(data.get()?)
    }

    /// The user's data as JSON text, if anybody provides any.
    pub fn user_data(&self) -> Option<&UserData> {
        self.proof.data.as_ref()
    }

    /// The application's claims in the token, as the application's type.
    ///
    /// # Errors
    /// [`Usage::WrongType`] if they do not fit.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, AuthError> {
        Ok(self.proof.app.get()?)
    }

    /// The application's claims, untyped.
    pub fn app_claims(&self) -> &AppClaims {
        &self.proof.app
    }

    /// When the login began.
    pub fn created_at(&self) -> SystemTime {
        self.proof.row.created_at
    }

    /// When a password (or better) was last shown.
    pub fn auth_time(&self) -> SystemTime {
        self.proof.row.auth_time
    }

    /// `exp` of the presented token.
    pub fn token_expires_at(&self) -> SystemTime {
        from_micros(i64::try_from(self.proof.expires_at).unwrap_or(0).saturating_mul(1_000_000))
    }

    /// When the session ends if nothing happens any more.
    pub fn expires_at(&self) -> SystemTime {
        self.proof.row.expires_at
    }

    /// In how many whole seconds the client should renew, counted from now: at 80 % of the token's
    /// lifetime, never past the end of the session; zero when it is due.
    pub fn renew_after(&self) -> Duration {
        self.proof.renew_after
    }

    /// Whether a newer token has replaced the presented one, which the grace still accepts.
    pub fn is_superseded(&self) -> bool {
        self.proof.standing == Standing::Superseded
    }

    /// Asks for a sign-in no longer than `max_age` ago (RFC 9470).
    ///
    /// # Errors
    /// [`Denied::ReauthenticationRequired`].
    pub fn require_recent(&self, max_age: Duration) -> Result<(), AuthError> {
        if elapsed(self.proof.row.auth_time, self.proof.row.now) <= max_age {
            return Ok(());
        }
        Err(Denied::ReauthenticationRequired { max_age_seconds: max_age.as_secs() }.into())
    }

    /// The sessions that this one was verified by.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn transport(&self) -> Option<Transport> {
        self.proof.transport
    }

    /// The store's clock when it was found alive.
    pub(super) fn read_at(&self) -> SystemTime {
        self.proof.row.now
    }

    pub(super) fn ref_tok_id(&self) -> RefTokId {
        self.proof.ref_tok_id
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("user", &self.proof.user)
            .field("guid", &self.proof.guid)
            .field("standing", &self.proof.standing)
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
