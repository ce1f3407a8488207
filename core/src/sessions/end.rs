//! Ending sessions. Every operation takes a reason, is idempotent, says how many it ended, and
//! reports success only when the ending is committed and settled: no request that starts later,
//! on any node, is let in.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{AuthError, Inner, Pending, Sessions, Verified, pending::Committed};
use crate::{
    events::Event,
    live::{settle, sweep, wait_for_leases},
    scheme::{By, EndReason, Guid, Usage, UserId},
    store::{Ended, Ending, JournalEntry, JournalPage, Lease, Scope, StoreError, Swept},
};

/// Which sessions `logout_before` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Before {
    /// Those that signed in before it.
    SignedIn(SystemTime),
    /// Those whose token was made before it: no token older than it is accepted any more.
    TokenIssued(SystemTime),
}

impl Before {
    /// The scope of that ending, if its instant has passed on the store's clock.
    ///
    /// # Errors
    /// [`Usage::OutOfRange`] for an instant in the future.
    pub fn scope(self, now: SystemTime) -> Result<Scope, Usage> {
        let (instant, scope) = match self {
            Self::SignedIn(instant) => (instant, Scope::SignedInBefore(instant)),
            Self::TokenIssued(instant) => (instant, Scope::TokenIssuedBefore(instant)),
        };
        if instant > now {
            let why = "logout_before takes an instant that has passed: it ends what is there, and \
                       no login to come; use now, or logout_all";
            return Err(Usage::OutOfRange(why.into()));
        }
        Ok(scope)
    }
}

impl Sessions {
    /// Ends the session that a token names. Needs only a valid signature: the token may be expired
    /// or superseded.
    ///
    /// # Errors
    /// [`crate::Denied::TokenInvalid`]; [`AuthError::Store`].
    pub async fn logout_token(&self, token: &[u8]) -> Result<Ended, AuthError> {
        let claims = self.open(token)?.claims;
        let by = By::Device(claims.guid);
        self.logout_device(&claims.user, claims.guid, EndReason::Logout, by).await
    }

    /// Ends this session.
    ///
    /// # Errors
    /// [`AuthError::Store`]: nothing is promised then, and repeating is safe.
    pub async fn logout(&self, session: &Verified) -> Result<Ended, AuthError> {
        let (guid, by) = (session.guid(), By::Device(session.guid()));
        self.logout_device(session.user_id(), guid, EndReason::Logout, by).await
    }

    /// Ends one device session of a user.
    ///
    /// # Errors
    /// As [`logout`](Self::logout).
    pub async fn logout_device(
        &self,
        user: &UserId,
        guid: Guid,
        reason: EndReason,
        by: By,
    ) -> Result<Ended, AuthError> {
        self.end_whole(user, Scope::Device(guid), reason, by).await
    }

    /// Ends every session of this user but this one, and fences off logins under way.
    ///
    /// # Errors
    /// As [`logout`](Self::logout).
    pub async fn logout_others(
        &self,
        session: &Verified,
        reason: EndReason,
    ) -> Result<Ended, AuthError> {
        let by = By::Device(session.guid());
        self.end_whole(session.user_id(), Scope::Others(session.guid()), reason, by).await
    }

    /// Ends every session of a user, and fences off logins under way.
    ///
    /// # Errors
    /// As [`logout`](Self::logout).
    pub async fn logout_all(
        &self,
        user: &UserId,
        reason: EndReason,
        by: By,
    ) -> Result<Ended, AuthError> {
        self.end_whole(user, Scope::All, reason, by).await
    }

    /// Ends the sessions of a user from before an instant, and fences off logins under way.
    ///
    /// # Errors
    /// As [`logout`](Self::logout), and [`Usage::OutOfRange`] for an instant in the future.
    pub async fn logout_before(
        &self,
        user: &UserId,
        before: Before,
        reason: EndReason,
        by: By,
    ) -> Result<Ended, AuthError> {
        let now = self.read(self.store().epochs(Some(user)).await)?.now;
        let scope = before.scope(now)?;
        self.end_whole(user, scope, reason, by).await
    }

