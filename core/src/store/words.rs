//! The words of the port: what goes into each verb and what comes out. The decisions that every
//! store would otherwise make for itself (is this ticket still good, what does the new row hold)
//! are made here, once.

use std::time::{Duration, SystemTime};

use crate::scheme::{
    By, Denied, DeviceLimit, EndReason, Epochs, Guid, Limits, Overflow, RefTokId, SessionRow,
    TokenTimes, UserAgent, UserId, elapsed, later,
};

/// What a store says of itself at start-up.
#[derive(Clone, Debug)]
pub struct StoreInfo {
    /// `memory`, `sqlite`, …
    pub name: &'static str,
    /// The server's or library's version, for an operator.
    pub version: String,
    /// How many connections this node opens at most, and for what.
    pub connections: String,
}

/// Whether a store's journal is one list ([`SessionStore::journal_order`]).
///
/// [`SessionStore::journal_order`]: crate::store::SessionStore::journal_order
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalOrder {
    /// One list of everything, gapless: what a cache or an open stream can follow.
    #[default]
    Common,
    /// One list of each user, and one about everybody, with no order between them, as their writes
    /// touch nothing in common. `history` reads them; `journal` refuses. Whatever follows the
    /// journal (cached mode, streams of endings) cannot be built over such a store.
    PerUser,
}

/// What `begin_login` reads before the application reads its password hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketEpochs {
    /// Both epochs; the user's is 0 while there is none.
    pub epochs: Epochs,
    /// The store's clock at the read.
    pub now: SystemTime,
}

/// A login that is to be stored. Its times are made from the store's clock by [`admit`].
///
/// [`admit`]: NewSession::admit
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose.
    pub user: UserId,
    /// The new session's id.
    pub guid: Guid,
    /// Its first token.
    pub ref_tok_id: RefTokId,
    /// The epochs of the ticket.
    pub epochs: Epochs,
    /// When the login began: the store's clock at the ticket.
    pub began_at: SystemTime,
    /// This session's limits.
    pub limits: Limits,
    /// How long its token lasts.
    pub token_lifetime: Duration,
    /// How many devices the user may have.
    pub device_limit: DeviceLimit,
    /// Sessions of the same user that this login replaces (reason `replaced`), ended in the same
    /// transaction and before the devices are counted.
    pub replaces: Vec<Guid>,
    /// What the client says it is.
    pub user_agent: Option<UserAgent>,
    /// The client's address, where it is kept.
    pub ip: Option<String>,
}

/// Whether a login may be stored.
#[derive(Clone, Debug)]
pub enum Admission {
    /// This row.
    Row(Box<SessionRow>),
    /// Not: [`Denied::LoginOvertaken`].
    Overtaken,
}

impl NewSession {
    /// How long a ticket may be finished.
    pub const TICKET_LIFETIME: Duration = Duration::from_mins(10);

    /// The row of this login, if neither epoch moved since its ticket and the ticket is not too
    /// old. A store calls this under the lock that bumps of the user's epoch take.
    pub fn admit(&self, current: Epochs, now: SystemTime) -> Admission {
        // Also for an instant that an application took from a clock far ahead of the store's.
        let apart = elapsed(self.began_at, now).max(elapsed(now, self.began_at));
        let too_old = apart > Self::TICKET_LIFETIME;
        let end = later(self.began_at, self.limits.absolute);
        let times = TokenTimes::at(now, self.token_lifetime, end);
        let Some(times) = times.filter(|_| current == self.epochs && !too_old) else {
            return Admission::Overtaken;
        };
        Admission::Row(Box::new(SessionRow {
            user: self.user.clone(),
            guid: self.guid,
            ref_tok_id: self.ref_tok_id,
            prev_ref_tok_id: None,
            generation: 0,
            epoch: current.user,
            global_epoch: current.global,
            created_at: self.began_at,
            auth_time: self.began_at,
            rotated_at: None,
            token_issued_at: times.issued_at,
            token_expires_at: times.expires_at,
            confirmed_at: None,
            last_seen_at: now,
            user_agent: self.user_agent.clone(),
            ip: self.ip.clone(),
            label: None,
            limits: self.limits,
            expires_at: end.min(later(now, self.limits.idle)),
        }))
    }

