//! `WAIT`: an ending is not reported before so many replicas have it.

use std::time::Duration;

use logout_all::{StoreError, StoreErrorKind};

use crate::{
    fault::Fault,
    script::Call,
    shared::{COMMIT_WAIT, take},
    wire::Held,
};

/// How many replicas must have an ending, and how long they have for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replicas {
    pub(crate) count: usize,
    pub(crate) within: Duration,
}

impl Replicas {
    /// The longest wait: a verb has 4 s in all.
    pub(crate) const LONGEST: Duration = Duration::from_secs(1);

    /// Writes a mark over the connection that wrote the ending, or found that there was none to
    /// write, and waits until the replicas have the mark. Over another connection it could be one to a
    /// server that never had the ending; and so a node of a cluster that has the user no longer is not
    /// followed to the next. Without the mark `WAIT` would wait for nothing where nothing was written
    /// (since Redis 7.2, and in Valkey), and the repetition of an ending that was not reported, which
    /// finds nothing to end, would be reported at once.
    pub(crate) async fn acknowledged(&self, held: &Held, mark: &Call) -> Result<(), Fault> {
        held.sorted(held.call(mark, COMMIT_WAIT).await?).await?;
        let mut command = redis::cmd("WAIT");
        command.arg(self.count).arg(self.within.as_millis().max(1).to_string());
        let have: usize = take(held.ask(&command, COMMIT_WAIT).await?)?;
        if have >= self.count {
            return Ok(());
        }
        let message = format!(
            "the sessions ended on the primary, and {have} of {} replicas have it after {:?}: \
             repeat the operation, a failover could still undo it",
            self.count, self.within
        );
        Err(StoreError::new(StoreErrorKind::TimedOut, message).into())
    }
}
