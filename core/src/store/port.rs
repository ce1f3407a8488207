//! The port: the verbs of a session store, each atomic, each with its laws.
//!
//! The laws are numbered here and proved by the suite `logout-all-conformance`, whose laws quote
//! these sentences. There is no `save`: a store that can load a record and save it back will one
//! day undo a logout.

use std::{future::Future, time::Duration};

use super::{
    DeviceRows, Ended, Ending, Inserted, JournalEntry, JournalOrder, JournalPage, Lease,
    NewSession, Polled, Remint, Rotation, StoreError, StoreInfo, Swap, Swept, TicketEpochs, Touch,
};
use crate::scheme::{By, EndReason, Guid, Label, RefTokId, SessionRow, Snapshot, UserId};

/// A place where sessions are kept.
///
/// Implement it with plain `async fn`s. What holds for every verb:
///
/// - **L1 whole or not at all.** A verb takes effect wholly or not at all, also when its future is
///   dropped half way.
/// - **L2 finite.** A verb answers within a limit that the store documents; when it cannot, it
///   fails with a [`StoreError`], and a failed mutation may be repeated.
/// - **L3 the store's clock.** Rows are compared with one clock, the store's, to the microsecond.
/// - **L4 linear.** Once a verb has returned, every verb that starts later, on any node, sees it.
pub trait SessionStore: Send + Sync + 'static {
    /// What the store is, for the line at start-up and for test tables.
    fn info(&self) -> StoreInfo;

    /// Whether the journal is one list of everything. Unless a store says otherwise, it is.
    ///
    /// It never changes while the store is open.
    fn journal_order(&self) -> JournalOrder {
        JournalOrder::Common
    }

    /// Whether the store answers now: what `/readyz` asks.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Reads both epochs of a user, and writes nothing.
    ///
    /// - **L10** An absent user epoch reads as 0, and reading does not create it.
    /// - **L11** An unknown user costs the same as a known one. (`None` reads like a name that
    ///   nobody has.)
    fn epochs(
        &self,
        user: Option<&UserId>,
    ) -> impl Future<Output = Result<TicketEpochs, StoreError>> + Send;

    /// Stores a login if [`NewSession::admit`] admits it under the user's lock.
    ///
    /// - **L20** If either epoch moved since the ticket, nothing is stored: `Overtaken`. A first
    ///   login of one user never overtakes another first login of the same user.
    /// - **L21** Of any number of logins at once, no more than the limit are ever live; the new one
    ///   is never evicted; the least recently seen live ones are, and the answer names them.
    /// - **L22** Under `DeviceLimit::Refuse` a login beyond the limit stores and ends nothing.
    /// - **L23** Sessions that it replaces end in the same transaction, before the count.
    /// - **L24** Evicted and replaced sessions are journalled, one entry each, by [`By::Policy`].
    /// - **L25** It never touches a row that is there: an id in use is an error.
    fn insert(
        &self,
        login: &NewSession,
    ) -> impl Future<Output = Result<Inserted, StoreError>> + Send;

    /// Reads everything about one presented (user, guid) at one instant, and writes nothing.
    ///
    /// - **L30** Row, epochs, user and clock are of one consistent read.
    /// - **L31** A guid of another user is absent.
    /// - **L32** A store that joins the users table says `Active` with the chosen columns, or
    ///   `Inactive` for an absent or inactive user; one that does not says `NotAsked`.
    fn lookup(
        &self,
        user: &UserId,
        guid: Guid,
    ) -> impl Future<Output = Result<Snapshot, StoreError>> + Send;

    /// Swaps the refTokID by compare-and-swap, in place.
    ///
    /// - **L40** Of any number of rotations that expect the same refTokID exactly one is `Done`.
    /// - **L41** It never creates a row, and never swaps in a dead one (expired, or an epoch
    ///   behind).
    /// - **L42** It does what [`Rotation::apply`] says: previous kept, generation one more,
    ///   `confirmed_at` cleared.
    fn rotate(&self, rotation: &Rotation) -> impl Future<Output = Result<Swap, StoreError>> + Send;

    /// Gives the row's token fresh times; the refTokID stays.
    ///
    /// - **L43** Only where the refTokID is the expected one, the row is live and, for
    ///   `RemintOf::Unconfirmed`, `confirmed_at` is none; it moves neither `rotated_at` nor
    ///   `expires_at` nor `generation`.
    fn remint(&self, remint: &Remint) -> impl Future<Output = Result<Swap, StoreError>> + Send;

    /// Writes activity down, many at once, and gives the tokens that it passed over since somebody
    /// held their rows locked: they are tried again. A store that waits for locks, or has none, gives
    /// none.
    ///
    /// - **L50** A touch for another refTokID than the current one, or for a row that is gone,
    ///   changes nothing and is not passed over: it cannot bring a session back.
    /// - **L51** `last_seen_at` and `expires_at` never move back; `confirmed_at` keeps its first
    ///   value.
    fn touch(
        &self,
        touches: &[Touch],
    ) -> impl Future<Output = Result<Vec<RefTokId>, StoreError>> + Send;

    /// Names a live device; none clears the name. None back: there is no such live session.
    ///
    /// - **L52** It changes the label alone.
    fn relabel(
        &self,
        user: &UserId,
        guid: Guid,
        label: Option<&Label>,
    ) -> impl Future<Output = Result<Option<SessionRow>, StoreError>> + Send;

    /// The live sessions of a user, newest activity first.
    ///
    /// - **L53** No dead row is among them, and no other user's.
    fn devices(&self, user: &UserId)
    -> impl Future<Output = Result<DeviceRows, StoreError>> + Send;

    /// Ends sessions of one user.
    ///
    /// - **L60** When it has returned, no row that [`Scope::takes`](super::Scope::takes) names is there, and none comes
    ///   back.
    /// - **L61** A scope that fences bumps the user's epoch (creating it if absent) and re-stamps
    ///   the live sessions that stay, in the same transaction, also when there was no row to end.
    ///   After `Scope::TokenIssuedBefore` those that stay have no predecessor.
    /// - **L62** It is idempotent: a repetition ends none and succeeds.
    /// - **L63** The journal is written in the same transaction: for `Scope::All` one entry for
    ///   the user, always; otherwise one for each live session that ended. Dead rows are not
    ///   journalled and not counted.
    fn end(&self, ending: &Ending) -> impl Future<Output = Result<Ended, StoreError>> + Send;

    /// Ends every session of everybody by bumping the global epoch.
    ///
    /// - **L64** Its time does not depend on how many sessions there are; it fences off every
    ///   login under way; one entry for everybody is journalled.
    fn end_everyone(
        &self,
        reason: EndReason,
        by: &By,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Journals [`EndReason::Changed`] for the user: the data changed and nothing ended.
    fn announce_changed(
        &self,
        user: &UserId,
        by: &By,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The lease lengths, read in a statement of its own.
    fn lease(&self) -> impl Future<Output = Result<Lease, StoreError>> + Send;

    /// Journal entries with a `seq` greater than `after`, at most `limit`.
    ///
    /// - **L70** `seq` is gapless in the order in which the endings took effect.
    /// - **L71** Where the journal is [`JournalOrder::PerUser`], it fails as
    ///   [`Unsupported`](super::StoreErrorKind::Unsupported), and never answers with a part of what
    ///   ended.
    fn journal(
        &self,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<JournalPage, StoreError>> + Send;

    /// What a node that follows the journal asks again and again: what is new, both lease lengths,
    /// and whether the journal still is the one that it knows.
    ///
    /// - **L73** All of the answer is of one instant, which is later than the call: a consistent
    ///   read on the primary. For `Some(seq)` it begins with the entry `seq`, if that is still
    ///   there, and goes on with those beyond it, ascending, at most `limit` of them; for `None` it
    ///   is the newest entry alone, if there is one. Where the journal is
    ///   [`JournalOrder::PerUser`], it fails as
    ///   [`Unsupported`](super::StoreErrorKind::Unsupported).
    fn poll(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = Result<Polled, StoreError>> + Send;

    /// Makes both lease lengths at least this, and tells what they are then.
    ///
    /// - **L74** It never lowers one, whoever else raises or lowers them, and is committed when it
    ///   returns. Where there is no entry in the journal, it writes one about everybody
    ///   ([`EndReason::Changed`], by [`By::Policy`]): whoever polls then has one to know.
    fn raise_lease(&self, to: Duration) -> impl Future<Output = Result<Lease, StoreError>> + Send;

    /// The first half of the operator's lowering: the length that polls are given becomes `to`, if
    /// it was longer. Tells the lengths afterwards.
    fn lower_given(&self, to: Duration) -> impl Future<Output = Result<Lease, StoreError>> + Send;

    /// The second half, when no lease of the old length can run any more: the length that logouts
    /// wait becomes `seen.given`. Tells whether it did.
    ///
    /// - **L75** Only if both lengths still are as `seen`: a raise since then stands.
    fn lower_waited(&self, seen: Lease) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Completes when something may have been journalled since the call. It may complete for
    /// nothing, late or never: nothing depends on it but some milliseconds. By default it never
    /// does. [`Wakes`](super::Wakes) does it for a server that tells its clients of news.
    fn woken(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// The newest entries about a user, and about everybody, newest first, at most `limit`.
    ///
    /// - **L72** Where the journal is [`JournalOrder::PerUser`], `seq` is gapless among the entries
    ///   about one user, and among those about everybody.
    fn history(
        &self,
        user: &UserId,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<JournalEntry>, StoreError>> + Send;

    /// Removes dead rows, and journal entries older than [`JournalEntry::KEPT`], at most `limit`
    /// of each.
    ///
    /// - **L80** It removes no live row, writes no journal, leaves the newest entry, and forgets no
    ///   epoch.
    /// - **L81** Of sweeps at once, on any nodes, one removes and counts a row; none fails because of
    ///   another, and none waits for longer than one batch of another takes: one that finds another
    ///   under way may remove nothing. (So nodes need no leader.)
    fn sweep(&self, limit: usize) -> impl Future<Output = Result<Swept, StoreError>> + Send;
}
