//! How anything is read and changed: one script reads, the core's own words decide, and one script
//! writes if all that was read is still so. What lost against another change is decided anew.
//!
//! So no decision is taken in Lua, and each change is one script: wholly, or not at all.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime},
};

use logout_all::{
    By, Clock, EndReason, Epochs, Guid, SessionRow, StoreError, StoreErrorKind, UserId,
    scheme::{from_micros, to_micros},
};
use redis::{FromRedisValue, Value};
use uuid::Uuid;

use crate::{
    fault::Fault,
    keys::Keys,
    line::{Held, Line},
    row,
    script::{self, Call},
};

/// How long one answer to a read is waited for: a connection that is silent is noticed by it.
const READ_WAIT: Duration = Duration::from_secs(1);
/// How long a change is waited for, and never sent twice.
const COMMIT_WAIT: Duration = Duration::from_secs(2);
/// How long a change is tried against others that come first.
const CONTEST: Duration = Duration::from_secs(3);
/// How often a read is tried over new connections.
const READS: usize = 3;
/// The version of what is stored. A later one that this binary could not read would say more.
pub(crate) const VERSION: &str = "1";

/// What the verbs of one store share.
pub(crate) struct Shared {
    pub(crate) keys: Keys,
    pub(crate) clock: Clock,
    /// The largest global epoch that this node has seen: after a FLUSHALL it goes on from there.
    pub(crate) global_epoch: AtomicI64,
}

/// What is read of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Epochs,
    One(Guid),
    All,
}

/// What was read, at one instant.
pub(crate) struct View {
    pub(crate) now: SystemTime,
    pub(crate) epochs: Epochs,
    pub(crate) rows: Vec<Stored>,
    /// What it was read over, and will be written over.
    held: Held,
    store_id: String,
    global_epoch: String,
    epoch: Option<String>,
}

/// A row as it is stored, and what it says if it can be read.
pub(crate) struct Stored {
    pub(crate) field: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) row: Result<SessionRow, StoreError>,
}

/// What is to be written.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) puts: Vec<SessionRow>,
    /// Fields of rows that go.
    pub(crate) removals: Vec<Vec<u8>>,
    pub(crate) epoch: Option<i64>,
    pub(crate) global_epoch: Option<i64>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) index: Index,
    pub(crate) purpose: Purpose,
}

/// Whether it must go through on a server that is out of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    #[default]
    Ordinary,
    Ending,
}

/// An entry of the journal; its number and its instant are the script's.
pub(crate) struct Entry {
    pub(crate) guid: Option<Guid>,
    pub(crate) reason: EndReason,
    pub(crate) by: String,
}

impl Entry {
    pub(crate) fn new(guid: Option<Guid>, reason: EndReason, by: &By) -> Self {
        Self { guid, reason, by: by.to_string() }
    }
}

/// What becomes of the user's place in the sweeper's two indices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Index {
    #[default]
    Stays,
    /// At the latest there: when a row may be dead, and its global epoch.
    AtMost(i64, i64),
    /// Just there.
    At(i64, i64),
    Gone,
}

/// What is decided on a view.
pub(crate) enum Decision<T> {
    /// There is nothing to write.
    Answer(T),
    /// It cannot be: nothing is written.
    Refuse(StoreError),
    /// This is the answer once it is written.
    Write(Plan, T),
}

impl View {
    /// The rows that live.
    pub(crate) fn live(&self) -> impl Iterator<Item = &SessionRow> {
        let (epochs, now) = (self.epochs, self.now);
        self.rows
            .iter()
            .filter_map(|stored| stored.row.as_ref().ok())
            .filter(move |row| row.is_live(epochs, now))
    }

    /// The one row that was asked for.
    pub(crate) fn row(self) -> Result<Option<SessionRow>, StoreError> {
        self.rows.into_iter().next().map(|stored| stored.row).transpose()
    }
}

impl Shared {
    /// Reads over one connection after the other, until one answers.
    pub(crate) async fn ask(&self, line: &Line, call: &Call) -> Result<Value, Fault> {
        self.ask_held(line, call).await.map(|(answer, _)| answer)
    }

    async fn ask_held(&self, line: &Line, call: &Call) -> Result<(Value, Held), Fault> {
        let once = async || {
            let held = line.hold().await?;
            Ok((line.call_over(&held, call, READ_WAIT).await?, held))
        };
        let mut tried = 1;
        loop {
            match once().await {
                Err(Fault::Connection(_)) if tried < READS => tried += 1,
                answer => return answer,
            }
        }
    }

