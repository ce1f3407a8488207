//! The workbench of one trial: the store, its clock, and the handiwork that the laws share.

use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    panic::Location,
    sync::Arc,
    time::{Duration, SystemTime},
};

use logout_all::{
    By, Clock, DeviceLimit, EndReason, Guid, JournalEntry, Limits, Persistence, RefTokId,
    SessionRow, StoreError, UserId,
    scheme::TokenTimes,
    store::{
        Ending, Inserted, JournalOrder, NewSession, Remint, RemintOf, Rotation, Scope, Swap, Touch,
    },
};
use tokio::{sync::Barrier, task::JoinSet};

use super::{
    erased::AnyStore,
    factory::{Standing, UsersTable},
};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DAY: Duration = Duration::from_hours(24);

pub(super) type Store = Arc<dyn AnyStore>;

/// What a law says in the end.
pub(super) type Verdict<T = ()> = Result<T, Violation>;

/// Why a law did not hold.
#[derive(Debug)]
pub(super) enum Violation {
    /// The law's own finding: the store broke it.
    Broken(String),
    /// The store failed, or a part of the law could not run: nothing is known of the law.
    Failed(String),
    /// The factory does not give what the law needs; said loudly, as an ignored trial.
    Lacking(&'static str),
    /// The law is about stores of another kind.
    NotApplicable(&'static str),
}

impl From<StoreError> for Violation {
    fn from(error: StoreError) -> Self {
        Self::Failed(format!("the store failed: {error:?}"))
    }
}

/// Ends the law with its finding unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($finding:tt)+) => {
        if !$holds {
            return Err($crate::laws::bench::broken(format!($($finding)+)));
        }
    };
}
pub(super) use ensure;

/// The law's own finding, with the place where it was made.
#[track_caller]
pub(super) fn broken(finding: impl fmt::Display) -> Violation {
    let place = Location::caller();
    let file = place.file().rsplit(['/', '\\']).next().unwrap_or_default();
    Violation::Broken(format!("{finding} [{file}, line {}]", place.line()))
}

/// Ends the law unless both are equal.
#[track_caller]
pub(super) fn equal<T: PartialEq + fmt::Debug>(what: &str, found: &T, wanted: &T) -> Verdict {
    if found == wanted {
        return Ok(());
    }
    let (found, wanted) = (format!("{found:#?}"), format!("{wanted:#?}"));
    Err(broken(format!("{what}: {}", difference(&found, &wanted))))
}

/// Of two long texts of as many lines, the lines that differ: rows have twenty fields.
fn difference(found: &str, wanted: &str) -> String {
    let (is, was): (Vec<&str>, Vec<&str>) = (found.lines().collect(), wanted.lines().collect());
    if is.len() != was.len() || is.len() < 4 {
        return format!("found {found}, wanted {wanted}");
    }
    let pairs = is.iter().zip(&was).filter(|(is, was)| is != was);
    let lines: Vec<String> =
        pairs.map(|(is, was)| format!("found `{}`, wanted `{}`", is.trim(), was.trim())).collect();
    lines.join("; ")
}

/// A user by name.
pub(super) fn user(name: impl fmt::Display) -> Verdict<UserId> {
    UserId::new(name).map_err(|why| Violation::Failed(why.to_string()))
}

/// The limits of a session whose law says nothing else.
pub(super) const LIMITS: Limits = Limits {
    idle: Duration::from_hours(14 * 24),
    absolute: Duration::from_hours(90 * 24),
    persistence: Persistence::Persistent,
};

/// A login that was stored.
pub(super) struct Stored {
    pub(super) row: SessionRow,
    pub(super) evicted: Vec<Guid>,
    pub(super) replaced: Vec<Guid>,
}

pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) second: Option<Store>,
    pub(super) clock: Clock,
    /// As the factory declares it.
    pub(super) journal_order: JournalOrder,
    pub(super) users: Option<UsersTable>,
    pub(super) rounds: usize,
    /// How long L2 waits for an answer.
    pub(super) patience: Duration,
}

impl Bench {
    pub(super) async fn now(&self) -> Verdict<SystemTime> {
        Ok(self.store.epochs(None).await?.now)
    }

