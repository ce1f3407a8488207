//! Twins for L60 to L64.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use logout_all::{
    By, EndReason, Ended, Guid, SessionRow, SessionStore, StoreError, UserId,
    scheme::to_micros,
    store::{Ending, Scope, TicketEpochs},
};

use super::{Twin, Under, gap, lock};

/// Ends those *at* the instant too.
#[derive(Default)]
pub(crate) struct EndsAtTheInstantToo;

impl Twin for EndsAtTheInstantToo {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let later = |at: SystemTime| at + Duration::from_micros(1);
        let scope = match ending.scope {
            Scope::SignedInBefore(at) => Scope::SignedInBefore(later(at)),
            Scope::TokenIssuedBefore(at) => Scope::TokenIssuedBefore(later(at)),
            scope => scope,
        };
        under.end(&Ending { scope, ..ending.clone() }).await
    }
}

/// Takes the login's instant for the token's.
#[derive(Default)]
pub(crate) struct MistakesLoginForToken;

impl Twin for MistakesLoginForToken {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let scope = match ending.scope {
            Scope::TokenIssuedBefore(at) => Scope::SignedInBefore(at),
            scope => scope,
        };
        under.end(&Ending { scope, ..ending.clone() }).await
    }
}

/// Does nothing where there is nothing to end, not even fence.
#[derive(Default)]
pub(crate) struct SkipsTheFenceOfNothing;

impl Twin for SkipsTheFenceOfNothing {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        if under.devices(&ending.user).await?.rows.is_empty() {
            return Ok(Ended::default());
        }
        under.end(ending).await
    }
}

/// Fences, and forgets those that stay.
#[derive(Default)]
pub(crate) struct ForgetsToRestamp;

impl Twin for ForgetsToRestamp {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let before = under.devices(&ending.user).await?.rows;
        let ended = under.end(ending).await?;
        let takes =
            |row: &SessionRow| ending.scope.takes(row.guid, row.created_at, row.token_born_at());
        before.into_iter().filter(|row| !takes(row)).for_each(|row| under.save(row));
        Ok(ended)
    }
}

/// Leaves the predecessor to those that stay.
#[derive(Default)]
pub(crate) struct KeepsThePredecessor;

impl Twin for KeepsThePredecessor {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let before = under.devices(&ending.user).await?.rows;
        let ended = under.end(ending).await?;
        for row in under.devices(&ending.user).await?.rows {
            let was = before.iter().find(|was| was.guid == row.guid);
            let prev_ref_tok_id = was.and_then(|was| was.prev_ref_tok_id);
            under.save(SessionRow { prev_ref_tok_id, ..row });
        }
        Ok(ended)
    }
}

/// Takes the last mint of a refTokID for its first.
#[derive(Default)]
pub(crate) struct JudgesByTheLastMint;

impl Twin for JudgesByTheLastMint {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let Scope::TokenIssuedBefore(instant) = ending.scope else {
            return under.end(ending).await;
        };
        let mut ended = Ended::default();
        for row in under.devices(&ending.user).await?.rows {
            if row.token_issued_at < instant {
                let one = Ending { scope: Scope::Device(row.guid), ..ending.clone() };
                ended.guids.extend(under.end(&one).await?.guids);
            }
        }
        Ok(ended)
    }
}

/// Re-stamps expired rows, with the user's new epoch.
#[derive(Default)]
pub(crate) struct RestampsTheExpired;

impl Twin for RestampsTheExpired {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let ended = under.end(ending).await?;
        let epoch = under.epochs(Some(&ending.user)).await?.epochs.user;
        for row in under.dead().await?.into_iter().filter(|row| row.user == ending.user) {
            under.save(SessionRow { epoch, ..row });
        }
        Ok(ended)
    }
}

/// Re-stamps whatever has not expired, with both epochs: also those that everyone's end left
/// behind.
#[derive(Default)]
pub(crate) struct RestampsWhatEveryoneEnded;

impl Twin for RestampsWhatEveryoneEnded {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let ended = under.end(ending).await?;
        let ticket = under.epochs(Some(&ending.user)).await?;
        let (epoch, global_epoch) = (ticket.epochs.user, ticket.epochs.global);
        let unexpired = |row: &SessionRow| row.user == ending.user && ticket.now < row.expires_at;
        for row in under.dead().await?.into_iter().filter(unexpired) {
            under.save(SessionRow { epoch, global_epoch, ..row });
        }
        Ok(ended)
    }
}

/// Hides what it ended instead of removing it: saved again, with the epoch of before.
#[derive(Default)]
pub(crate) struct LeavesEndedRowsBehind;

impl Twin for LeavesEndedRowsBehind {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let before = under.devices(&ending.user).await?.rows;
        let ended = under.end(ending).await?;
        for row in before.into_iter().filter(|row| ended.guids.contains(&row.guid)) {
            under.save(SessionRow { epoch: -1, ..row });
        }
        Ok(ended)
    }
}

