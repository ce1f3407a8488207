//! What the store knows of many sessions, in one call of one script, on one server: for lookups, and
//! for changes of many.

use std::{sync::atomic::Ordering, time::SystemTime};

use logout_all::{
    Epochs, Snapshot, StoreError, StoreErrorKind, UserState,
    store::{LookupAnswer, LookupAsked},
};
use redis::Value;

use crate::{
    fault::{Fault, HIDDEN},
    line::Line,
    row,
    script::{self, Call},
    shared::{READ_WAIT, READS, Read, Shared, foreign, lost, number, take},
    wire::Held,
};

/// What was read, at one instant.
pub(crate) struct Many {
    pub(crate) now: SystemTime,
    pub(crate) store: Read,
    /// In the order of what was asked. Damage of a key is the failure of those who asked for it.
    pub(crate) sessions: Vec<Result<Stored, StoreError>>,
    /// What it was read over.
    pub(crate) held: Held,
}

/// A session as it is stored.
pub(crate) struct Stored {
    /// Of its user, if there is one.
    pub(crate) epoch: Option<Vec<u8>>,
    pub(crate) row: Option<Vec<u8>>,
}

impl Stored {
    pub(crate) fn epochs(&self, store: &Read) -> Result<Epochs, StoreError> {
        let user = match &self.epoch {
            None => 0,
            Some(digits) => number(std::str::from_utf8(digits).unwrap_or_default())?,
        };
        Ok(Epochs { user, global: store.global })
    }
}

impl Shared {
    /// The answers, in the order of what was asked.
    pub(crate) async fn lookups(
        &self,
        line: &Line,
        asked: &[&LookupAsked],
    ) -> Result<Vec<LookupAnswer>, Fault> {
        let Many { now, store, sessions, .. } = self.many(line, asked).await?;
        let snapshot = |(user, guid): &LookupAsked, stored: Stored| {
            let row = stored.row.as_ref().map(|row| row::unpack(user, *guid, row)).transpose()?;
            Ok(Snapshot { now, epochs: stored.epochs(&store)?, row, user: UserState::NotAsked })
        };
        Ok(asked.iter().zip(sessions).map(|(asked, stored)| snapshot(asked, stored?)).collect())
    }

    pub(crate) async fn many(&self, line: &Line, asked: &[&LookupAsked]) -> Result<Many, Fault> {
        let mut call = Call::new(&script::LOOKUPS, &[&self.keys.store, &self.keys.nothing]);
        for (user, guid) in asked {
            call.add(self.keys.of_session(user), guid.to_string());
        }
        let mut tried = 1;
        loop {
            let (answer, held) = self.ask_held(line, &call, READ_WAIT).await?;
            match self.found(asked.len(), answer, held)? {
                Some(many) => return Ok(many),
                None if tried < READS => self.make(line).await?,
                None => return Err(lost().into()),
            }
            tried += 1;
        }
    }

    /// None where there is no store.
    fn found(&self, asked: usize, answer: Value, held: Held) -> Result<Option<Many>, Fault> {
        let mut values = take::<Vec<Value>>(answer)?.into_iter();
        let now = self.instant(&mut values)?;
        let Some(store) = Self::store_read(&mut values)? else { return Ok(None) };
        self.global_epoch.fetch_max(store.global, Ordering::Relaxed);
        let stored = |epoch, row| Ok(Stored { epoch: text(epoch)?, row: text(row)? });
        let mut sessions = Vec::with_capacity(asked);
        for _ in 0..asked {
            let (Some(epoch), Some(row)) = (values.next(), values.next()) else {
                return Err(foreign().into());
            };
            sessions.push(stored(epoch, row));
        }
        Ok(Some(Many { now, store, sessions, held }))
    }
}

/// What a key holds, if it is there.
fn text(value: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Value::BulkString(text) => Ok(Some(text)),
        Value::Nil => Ok(None),
        _ => Err(StoreError::new(StoreErrorKind::Corrupt, HIDDEN)),
    }
}