    /// Ends every session of everybody, in a time that does not depend on how many there are, and
    /// fences off logins under way.
    ///
    /// # Errors
    /// As [`logout`](Self::logout).
    pub async fn logout_everyone(&self, reason: EndReason, by: By) -> Result<(), AuthError> {
        let sessions = self.clone();
        self.whole(async move {
            let answer = sessions.store().end_everyone(reason, &by).await;
            sessions.forget_everybody();
            sessions.written(answer)?;
            sessions.tell_everyone_ended(reason, by);
            Ok(sessions.settle().await?)
        })
        .await
    }

    /// Raises the event of an ending that was part of the application's own transaction, and
    /// settles it. Call it after that transaction's commit; only then is the logout final.
    ///
    /// # Errors
    /// [`AuthError::Store`]: settle again, with [`settled`](Self::settled), or after
    /// [`Before::TokenIssued`] with [`user_changed`](Self::user_changed), which tells the other nodes.
    pub async fn committed(&self, pending: Pending) -> Result<Ended, AuthError> {
        let sessions = self.clone();
        self.whole(async move {
            let ended = match pending.into_committed() {
                Committed::User(ending, ended) => {
                    sessions.forget(&ending.user);
                    sessions.tell_ended(&ending, &ended);
                    sessions.announce_predecessors(&ending).await?;
                    ended
                }
                Committed::Everyone(reason, by) => {
                    sessions.forget_everybody();
                    sessions.tell_everyone_ended(reason, by);
                    Ended::default()
                }
            };
            sessions.settle().await?;
            Ok(ended)
        })
        .await
    }

    /// Settles endings of that user by other means: plain SQL, a stored function. Call it after
    /// their commit.
    ///
    /// It makes this node forget the user, and read again what is open of the user; others learn of it
    /// from the journal. In cached mode what
    /// writes no journal (an epoch moved by hand on SQLite, keys deleted on Redis) is final there only
    /// when what they know is too old, 10 s at most: use [`logout_all`](Self::logout_all).
    ///
    /// # Errors
    /// [`AuthError::Store`]: call it again.
    pub async fn settled(&self, user: &UserId) -> Result<(), AuthError> {
        tracing::debug!(%user, "settling an ending by other means");
        self.forget(user);
        self.connections().changed(user);
        Ok(self.settle().await?)
    }

    /// Tells every cache that this user's data changed (locked, roles). Call it after the change
    /// is committed; when it returns, no node answers from the old data.
    ///
    /// # Errors
    /// [`AuthError::Store`]; [`Usage::UserId`].
    pub async fn user_changed(&self, user: impl fmt::Display, by: By) -> Result<(), AuthError> {
        let user = UserId::new(user)?;
        let sessions = self.clone();
        self.whole(async move {
            let answer = sessions.store().announce_changed(&user, &by).await;
            sessions.forget(&user);
            sessions.written(answer)?;
            sessions.connections().changed(&user);
            Ok(sessions.settle().await?)
        })
        .await
    }

    /// Lowers the lease, by command of an operator: first what polls are given; then, when no longer
    /// lease can run any more, what logouts wait. Tells both lengths as they are in the end: a
    /// node that asked for a longer one meanwhile, or was started since, has it.
    ///
    /// A node that starts asks for its own length again: lower that first, in the settings of all. One
    /// operator at a time: two lowerings at once may take what was raised between them for unchanged.
    ///
    /// # Errors
    /// [`AuthError::Store`]: repeat it. Logouts then still wait the longer one.
    pub async fn lower_lease(&self, to: Duration) -> Result<Lease, AuthError> {
        let sessions = self.clone();
        self.whole(async move {
            let seen = sessions.written(sessions.store().lower_given(to).await)?;
            wait_for_leases(seen.waited).await;
            let lowered = sessions.written(sessions.store().lower_waited(seen).await)?;
            if !lowered {
                tracing::warn!("a node asked for a longer lease while it was being lowered");
            }
            Ok(sessions.read(sessions.store().lease().await)?)
        })
        .await
    }