/// Counts what a scope names each time it is named.
#[derive(Default)]
pub(crate) struct CountsAgain {
    ended: Mutex<Vec<(UserId, Guid)>>,
}

impl Twin for CountsAgain {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let new = under.end(ending).await?.guids;
        let mut ended = lock(&self.ended);
        ended.extend(new.into_iter().map(|guid| (ending.user.clone(), guid)));
        let again = ended.iter().filter(|(user, _)| *user == ending.user);
        Ok(Ended { guids: again.map(|(_, guid)| *guid).collect() })
    }
}

/// Counts, then ends: two endings at once count the same session.
#[derive(Default)]
pub(crate) struct CountsThenEnds;

impl Twin for CountsThenEnds {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let takes =
            |row: &SessionRow| ending.scope.takes(row.guid, row.created_at, row.token_born_at());
        let rows = under.devices(&ending.user).await?.rows;
        let guids = rows.into_iter().filter(takes).map(|row| row.guid).collect();
        gap().await;
        under.end(ending).await?;
        Ok(Ended { guids })
    }
}

/// Counts rows, dead or alive.
#[derive(Default)]
pub(crate) struct CountsDeadRows;

impl Twin for CountsDeadRows {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let takes = |row: &SessionRow| {
            row.user == ending.user
                && ending.scope.takes(row.guid, row.created_at, row.token_born_at())
        };
        let dead: Vec<SessionRow> = under.dead().await?.into_iter().filter(takes).collect();
        let mut ended = under.end(ending).await?;
        ended.guids.extend(dead.iter().map(|row| row.guid));
        Ok(ended)
    }
}

/// Leaves dead rows where they are: they are dead anyway.
#[derive(Default)]
pub(crate) struct LeavesDeadRows;

impl Twin for LeavesDeadRows {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let dead = under.dead().await?;
        let ended = under.end(ending).await?;
        for row in dead {
            under.save(row);
        }
        Ok(ended)
    }
}

/// Writes no entry for a user of whom nothing was there.
#[derive(Default)]
pub(crate) struct WritesNothingForNothing;

impl Twin for WritesNothingForNothing {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let nothing = under.devices(&ending.user).await?.rows.is_empty();
        if nothing && ending.scope == Scope::All {
            // Fences and writes none.
            let scope = Scope::Others(Guid::random());
            return under.end(&Ending { scope, ..ending.clone() }).await;
        }
        under.end(ending).await
    }
}

/// Writes the entry when the ending is already there to be seen.
#[derive(Default)]
pub(crate) struct WritesTheEntryLater;

impl Twin for WritesTheEntryLater {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let scope = Scope::Others(Guid::random());
        let ended = under.end(&Ending { scope, ..ending.clone() }).await?;
        gap().await;
        under.end(ending).await?;
        Ok(ended)
    }
}

/// Takes the clock for the epoch: when the one goes back, so does the other.
#[derive(Default)]
pub(crate) struct EpochIsTheClock {
    bumped: Mutex<HashMap<UserId, i64>>,
}

impl Twin for EpochIsTheClock {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let ended = under.end(ending).await?;
        if ending.scope.fences() {
            let now = to_micros(under.clock().now());
            lock(&self.bumped).insert(ending.user.clone(), now);
        }
        Ok(ended)
    }

    async fn epochs(
        &self,
        under: &Under,
        user: Option<&UserId>,
    ) -> Result<TicketEpochs, StoreError> {
        let mut ticket = under.epochs(user).await?;
        if let Some(bumped) = user.and_then(|user| lock(&self.bumped).get(user).copied()) {
            ticket.epochs.user = bumped;
        }
        Ok(ticket)
    }
}

/// Counts epochs from 1 instead of seeding them: a value that was lost with its row returns.
#[derive(Default)]
pub(crate) struct CountsEpochsFromOne {
    bumped: Mutex<HashMap<UserId, i64>>,
}

impl Twin for CountsEpochsFromOne {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        if ending.scope.fences() {
            *lock(&self.bumped).entry(ending.user.clone()).or_default() += 1;
        }
        under.end(ending).await
    }

    async fn epochs(
        &self,
        under: &Under,
        user: Option<&UserId>,
    ) -> Result<TicketEpochs, StoreError> {
        let mut ticket = under.epochs(user).await?;
        if let Some(bumped) = user.and_then(|user| lock(&self.bumped).get(user).copied()) {
            ticket.epochs.user = bumped;
        }
        Ok(ticket)
    }
}

/// Ends everybody whom it knows, one user after the other, and fences nobody else.
#[derive(Default)]
pub(crate) struct EndsEveryoneItKnows;

impl Twin for EndsEveryoneItKnows {
    async fn end_everyone(
        &self,
        under: &Under,
        reason: EndReason,
        by: &By,
    ) -> Result<(), StoreError> {
        for (user, _) in under.known() {
            under.end(&Ending { user, scope: Scope::All, reason, by: by.clone() }).await?;
        }
        Ok(())
    }
}
