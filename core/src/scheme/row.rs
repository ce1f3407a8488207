//! One device session, as a store keeps it.

use std::time::SystemTime;

use super::{Epochs, Guid, Label, Limits, RefTokId, UserAgent, UserId, time};

/// A device session as it is stored, keyed by (`user`, `guid`). All instants are the store's own.
///
/// Never shown to a client as it is: `Device` is what a device list shows, without any token id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Whose session.
    pub user: UserId,
    /// Which session; constant.
    pub guid: Guid,
    /// The current token.
    pub ref_tok_id: RefTokId,
    /// The token that the current one replaced.
    pub prev_ref_tok_id: Option<RefTokId>,
    /// 0 at login, one more at each rotation.
    pub generation: u64,
    /// The user's epoch that the login saw; the session lives only while it is current.
    pub epoch: i64,
    /// The global epoch that the login saw; the session lives only while it is current.
    pub global_epoch: i64,
    /// When the login began (the ticket's instant, not the insert's).
    pub created_at: SystemTime,
    /// When a password (or better) was last shown.
    pub auth_time: SystemTime,
    /// When the current refTokID came into being; none at login. The grace counts from here.
    pub rotated_at: Option<SystemTime>,
    /// When the token last handed out was made: its `iat` is this in whole seconds.
    pub token_issued_at: SystemTime,
    /// `exp` of the token last handed out, in whole seconds.
    pub token_expires_at: SystemTime,
    /// When the current token was first presented; none: nobody has shown that they received it.
    pub confirmed_at: Option<SystemTime>,
    /// Last activity, as coarse as the policy's granularity.
    pub last_seen_at: SystemTime,
    /// What the client says it is.
    pub user_agent: Option<UserAgent>,
    /// The client's address, where the application asked for it to be kept.
    pub ip: Option<String>,
    /// The name that the user gave to the device.
    pub label: Option<Label>,
    /// This session's own limits, fixed at login.
    pub limits: Limits,
    /// Dead from here on.
    pub expires_at: SystemTime,
}

impl SessionRow {
    /// Whether the row is alive: not expired, and no epoch moved on since its login.
    /// (Whether the *user* is active is the user table's to say.)
    pub fn is_live(&self, epochs: Epochs, now: SystemTime) -> bool {
        now < self.expires_at && self.epoch == epochs.user && self.global_epoch == epochs.global
    }

    /// When the current refTokID came into being: no token with it is older. (At login that is when
    /// the row was stored; a token of generation 0 is never minted again.)
    pub fn token_born_at(&self) -> SystemTime {
        self.rotated_at.unwrap_or(self.token_issued_at)
    }

    /// The instant after which no renewal extends the session.
    pub fn absolute_end(&self) -> SystemTime {
        time::later(self.created_at, self.limits.absolute)
    }

    /// Where activity at `now` moves `expires_at`, or none if it stays: it moves in steps of
    /// idle/16 only, so that a touch usually changes no indexed column.
    pub fn extension(&self, now: SystemTime) -> Option<SystemTime> {
        let wanted = self.absolute_end().min(time::later(now, self.limits.idle));
        let step = self.limits.idle / 16;
        (wanted > self.expires_at && time::elapsed(self.expires_at, wanted) >= step)
            .then_some(wanted)
    }
}