    pub(crate) async fn read(
        &self,
        line: &Line,
        user: Option<&UserId>,
        which: Which,
    ) -> Result<View, Fault> {
        let keys = self.keys.of(user);
        let wanted = match which {
            Which::Epochs => "none".to_owned(),
            Which::One(guid) => guid.to_string(),
            Which::All => "all".to_owned(),
        };
        let call = Call::new(
            &script::READ,
            &[&self.keys.store, &keys.epoch, &keys.sessions, &self.keys.nothing],
        )
        .with(wanted);
        for _ in 0..READS {
            let (answer, held) = self.ask_held(line, &call).await?;
            if let Some(view) = self.view(take(answer)?, held, user)? {
                return Ok(view);
            }
            self.make(line).await?;
        }
        Err(lost().into())
    }

    /// None where there is no store.
    fn view(
        &self,
        answer: Vec<Value>,
        held: Held,
        user: Option<&UserId>,
    ) -> Result<Option<View>, Fault> {
        let mut values = answer.into_iter();
        let now = self.instant(&mut values)?;
        let store_id: Option<String> = next(&mut values)?;
        let global: Option<String> = next(&mut values)?;
        let epoch: Option<String> = next(&mut values)?;
        let (Some(store_id), Some(global_epoch)) = (store_id, global) else { return Ok(None) };
        let epochs = Epochs {
            user: epoch.as_deref().map_or(Ok(0), number)?,
            global: number(&global_epoch)?,
        };
        self.global_epoch.fetch_max(epochs.global, Ordering::Relaxed);
        let mut rows = Vec::new();
        while values.len() > 0 {
            let field: Vec<u8> = next(&mut values)?;
            let bytes: Vec<u8> = next(&mut values)?;
            let guid = std::str::from_utf8(&field).ok().and_then(Guid::parse);
            let row = match (user, guid) {
                (Some(user), Some(guid)) => row::unpack(user, guid, &bytes),
                _ => Err(StoreError::new(StoreErrorKind::Corrupt, "a session has no id")),
            };
            rows.push(Stored { field, bytes, row });
        }
        Ok(Some(View { now, epochs, rows, held, store_id, global_epoch, epoch }))
    }

    /// The store's clock, as a script tells it.
    pub(crate) fn instant(
        &self,
        values: &mut impl Iterator<Item = Value>,
    ) -> Result<SystemTime, Fault> {
        let (seconds, micros): (String, String) = (next(values)?, next(values)?);
        let now = number(&seconds)?.saturating_mul(1_000_000).saturating_add(number(&micros)?);
        Ok(from_micros(now.saturating_add(self.clock.offset_micros())))
    }

    /// Makes the store where there is none: at the first start, or after a FLUSHALL.
    pub(crate) async fn make(&self, line: &Line) -> Result<(), Fault> {
        let known = self.global_epoch.load(Ordering::Relaxed);
        let id = Uuid::new_v4().to_string();
        let call = Call::new(&script::OPEN, &[&self.keys.store, &self.keys.journal])
            .with(&id)
            .with(known.saturating_add(1))
            .with(self.clock.offset_micros())
            .with(VERSION);
        let (made, version): (String, String) = take(line.call(&call, COMMIT_WAIT).await?)?;
        if version != VERSION {
            let message = format!(
                "the Redis store is of version {version}, and this binary knows {VERSION} alone: \
                 give it another prefix, or use the binary that made it"
            );
            return Err(StoreError::new(StoreErrorKind::Schema, message).into());
        }
        if known > 0 && made == id {
            tracing::error!(
                "the Redis store was emptied (FLUSHALL, an eviction, an empty replacement): \
                 everybody is signed out, and the journal begins anew"
            );
        }
        Ok(())
    }

    /// Reads, decides and writes, until no other change came between.
    pub(crate) async fn change<T>(
        &self,
        line: &Line,
        user: Option<&UserId>,
        which: Which,
        decide: impl Fn(&View) -> Decision<T>,
    ) -> Result<T, Fault> {
        self.change_held(line, user, which, decide).await.map(|(answer, _)| answer)
    }

    /// The same, with the connection over which the answer came to be: it wrote the change, or read
    /// that there was none to write.
    pub(crate) async fn change_held<T>(
        &self,
        line: &Line,
        user: Option<&UserId>,
        which: Which,
        decide: impl Fn(&View) -> Decision<T>,
    ) -> Result<(T, Held), Fault> {
        let began = Instant::now();
        let mut lost = 0_u64;
        loop {
            let view = self.read(line, user, which).await?;
            let (plan, answer) = match decide(&view) {
                Decision::Answer(answer) => return Ok((answer, view.held)),
                Decision::Refuse(error) => return Err(error.into()),
                Decision::Write(plan, answer) => (plan, answer),
            };
            let call = self.commit(user, which, &view, &plan)?;
            // One answer is enough: a change that perhaps took place is not sent again.
            let written = line.call_over(&view.held, &call, COMMIT_WAIT).await;
            if take::<i64>(written.map_err(Fault::of_commit)?)? == 1 {
                return Ok((answer, view.held));
            }
            if began.elapsed() > CONTEST {
                let message = "other changes of the same user came first for 3 s; nothing was \
                               changed, and the operation may be repeated";
                return Err(StoreError::new(StoreErrorKind::TimedOut, message).into());
            }
            // Not in step with those that it lost against.
            lost += 1;
            let spread = u64::from(Uuid::new_v4().as_bytes()[0]);
            tokio::time::sleep(Duration::from_micros(spread * 4 * lost.min(16))).await;
        }
    }