    /// Which of the user's live rows make room for this login, least recently seen first (L21);
    /// none where it is refused instead (L22). Those that it replaces are not counted (L23).
    pub fn make_room<'a>(
        &self,
        live: impl IntoIterator<Item = &'a SessionRow>,
    ) -> Option<Vec<Guid>> {
        let staying = live.into_iter().filter(|row| !self.replaces.contains(&row.guid));
        let mut staying: Vec<_> = staying.collect();
        let evict = match self.device_limit.overflow(staying.len()) {
            Overflow::Fits => 0,
            Overflow::Evict(count) => count,
            Overflow::Refuse => return None,
        };
        staying.sort_by_key(|row| (row.last_seen_at, row.created_at, row.guid));
        Some(staying.into_iter().take(evict).map(|row| row.guid).collect())
    }
}

/// What became of a login.
#[derive(Clone, Debug)]
pub enum Inserted {
    /// Stored.
    Stored {
        /// The row as it is.
        row: Box<SessionRow>,
        /// Live sessions that made room, least recently seen first.
        evicted: Vec<Guid>,
        /// Live sessions among [`NewSession::replaces`] that ended.
        replaced: Vec<Guid>,
    },
    /// [`Denied::LoginOvertaken`]: nothing was written.
    Overtaken,
    /// [`Denied::DeviceLimit`]: nothing was written.
    LimitReached,
}

impl Inserted {
    /// The denial, where there is one.
    pub fn denied(&self) -> Option<Denied> {
        match self {
            Self::Stored { .. } => None,
            Self::Overtaken => Some(Denied::LoginOvertaken),
            Self::LimitReached => Some(Denied::DeviceLimit),
        }
    }
}

/// R1: swap the refTokID, if it still is the expected one.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Whose.
    pub user: UserId,
    /// Which session.
    pub guid: Guid,
    /// The current refTokID, compared in the same statement that swaps it.
    pub expected: RefTokId,
    /// The next one.
    pub next: RefTokId,
    /// The new token's times; `issued_at` becomes `rotated_at` and `last_seen_at`.
    pub times: TokenTimes,
    /// The row's new end, if it moves.
    pub extension: Option<SystemTime>,
    /// When a password was last shown, if it was just now (`reauthenticate`).
    pub auth_time: Option<SystemTime>,
    /// What the client says it is; none leaves what is there.
    pub user_agent: Option<UserAgent>,
}

/// Fresh times for the token that the row already has; the refTokID stays.
#[derive(Clone, Debug)]
pub struct Remint {
    /// Whose.
    pub user: UserId,
    /// Which session.
    pub guid: Guid,
    /// The current refTokID, compared in the same statement.
    pub expected: RefTokId,
    /// The fresh times; moves neither `rotated_at` nor `expires_at`.
    pub times: TokenTimes,
    /// When a password was last shown, if it was just now (`reauthenticate`).
    pub auth_time: Option<SystemTime>,
    /// Which rows may be re-minted.
    pub of: RemintOf,
}

/// Which rows a re-mint may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemintOf {
    /// R3: only one whose token nobody has presented (`confirmed_at IS NULL` in the WHERE).
    Unconfirmed,
    /// Any live row with that refTokID.
    Any,
}

/// Whether a compare-and-swap took place.
#[derive(Clone, Debug)]
pub enum Swap {
    /// Done: the row after it.
    Done(Box<SessionRow>),
    /// The row is gone, dead or changed: read again and decide again.
    Lost,
}

/// Activity of one session, written behind the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Whose.
    pub user: UserId,
    /// Which session.
    pub guid: Guid,
    /// The token that was presented; a touch for any other than the current one changes nothing.
    pub ref_tok_id: RefTokId,
    /// When, on the store's clock.
    pub seen_at: SystemTime,
    /// Where the row's end moves to, if it does; never back.
    pub extension: Option<SystemTime>,
    /// What the client says it is; none leaves what is there.
    pub user_agent: Option<UserAgent>,
    /// Whether this shows that the token was received.
    pub confirm: Confirm,
}

/// Whether a touch also confirms the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// It does: `confirmed_at` becomes `seen_at` where it is none.
    Yes,
    /// It does not.
    No,
}

/// An ending: whose sessions, which of them, why and by whom.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub scope: Scope,
    /// Why.
    pub reason: EndReason,
    /// By whom.
    pub by: By,
}

/// Which sessions of a user end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// This one.
    Device(Guid),
    /// All but this one.
    Others(Guid),
    /// All.
    All,
    /// Those that signed in before that instant.
    SignedInBefore(SystemTime),
    /// Those whose current refTokID came into being before that instant. The sessions that stay
    /// forget the predecessor, which may be older.
    TokenIssuedBefore(SystemTime),
}

