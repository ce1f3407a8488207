//! The lease lengths (`docs/consistency.md`): read by logouts, raised by nodes, lowered by an operator,
//! each by one script. On a cluster nobody follows the journal, and so nobody raises them.

use std::time::Duration;

use logout_all::{StoreError, StoreErrorKind, store::Lease};
use redis::Value;
use uuid::Uuid;

use crate::{
    fault::Fault,
    keys::Layout,
    line::Line,
    script::{self, Call},
    shared::{COMMIT_WAIT, READS, Shared, damaged, lost, next, number, take},
    wire::Held,
};

/// Lua counts in doubles, which are exact up to here.
const LONGEST: u64 = 1 << 53;

/// What becomes of the lengths.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// At least this.
    Raise(Duration),
    /// What polls are given: no more than this.
    LowerGiven(Duration),
    /// What logouts wait: as long as polls are given, if both are as they were.
    LowerWaited(Lease),
}

/// Whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Yes,
    No,
}

impl Shared {
    /// The lengths, as nodes of this or of a later version left them.
    pub(crate) async fn lease(&self, line: &Line) -> Result<Lease, Fault> {
        let call = Call::new(&script::LEASE, &[&self.keys.store, &self.keys.nothing]);
        let mut lengths = take::<Vec<Value>>(self.ask(line, &call).await?)?.into_iter();
        Ok(read(&mut lengths)?)
    }

    /// The lengths afterwards, and the connection over which they were changed.
    pub(crate) async fn change_lease(
        &self,
        line: &Line,
        change: Change,
    ) -> Result<(Lease, Done, Held), Fault> {
        let keys = &self.keys;
        if keys.layout == Layout::Cluster {
            return Err(uncached().into());
        }
        let given = [&keys.store, &keys.journal, &keys.everybody, &keys.nothing];
        let call = Call::new(&script::LENGTHS, &given);
        let call = match change {
            // A part of a microsecond counts as a whole one: "at least this".
            Change::Raise(to) => call
                .with("raise")
                .with(micros(to.saturating_add(Duration::from_nanos(999))))
                .with(self.clock.offset_micros())
                .with(Uuid::new_v4().to_string())
                .with(&keys.channel),
            Change::LowerGiven(to) => call.with("given").with(micros(to)),
            Change::LowerWaited(seen) => {
                call.with("waited").with(micros(seen.given)).with(micros(seen.waited))
            }
        };
        for _ in 0..READS {
            let held = line.hold(&call).await?;
            let changed = line.call_over(held, &call, COMMIT_WAIT).await;
            let (changed, held) = changed.map_err(Fault::of_commit)?;
            let changed: Vec<Value> = take(changed)?;
            if changed.is_empty() {
                self.make(line).await?;
                continue;
            }
            let mut values = changed.into_iter();
            let lease = read(&mut values)?;
            let done = if next::<i64>(&mut values)? == 1 { Done::Yes } else { Done::No };
            return Ok((lease, done, held));
        }
        Err(lost().into())
    }
}

/// The two lengths as a script tells them; absent until a node asks for cached mode.
pub(crate) fn read(values: &mut impl Iterator<Item = Value>) -> Result<Lease, StoreError> {
    let mut length = || {
        let text: Option<String> = next(values)?;
        // A length that cannot be read must not become none: a logout would not wait for it.
        let micros = text.as_deref().map_or(Ok(0), number)?;
        u64::try_from(micros).map(Duration::from_micros).map_err(|_| damaged())
    };
    Ok(Lease { given: length()?, waited: length()? })
}

/// What cannot be where each user has a journal.
pub(crate) fn uncached() -> StoreError {
    let message = "a Redis Cluster has no common journal: each user's is in the user's slot, is read \
                   by `history`, and cannot be followed (docs/redis.md, \"Redis Cluster\")";
    StoreError::new(StoreErrorKind::Unsupported, message)
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(LONGEST).min(LONGEST)
}