    fn commit(
        &self,
        user: Option<&UserId>,
        which: Which,
        view: &View,
        plan: &Plan,
    ) -> Result<Call, StoreError> {
        let keys = self.keys.of(user);
        let history = if user.is_some() { &keys.history } else { &self.keys.everybody };
        let shared = &self.keys;
        let mut call = Call::new(
            &script::COMMIT,
            &[
                &shared.store,
                &keys.epoch,
                &keys.sessions,
                &shared.due,
                &shared.stamped,
                &shared.journal,
                history,
                &shared.nothing,
            ],
        )
        .with(&view.store_id)
        .with(&view.global_epoch)
        .with(view.epoch.as_deref().unwrap_or_default())
        .with(self.clock.offset_micros())
        .with(holds_until(view));
        match which {
            Which::All => call.push(view.rows.len()),
            Which::Epochs | Which::One(_) => call.push(""),
        }
        call.push(if plan.purpose == Purpose::Ending { "1" } else { "" });
        call.push(plan.global_epoch.map(|epoch| epoch.to_string()).unwrap_or_default());
        call.push(plan.epoch.map(|epoch| epoch.to_string()).unwrap_or_default());
        call.push(user.map_or("", UserId::as_str));
        let (what, due, stamped) = match plan.index {
            Index::Stays => ("", 0, 0),
            Index::AtMost(due, stamped) => ("add", due, stamped),
            Index::At(due, stamped) => ("set", due, stamped),
            Index::Gone => ("remove", 0, 0),
        };
        call = call.with(what).with(due).with(stamped);
        checks(&mut call, which, view);
        call.push(plan.puts.len());
        for row in &plan.puts {
            call = call.with(row.guid.to_string()).with(row::pack(row)?);
            call.push(to_micros(row.expires_at));
        }
        call.push(plan.removals.len());
        for field in &plan.removals {
            call.push(field.as_slice());
        }
        call.push(plan.entries.len());
        for entry in &plan.entries {
            call.push(entry.guid.map(|guid| guid.to_string()).unwrap_or_default());
            call = call.with(entry.reason.as_str()).with(&entry.by);
            call.push(Uuid::new_v4().to_string());
        }
        Ok(call)
    }
}

/// Each row as it was read; and where one was asked for and absent, that it is.
fn checks(call: &mut Call, which: Which, view: &View) {
    if let (Which::One(guid), true) = (which, view.rows.is_empty()) {
        call.push(1);
        call.push(guid.to_string());
        call.push("");
        return;
    }
    call.push(view.rows.len());
    for stored in &view.rows {
        call.push(stored.field.as_slice());
        call.push(stored.bytes.as_slice());
    }
}

/// The first of the live rows to die: from then on the decision could be another.
fn holds_until(view: &View) -> i64 {
    // Lua counts in doubles, which are exact up to here: the year 2255.
    const FOR_EVER: i64 = 1 << 53;
    let ends = view.live().map(|row| to_micros(row.expires_at));
    ends.min().unwrap_or(FOR_EVER).min(FOR_EVER)
}

/// A value of an answer as what it must be.
pub(crate) fn take<T: FromRedisValue>(value: Value) -> Result<T, StoreError> {
    // The cause is left out: it quotes the value.
    T::from_redis_value(value).map_err(|_| {
        let message = "Redis answered what no script of logout-all answers";
        StoreError::new(StoreErrorKind::Corrupt, message)
    })
}

pub(crate) fn next<T: FromRedisValue>(
    values: &mut impl Iterator<Item = Value>,
) -> Result<T, StoreError> {
    take(values.next().unwrap_or(Value::Nil))
}

pub(crate) fn number(text: &str) -> Result<i64, StoreError> {
    text.parse().map_err(|_| {
        let message = "an epoch, a number or an instant of the Redis store is damaged: it holds what \
                       no version of logout-all writes";
        StoreError::new(StoreErrorKind::Corrupt, message)
    })
}

fn lost() -> StoreError {
    let message = "the Redis store vanished again and again while it was read";
    StoreError::new(StoreErrorKind::Unavailable, message)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("keys", &self.keys).finish_non_exhaustive()
    }
}
