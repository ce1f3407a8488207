//! What the verbs of one store share, and how anything is read.
//!
//! On a cluster what is the store's (its id, the global epoch) and what is a user's are in two
//! slots, and so are read by two calls, side by side, both begun after the verb began. Why that is
//! enough: a global epoch only grows; a row carries the one of its login for ever, and lives only
//! while both are equal. So, verb by verb, beside an end of everybody:
//! - *lookup, devices*: whoever asks after it has returned reads the new epoch, and finds every older
//!   row dead. A row of a later epoch than the one read beside it shows that this one is old: both are
//!   read again, or a login since would be taken for dead.
//! - *insert*: what begins after it is overtaken, as it reads the new epoch. What read the old one and
//!   is written after it writes a row of the old one, dead from the start, as if it had come first.
//! - *rotate, remint, touch, relabel, and the re-stamp of a fence*: they write a row that was there,
//!   with the global epoch that it had. If that is old by now, the row is as dead as before.
//! - *end*: what it counts lived by the epoch that it read, as if it had come first.
//! - *end of everybody*: compared and written in the store's slot by one script.
//! - *sweep*: an old epoch makes rows seem alive, and a row of a later one is as above.
//!
//! So no user's script needs to see the store's slot; all else that a change depends on is in the
//! user's, and compared by the script that writes.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime},
};

use logout_all::{
    Clock, Epochs, Guid, SessionRow, StoreError, StoreErrorKind, scheme::from_micros,
};
use redis::{FromRedisValue, Value};
use uuid::Uuid;

use crate::{
    fault::Fault,
    keys::{Keys, Layout, Whose},
    line::Line,
    row,
    script::{self, Call},
    wire::Held,
};

/// How long one answer to a read is waited for: a connection that is silent is noticed by it.
pub(crate) const READ_WAIT: Duration = Duration::from_secs(1);
/// How long a change is waited for, and never sent twice.
pub(crate) const COMMIT_WAIT: Duration = Duration::from_secs(2);
/// How often a read is tried over new connections.
pub(crate) const READS: usize = 3;
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
    /// What the user's part was read over, and will be written over.
    pub(crate) held: Held,
    pub(crate) store_id: String,
    pub(crate) global_epoch: String,
    pub(crate) epoch: Option<String>,
}

/// A row as it is stored, and what it says if it can be read.
pub(crate) struct Stored {
    pub(crate) field: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) row: Result<SessionRow, StoreError>,
}

/// What one call read.
struct Part {
    now: SystemTime,
    store: Option<Read>,
    epoch: Option<String>,
    user_epoch: i64,
    rows: Vec<Stored>,
    held: Held,
}

/// What is the store's, as it is stored.
pub(crate) struct Read {
    pub(crate) id: String,
    pub(crate) global: i64,
    /// The same, as it is stored.
    pub(crate) text: String,
}

impl Part {
    /// None where there is no store.
    fn whole(self) -> Option<View> {
        let store = self.store?;
        Some(View {
            now: self.now,
            epochs: Epochs { user: self.user_epoch, global: store.global },
            rows: self.rows,
            held: self.held,
            store_id: store.id,
            global_epoch: store.text,
            epoch: self.epoch,
        })
    }
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

    fn is_behind(&self) -> bool {
        let mut rows = self.rows.iter().filter_map(|stored| stored.row.as_ref().ok());
        rows.any(|row| row.global_epoch > self.epochs.global)
    }
}

impl Shared {
    /// Reads over one connection after the other, until one answers.
    pub(crate) async fn ask(&self, line: &Line, call: &Call) -> Result<Value, Fault> {
        self.ask_held(line, call, READ_WAIT).await.map(|(answer, _)| answer)
    }

    pub(crate) async fn ask_held(
        &self,
        line: &Line,
        call: &Call,
        wait: Duration,
    ) -> Result<(Value, Held), Fault> {
        let once = async || line.call_over(line.hold(call).await?, call, wait).await;
        let mut tried = 1;
        loop {
            match once().await {
                Err(Fault::Connection(_)) if tried < READS => {
                    tried += 1;
                    line.find_anew().await;
                }
                answer => return answer,
            }
        }
    }