    /// A second handle on the same data.
    pub(super) fn second(&self) -> Verdict<&Store> {
        let lacking = Violation::Lacking("the factory gives no second handle on the same data");
        self.second.as_ref().ok_or(lacking)
    }

    /// Writes a user's standing into the users table.
    pub(super) async fn stand(&self, user: &UserId, standing: Standing) -> Verdict {
        let Some(write) = &self.users else {
            return Err(Violation::NotApplicable("the store joins no users table"));
        };
        let failed = |why| Violation::Failed(format!("the users table was not written: {why}"));
        write(user.clone(), standing).await.map_err(failed)
    }

    /// A login whose ticket is taken now.
    pub(super) async fn login(&self, user: &UserId) -> Verdict<NewSession> {
        let ticket = self.store.epochs(Some(user)).await?;
        Ok(NewSession {
            user: user.clone(),
            guid: Guid::random(),
            ref_tok_id: RefTokId::random(),
            epochs: ticket.epochs,
            began_at: ticket.now,
            limits: LIMITS,
            token_lifetime: HOUR,
            device_limit: DeviceLimit::Unlimited,
            replaces: Vec::new(),
            user_agent: None,
            ip: None,
        })
    }

    /// Stores a login that nothing stands against.
    pub(super) async fn stored(&self, login: &NewSession) -> Verdict<Stored> {
        match self.store.insert(login).await? {
            Inserted::Stored { row, evicted, replaced } => {
                Ok(Stored { row: *row, evicted, replaced })
            }
            refused => Err(broken(format!("a good login was refused: {refused:?}"))),
        }
    }

    pub(super) async fn sign_in(&self, user: &UserId) -> Verdict<SessionRow> {
        self.sign_in_with(user, LIMITS).await
    }

    pub(super) async fn sign_in_with(&self, user: &UserId, limits: Limits) -> Verdict<SessionRow> {
        let login = NewSession { limits, ..self.login(user).await? };
        Ok(self.stored(&login).await?.row)
    }

    /// The row as a lookup finds it, dead or alive.
    pub(super) async fn read(&self, user: &UserId, guid: Guid) -> Verdict<Option<SessionRow>> {
        Ok(self.store.lookup(user, guid).await?.row)
    }

    /// The row that must be there.
    pub(super) async fn reread(&self, row: &SessionRow) -> Verdict<SessionRow> {
        let found = self.read(&row.user, row.guid).await?;
        found.ok_or_else(|| broken(format!("session {:?} is gone", row.guid)))
    }

    pub(super) async fn lives(&self, user: &UserId, guid: Guid) -> Verdict<bool> {
        let found = self.store.lookup(user, guid).await?;
        Ok(found.row.is_some_and(|row| row.is_live(found.epochs, found.now)))
    }

    /// Ends the law unless exactly these sessions of the user are live, by lookup as by list.
    pub(super) async fn only_these_live(&self, user: &UserId, wanted: &[Guid]) -> Verdict {
        let rows = self.store.devices(user).await?.rows;
        let found: BTreeSet<Guid> = rows.iter().map(|row| row.guid).collect();
        equal("the live sessions", &found, &wanted.iter().copied().collect())?;
        for guid in wanted {
            ensure!(self.lives(user, *guid).await?, "{guid:?} is listed and does not live");
        }
        Ok(())
    }

    /// Ends the law if anything is left of that session.
    pub(super) async fn is_gone(&self, user: &UserId, guid: Guid) -> Verdict {
        let found = self.read(user, guid).await?;
        ensure!(found.is_none(), "{guid:?} ended, and is there: {found:?}");
        let listed = self.store.devices(user).await?.rows;
        ensure!(listed.iter().all(|row| row.guid != guid), "{guid:?} ended, and is listed");
        Ok(())
    }

    pub(super) async fn end(&self, user: &UserId, scope: Scope) -> Verdict<Vec<Guid>> {
        Ok(self.store.end(&ending(user, scope)).await?.guids)
    }

    pub(super) async fn end_everyone(&self) -> Verdict {
        Ok(self.store.end_everyone(EndReason::Everyone, &By::Application).await?)
    }