impl Scope {
    /// Whether it bumps the user's epoch, so that no login under way survives it; the sessions
    /// that stay are re-stamped with the new epoch in the same transaction.
    pub fn fences(self) -> bool {
        !matches!(self, Self::Device(_))
    }

    /// Whether this ending takes that session.
    pub fn takes(self, guid: Guid, created_at: SystemTime, token_born_at: SystemTime) -> bool {
        match self {
            Self::Device(one) => guid == one,
            Self::Others(kept) => guid != kept,
            Self::All => true,
            Self::SignedInBefore(instant) => created_at < instant,
            Self::TokenIssuedBefore(instant) => token_born_at < instant,
        }
    }

    /// What a live row that stays becomes when this ending bumped the user's epoch (L61).
    pub fn restamp(self, live: &mut SessionRow, bumped: i64) {
        live.epoch = bumped;
        if matches!(self, Self::TokenIssuedBefore(_)) {
            live.prev_ref_tok_id = None;
        }
    }
}

/// What an ending ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The sessions that were alive and are not any more. (Dead rows go with them, uncounted.)
    pub guids: Vec<Guid>,
}

/// The live sessions of a user.
#[derive(Clone, Debug)]
pub struct DeviceRows {
    /// The store's clock at the read.
    pub now: SystemTime,
    /// Live rows, newest activity first.
    pub rows: Vec<SessionRow>,
}

/// The lease lengths that the store keeps (`docs/consistency.md`). Both are zero until a node asks
/// for cached mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// What journal polls are given: how long a node may answer from memory.
    pub given: Duration,
    /// How long a logout waits after its commit before it reports success.
    pub waited: Duration,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Dead session rows.
    pub sessions: usize,
    /// Journal entries past their time.
    pub journal: usize,
}

// What a row becomes. In-process stores call these under their lock; SQL stores say the same in
// their UPDATE.

impl Rotation {
    /// Swaps, if there is such a live row and its refTokID is the expected one (L40 to L42).
    pub fn swap(&self, live: Option<&mut SessionRow>) -> Swap {
        let Some(row) = live.filter(|row| row.ref_tok_id == self.expected) else {
            return Swap::Lost;
        };
        self.apply(row);
        Swap::Done(Box::new(row.clone()))
    }

    /// What the row becomes.
    pub fn apply(&self, row: &mut SessionRow) {
        row.prev_ref_tok_id = Some(row.ref_tok_id);
        row.ref_tok_id = self.next;
        row.generation += 1;
        row.rotated_at = Some(self.times.issued_at);
        row.token_issued_at = self.times.issued_at;
        row.token_expires_at = self.times.expires_at;
        row.confirmed_at = None;
        row.last_seen_at = row.last_seen_at.max(self.times.issued_at);
        row.auth_time = self.auth_time.unwrap_or(row.auth_time);
        if let Some(end) = self.extension {
            row.expires_at = row.expires_at.max(end);
        }
        if self.user_agent.is_some() {
            row.user_agent.clone_from(&self.user_agent);
        }
    }
}

impl Remint {
    /// Gives the token fresh times, if there is such a live row and it may be re-minted (L43).
    pub fn swap(&self, live: Option<&mut SessionRow>) -> Swap {
        let allowed = |row: &SessionRow| self.of == RemintOf::Any || row.confirmed_at.is_none();
        let Some(row) = live.filter(|row| row.ref_tok_id == self.expected && allowed(row)) else {
            return Swap::Lost;
        };
        row.token_issued_at = self.times.issued_at;
        row.token_expires_at = self.times.expires_at;
        row.auth_time = self.auth_time.unwrap_or(row.auth_time);
        Swap::Done(Box::new(row.clone()))
    }
}

impl Touch {
    /// Writes the activity down, if the row's refTokID is the one that was presented (L50, L51).
    pub fn apply(&self, live: &mut SessionRow) {
        if live.ref_tok_id != self.ref_tok_id {
            return;
        }
        live.last_seen_at = live.last_seen_at.max(self.seen_at);
        live.expires_at = live.expires_at.max(self.extension.unwrap_or(live.expires_at));
        if self.user_agent.is_some() {
            live.user_agent.clone_from(&self.user_agent);
        }
        if self.confirm == Confirm::Yes {
            live.confirmed_at = live.confirmed_at.or(Some(self.seen_at));
        }
    }
}