    pub(crate) async fn read(
        &self,
        line: &Line,
        whose: Whose<'_>,
        which: Which,
    ) -> Result<View, Fault> {
        let given = self.keys.of(whose);
        let wanted = match which {
            Which::Epochs => "none".to_owned(),
            Which::One(guid) => guid.to_string(),
            Which::All => "all".to_owned(),
        };
        let call = Call::new(
            &script::READ,
            &[&given.store, &given.epoch, &given.sessions, &given.nothing],
        )
        .with(wanted);
        let mut tried = 0;
        loop {
            tried += 1;
            let read = match (self.keys.layout, whose) {
                (Layout::Server, _) | (_, Whose::Store) => {
                    let (answer, held) = self.ask_held(line, &call, READ_WAIT).await?;
                    self.part(take(answer)?, held, whose)?.whole()
                }
                (Layout::Cluster, _) => self.read_beside(line, whose, &call).await?,
            };
            match read {
                // A row of a later epoch than the one read beside it: that one is old.
                Some(view) if view.is_behind() && tried < READS => {}
                Some(view) => {
                    self.global_epoch.fetch_max(view.epochs.global, Ordering::Relaxed);
                    return Ok(view);
                }
                None if tried < READS => self.make(line).await?,
                None => return Err(lost().into()),
            }
        }
    }

    /// The user's part, and beside it the store's.
    async fn read_beside(
        &self,
        line: &Line,
        whose: Whose<'_>,
        call: &Call,
    ) -> Result<Option<View>, Fault> {
        let given = self.keys.of(Whose::Store);
        let store = Call::new(
            &script::READ,
            &[&given.store, &given.epoch, &given.sessions, &given.nothing],
        )
        .with("none");
        let ((user, held), (store, over)) = tokio::try_join!(
            self.ask_held(line, call, READ_WAIT),
            self.ask_held(line, &store, READ_WAIT)
        )?;
        let store = self.part(take(store)?, over, Whose::Store)?;
        let user = self.part(take(user)?, held, whose)?;
        Ok(Part { store: store.store, ..user }.whole())
    }

    fn part(&self, answer: Vec<Value>, held: Held, whose: Whose<'_>) -> Result<Part, Fault> {
        let mut values = answer.into_iter();
        let now = self.instant(&mut values)?;
        let store = Self::store_read(&mut values)?;
        let epoch: Option<String> = next(&mut values)?;
        let user_epoch = epoch.as_deref().map_or(Ok(0), number)?;
        let mut rows = Vec::new();
        while values.len() > 0 {
            let field: Vec<u8> = next(&mut values)?;
            let bytes: Vec<u8> = next(&mut values)?;
            let guid = std::str::from_utf8(&field).ok().and_then(Guid::parse);
            let row = match (whose, guid) {
                (Whose::User(user), Some(guid)) => row::unpack(user, guid, &bytes),
                _ => Err(StoreError::new(StoreErrorKind::Corrupt, "a session has no id")),
            };
            rows.push(Stored { field, bytes, row });
        }
        Ok(Part { now, store, epoch, user_epoch, rows, held })
    }

    /// What is the store's, as a script tells it; none where there is no store.
    pub(crate) fn store_read(
        values: &mut impl Iterator<Item = Value>,
    ) -> Result<Option<Read>, StoreError> {
        let (id, global): (Option<String>, Option<String>) = (next(values)?, next(values)?);
        let (Some(id), Some(text)) = (id, global) else { return Ok(None) };
        Ok(Some(Read { id, global: number(&text)?, text }))
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
}

/// A value of an answer as what it must be.
pub(crate) fn take<T: FromRedisValue>(value: Value) -> Result<T, StoreError> {
    // The cause is left out: it quotes the value.
    T::from_redis_value(value).map_err(|_| foreign())
}

pub(crate) fn foreign() -> StoreError {
    let message = "Redis answered what no script of logout-all answers";
    StoreError::new(StoreErrorKind::Corrupt, message)
}

pub(crate) fn next<T: FromRedisValue>(
    values: &mut impl Iterator<Item = Value>,
) -> Result<T, StoreError> {
    take(values.next().unwrap_or(Value::Nil))
}

pub(crate) fn number(text: &str) -> Result<i64, StoreError> {
    text.parse().map_err(|_| damaged())
}

pub(crate) fn damaged() -> StoreError {
    let message = "an epoch, a number or an instant of the Redis store is damaged: it holds what no \
                   version of logout-all writes";
    StoreError::new(StoreErrorKind::Corrupt, message)
}

pub(crate) fn lost() -> StoreError {
    let message = "the Redis store vanished again and again while it was read";
    StoreError::new(StoreErrorKind::Unavailable, message)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("keys", &self.keys).finish_non_exhaustive()
    }
}