    /// The whole common journal, for the laws about it.
    pub(super) async fn journal(&self) -> Verdict<Vec<JournalEntry>> {
        if self.journal_order == JournalOrder::PerUser {
            return Err(Violation::NotApplicable(
                "there is no common journal (JournalOrder::PerUser), as the factory declares",
            ));
        }
        Ok(self.store.journal(0, 100_000).await?.entries)
    }

    /// All that was ever written, where these are all the users of the trial. Without a common
    /// journal it goes user by user, in this order; what is about everybody is among the first's.
    pub(super) async fn written(&self, users: &[UserId]) -> Verdict<Vec<JournalEntry>> {
        if self.journal_order == JournalOrder::Common {
            return self.journal().await;
        }
        let mut written: Vec<JournalEntry> = Vec::new();
        for user in users {
            let mut history = self.store.history(user, 100_000).await?;
            history.reverse();
            history.retain(|entry| entry.user.is_some() || !written.contains(entry));
            written.extend(history);
        }
        Ok(written)
    }

    /// Runs `work` that many times at once, in tasks that start together, over both handles in
    /// turn. The answers come in the order of the numbers.
    pub(super) async fn at_once<T, W, F>(&self, count: usize, work: W) -> Verdict<Vec<T>>
    where
        T: Send + 'static,
        W: Fn(Store, usize) -> F,
        F: Future<Output = Verdict<T>> + Send + 'static,
    {
        let start = Arc::new(Barrier::new(count));
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let second = self.second.as_ref().filter(|_| number % 2 == 1);
            let work = work(Arc::clone(second.unwrap_or(&self.store)), number);
            let start = Arc::clone(&start);
            tasks.spawn(async move {
                start.wait().await;
                (number, work.await)
            });
        }
        let mut answers = Vec::with_capacity(count);
        while let Some(joined) = tasks.join_next().await {
            let (number, answer) = joined.map_err(|why| Violation::Failed(why.to_string()))?;
            answers.push((number, answer?));
        }
        answers.sort_by_key(|(number, _)| *number);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }
}

/// An ending by the application itself, for the scope's usual reason.
pub(super) fn ending(user: &UserId, scope: Scope) -> Ending {
    let reason = match scope {
        Scope::Device(_) => EndReason::Logout,
        Scope::Others(_) => EndReason::Others,
        Scope::All => EndReason::Everywhere,
        _ => EndReason::Before,
    };
    Ending { user: user.clone(), scope, reason, by: By::Application }
}

/// Times of a token of one hour.
pub(super) fn times(now: SystemTime) -> TokenTimes {
    let whole = logout_all::scheme::whole_seconds(now + HOUR);
    let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(whole);
    TokenTimes { issued_at: now, expires_at }
}

/// A rotation of that row at that instant.
pub(super) fn rotation(row: &SessionRow, now: SystemTime) -> Rotation {
    Rotation {
        user: row.user.clone(),
        guid: row.guid,
        expected: row.ref_tok_id,
        next: RefTokId::random(),
        times: times(now),
        extension: None,
        auth_time: None,
        user_agent: None,
    }
}

/// A re-mint of that row's token at that instant.
pub(super) fn remint(row: &SessionRow, now: SystemTime, of: RemintOf) -> Remint {
    Remint {
        user: row.user.clone(),
        guid: row.guid,
        expected: row.ref_tok_id,
        times: times(now),
        auth_time: None,
        of,
    }
}

/// A touch of that row at that instant, which confirms its token.
pub(super) fn touch(row: &SessionRow, now: SystemTime) -> Touch {
    Touch {
        user: row.user.clone(),
        guid: row.guid,
        ref_tok_id: row.ref_tok_id,
        seen_at: now,
        extension: None,
        user_agent: None,
        confirm: logout_all::store::Confirm::Yes,
    }
}

/// Has it written, as the core does: what is passed over for a lock is tried again.
pub(super) async fn touched(store: &Store, touch: &Touch) -> Verdict {
    for _ in 0..500 {
        if store.touch(std::slice::from_ref(touch)).await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(broken("a touch is passed over for ever"))
}

/// The row after a swap that had to be done.
#[track_caller]
pub(super) fn done(swap: Swap) -> Verdict<SessionRow> {
    match swap {
        Swap::Done(row) => Ok(*row),
        Swap::Lost => Err(broken("a good compare-and-swap was lost")),
    }
}