    /// What ended for this user in the last 30 days and why, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn history(
        &self,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, AuthError> {
        Ok(self.read(self.store().history(user, limit).await)?)
    }

    /// The journal beyond an entry, oldest first, at most `limit`: for an audit trail of the
    /// application's own. Start with `after` 0, go on with the last `seq` seen.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn journal(&self, after: u64, limit: usize) -> Result<JournalPage, AuthError> {
        Ok(self.read(self.store().journal(after, limit).await)?)
    }

    /// Removes dead rows and old journal entries, at most `limit` of each. A background task does
    /// it every ten minutes; a job may do it too.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn sweep(&self, limit: usize) -> Result<Swept, AuthError> {
        Ok(sweep(self.store(), &self.inner.events, limit).await?)
    }

    /// Waits until what was committed is final on every node.
    pub(super) async fn settle(&self) -> Result<(), StoreError> {
        let Inner { store, events, background, .. } = &*self.inner;
        settle(&**store, events, background.follower().lease()).await
    }

    async fn end_whole(
        &self,
        user: &UserId,
        scope: Scope,
        reason: EndReason,
        by: By,
    ) -> Result<Ended, AuthError> {
        let ending = Ending { user: user.clone(), scope, reason, by };
        let sessions = self.clone();
        self.whole(async move { sessions.end(&ending).await }).await
    }

    /// Commits, tells, settles. Also settled when nothing was ended: it may be the retry of one
    /// whose answer was lost.
    pub(super) async fn end(&self, ending: &Ending) -> Result<Ended, AuthError> {
        let ended = self.commit(ending).await?;
        self.settle().await?;
        Ok(ended)
    }

    /// Ends device sessions of one browser, each by itself, and settles once for all of them.
    pub(crate) async fn logout_devices(
        &self,
        devices: Vec<(UserId, Guid)>,
        reason: EndReason,
    ) -> Result<(), AuthError> {
        if devices.is_empty() {
            return Ok(());
        }
        let sessions = self.clone();
        self.whole(async move {
            for (user, guid) in devices {
                let (scope, by) = (Scope::Device(guid), By::Device(guid));
                sessions.commit(&Ending { user, scope, reason, by }).await?;
            }
            Ok(sessions.settle().await?)
        })
        .await
    }

    /// Commits and tells; final once it is settled.
    pub(super) async fn commit(&self, ending: &Ending) -> Result<Ended, AuthError> {
        let answer = self.store().end(ending).await;
        // Also where the answer was lost: the commit may not be.
        self.forget(&ending.user);
        let ended = self.written(answer)?;
        self.tell_ended(ending, &ended);
        self.announce_predecessors(ending).await?;
        Ok(ended)
    }

    /// The sessions that stay after [`Scope::TokenIssuedBefore`] have lost their predecessors, and
    /// nothing was journalled of them: caches may hold those tokens.
    async fn announce_predecessors(&self, ending: &Ending) -> Result<(), StoreError> {
        if matches!(ending.scope, Scope::TokenIssuedBefore(_)) {
            self.written(self.store().announce_changed(&ending.user, &ending.by).await)?;
        }
        Ok(())
    }

    /// Not told where nothing changed: who repeats a logout with a token that was signed once must
    /// not fill the application's audit.
    fn tell_ended(&self, ending: &Ending, ended: &Ended) {
        if ended.guids.is_empty() && !ending.scope.fences() {
            return;
        }
        self.tell(&Event::Ended {
            user: Some(ending.user.clone()),
            guids: ended.guids.clone(),
            scope: Some(ending.scope),
            reason: ending.reason,
            by: ending.by.clone(),
        });
    }

    fn tell_everyone_ended(&self, reason: EndReason, by: By) {
        self.tell(&Event::Ended { user: None, guids: Vec::new(), scope: None, reason, by });
    }
}
