//! `WAIT`: an ending is not reported before so many replicas have it.

use std::time::Duration;

use logout_all::{StoreError, StoreErrorKind};

use crate::{
    fault::Fault,
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

    /// Waits for all that this connection has written or read so far: so the repetition of an
    /// ending, which finds nothing to end, waits for what it found. Over another connection it would
    /// wait for nothing, or on a server that never had the ending. On a cluster it is the connection to
    /// the user's node.
    pub(crate) async fn acknowledged(&self, held: &Held) -> Result<(), Fault> {
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
