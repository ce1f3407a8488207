//! Many lookups in one call of one script, on one server.

use std::sync::atomic::Ordering;

use logout_all::{
    Epochs, Snapshot, StoreError, StoreErrorKind, UserState,
    store::{LookupAnswer, LookupAsked},
};
use redis::Value;

use crate::{
    fault::Fault,
    line::Line,
    row,
    script::{self, Call},
    shared::{READS, Shared, foreign, lost, number, take},
};

impl Shared {
    /// The answers, in the order of what was asked. Damage of a row or of an epoch is the failure
    /// of those who asked for it.
    pub(crate) async fn lookups(
        &self,
        line: &Line,
        asked: &[&LookupAsked],
    ) -> Result<Vec<LookupAnswer>, Fault> {
        let mut call = Call::new(&script::LOOKUPS, &[&self.keys.store, &self.keys.nothing]);
        for (user, guid) in asked {
            call.add(self.keys.of_session(user), guid.to_string());
        }
        for _ in 0..READS {
            if let Some(answers) = self.snapshots(asked, self.ask(line, &call).await?)? {
                return Ok(answers);
            }
            self.make(line).await?;
        }
        Err(lost().into())
    }

    /// None where there is no store.
    fn snapshots(
        &self,
        asked: &[&LookupAsked],
        answer: Value,
    ) -> Result<Option<Vec<LookupAnswer>>, Fault> {
        let mut values = take::<Vec<Value>>(answer)?.into_iter();
        let now = self.instant(&mut values)?;
        let Some(store) = Self::store_read(&mut values)? else { return Ok(None) };
        self.global_epoch.fetch_max(store.global, Ordering::Relaxed);
        let snapshot = |(user, guid): &LookupAsked, epoch, row| {
            let epoch = text(epoch)?
                .map_or(Ok(0), |epoch| number(std::str::from_utf8(&epoch).unwrap_or_default()))?;
            let row = text(row)?.map(|row| row::unpack(user, *guid, &row)).transpose()?;
            let epochs = Epochs { user: epoch, global: store.global };
            Ok(Snapshot { now, epochs, row, user: UserState::NotAsked })
        };
        let mut answers = Vec::with_capacity(asked.len());
        for asked in asked {
            let (Some(epoch), Some(row)) = (values.next(), values.next()) else {
                return Err(foreign().into());
            };
            answers.push(snapshot(asked, epoch, row));
        }
        Ok(Some(answers))
    }
}

/// What a key holds, if it is there.
fn text(value: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Value::BulkString(text) => Ok(Some(text)),
        Value::Nil => Ok(None),
        _ => Err(hidden()),
    }
}

fn hidden() -> StoreError {
    let message = "a key of the user in the Redis store is of a type that no version of logout-all \
                   writes";
    StoreError::new(StoreErrorKind::Corrupt, message)
}
