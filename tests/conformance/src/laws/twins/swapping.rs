//! Twins for L40 to L52: load and save, and what it brings back.

use std::{collections::HashMap, sync::Mutex};

use logout_all::{
    Guid, Label, RefTokId, SessionRow, SessionStore, StoreError, UserId,
    store::{Confirm, Inserted, NewSession, Remint, RemintOf, Rotation, Swap, Touch},
};

use super::{Twin, Under, gap, lock};

fn done(row: SessionRow) -> Swap {
    Swap::Done(Box::new(row))
}

/// Rotates by load and save.
#[derive(Default)]
pub(crate) struct RotatesByLoadAndSave;

impl Twin for RotatesByLoadAndSave {
    async fn rotate(&self, under: &Under, rotation: &Rotation) -> Result<Swap, StoreError> {
        let loaded = under.load(&rotation.user, rotation.guid).await?;
        let Some(mut row) = loaded.filter(|row| row.ref_tok_id == rotation.expected) else {
            return Ok(Swap::Lost);
        };
        gap().await;
        rotation.apply(&mut row);
        under.save(row.clone());
        Ok(done(row))
    }
}

/// Rotates a row that is there, dead or alive.
#[derive(Default)]
pub(crate) struct RotatesTheDead;

impl Twin for RotatesTheDead {
    async fn rotate(&self, under: &Under, rotation: &Rotation) -> Result<Swap, StoreError> {
        let found = under.lookup(&rotation.user, rotation.guid).await?;
        let Some(mut row) = found.row.filter(|row| row.ref_tok_id == rotation.expected) else {
            return Ok(Swap::Lost);
        };
        rotation.apply(&mut row);
        under.save(row.clone());
        Ok(done(row))
    }
}

/// Rotates and leaves the new token confirmed.
#[derive(Default)]
pub(crate) struct LeavesItConfirmed;

impl Twin for LeavesItConfirmed {
    async fn rotate(&self, under: &Under, rotation: &Rotation) -> Result<Swap, StoreError> {
        let confirmed_at = under.lookup(&rotation.user, rotation.guid).await?.row;
        let confirmed_at = confirmed_at.and_then(|row| row.confirmed_at);
        let Swap::Done(row) = under.rotate(rotation).await? else { return Ok(Swap::Lost) };
        let row = SessionRow { confirmed_at, ..*row };
        under.save(row.clone());
        Ok(done(row))
    }
}

/// Counts a re-mint as a rotation.
#[derive(Default)]
pub(crate) struct RemintMovesRotatedAt;

impl Twin for RemintMovesRotatedAt {
    async fn remint(&self, under: &Under, remint: &Remint) -> Result<Swap, StoreError> {
        let Swap::Done(mut row) = under.remint(remint).await? else { return Ok(Swap::Lost) };
        row.rotated_at = Some(remint.times.issued_at);
        under.save((*row).clone());
        Ok(Swap::Done(row))
    }
}

/// Recovers confirmed tokens too.
#[derive(Default)]
pub(crate) struct RecoversTheConfirmed;

impl Twin for RecoversTheConfirmed {
    async fn remint(&self, under: &Under, remint: &Remint) -> Result<Swap, StoreError> {
        under.remint(&Remint { of: RemintOf::Any, ..remint.clone() }).await
    }
}

/// Looks whether the token is confirmed, and recovers it a little later.
#[derive(Default)]
pub(crate) struct ChecksThenRecovers;

impl Twin for ChecksThenRecovers {
    async fn remint(&self, under: &Under, remint: &Remint) -> Result<Swap, StoreError> {
        let loaded = under.load(&remint.user, remint.guid).await?;
        if loaded.is_none_or(|row| row.confirmed_at.is_some()) {
            return Ok(Swap::Lost);
        }
        gap().await;
        under.remint(&Remint { of: RemintOf::Any, ..remint.clone() }).await
    }
}

/// Touches whatever token the row has.
#[derive(Default)]
pub(crate) struct TouchesAnyToken;

impl Twin for TouchesAnyToken {
    async fn touch(&self, under: &Under, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        for touch in touches {
            if let Some(row) = under.load(&touch.user, touch.guid).await? {
                under.touch(&[Touch { ref_tok_id: row.ref_tok_id, ..touch.clone() }]).await?;
            }
        }
        Ok(Vec::new())
    }
}

/// Touches by upsert: what it loaded it saves, whatever happened meanwhile.
#[derive(Default)]
pub(crate) struct TouchesByUpsert;

impl Twin for TouchesByUpsert {
    async fn touch(&self, under: &Under, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        for touch in touches {
            if let Some(row) = under.load(&touch.user, touch.guid).await? {
                gap().await;
                under.save(SessionRow { last_seen_at: touch.seen_at, ..row });
            }
        }
        Ok(Vec::new())
    }
}

/// Touches a row that is there, dead or alive.
#[derive(Default)]
pub(crate) struct TouchesTheDead;

impl Twin for TouchesTheDead {
    async fn touch(&self, under: &Under, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        for touch in touches {
            let found = under.lookup(&touch.user, touch.guid).await?;
            if let Some(mut row) = found.row.filter(|row| row.ref_tok_id == touch.ref_tok_id) {
                row.expires_at = touch.extension.unwrap_or(row.expires_at);
                under.save(row);
            }
        }
        Ok(Vec::new())
    }
}

/// Writes what a touch says, also where the row knows better.
#[derive(Default)]
pub(crate) struct TouchesBackwards;

impl Twin for TouchesBackwards {
    async fn touch(&self, under: &Under, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        under.touch(touches).await?;
        for touch in touches {
            if let Some(row) = under.load(&touch.user, touch.guid).await? {
                under.save(SessionRow { last_seen_at: touch.seen_at, ..row });
            }
        }
        Ok(Vec::new())
    }
}

/// Confirms anew at each touch.
#[derive(Default)]
pub(crate) struct ConfirmsAnew;

impl Twin for ConfirmsAnew {
    async fn touch(&self, under: &Under, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        under.touch(touches).await?;
        for touch in touches.iter().filter(|touch| touch.confirm == Confirm::Yes) {
            if let Some(row) = under.load(&touch.user, touch.guid).await? {
                under.save(SessionRow { confirmed_at: Some(touch.seen_at), ..row });
            }
        }
        Ok(Vec::new())
    }
}

/// Writes a batch of touches up to the first that does not fit.
#[derive(Default)]
pub(crate) struct StopsAtTheFirstMisfit;

impl Twin for StopsAtTheFirstMisfit {
    async fn touch(&self, under: &Under, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        for touch in touches {
            let loaded = under.load(&touch.user, touch.guid).await?;
            if loaded.is_none_or(|row| row.ref_tok_id != touch.ref_tok_id) {
                return Ok(Vec::new());
            }
            under.touch(std::slice::from_ref(touch)).await?;
        }
        Ok(Vec::new())
    }
}

/// Has those tried again that no touch can reach.
#[derive(Default)]
pub(crate) struct PassesOverTheGone;

impl Twin for PassesOverTheGone {
    async fn touch(&self, under: &Under, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        let mut passed_over = under.touch(touches).await?;
        for touch in touches {
            if under.load(&touch.user, touch.guid).await?.is_none() {
                passed_over.push(touch.ref_tok_id);
            }
        }
        Ok(passed_over)
    }
}

/// Counts a new name as activity.
#[derive(Default)]
pub(crate) struct RelabelTouches;

impl Twin for RelabelTouches {
    async fn relabel(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
        label: Option<&Label>,
    ) -> Result<Option<SessionRow>, StoreError> {
        let Some(mut row) = under.relabel(user, guid, label).await? else { return Ok(None) };
        row.last_seen_at = under.clock().now();
        under.save(row.clone());
        Ok(Some(row))
    }
}

/// Names a device by load and save.
#[derive(Default)]
pub(crate) struct RelabelsByLoadAndSave;

impl Twin for RelabelsByLoadAndSave {
    async fn relabel(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
        label: Option<&Label>,
    ) -> Result<Option<SessionRow>, StoreError> {
        let Some(mut row) = under.load(user, guid).await? else { return Ok(None) };
        gap().await;
        row.label = label.cloned();
        under.save(row.clone());
        Ok(Some(row))
    }
}

/// Re-mints by load and save.
#[derive(Default)]
pub(crate) struct RemintsByLoadAndSave;

impl Twin for RemintsByLoadAndSave {
    async fn remint(&self, under: &Under, remint: &Remint) -> Result<Swap, StoreError> {
        let loaded = under.load(&remint.user, remint.guid).await?;
        let Some(mut row) = loaded.filter(|row| row.ref_tok_id == remint.expected) else {
            return Ok(Swap::Lost);
        };
        gap().await;
        row.token_issued_at = remint.times.issued_at;
        row.token_expires_at = remint.times.expires_at;
        under.save(row.clone());
        Ok(done(row))
    }
}

/// Remembers the rows that it stored, and writes a touch into the row it remembers.
#[derive(Default)]
pub(crate) struct TouchesFromMemory {
    stored: Mutex<HashMap<Guid, SessionRow>>,
}

impl Twin for TouchesFromMemory {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let answer = under.insert(login).await?;
        if let Inserted::Stored { row, .. } = &answer {
            lock(&self.stored).insert(row.guid, (**row).clone());
        }
        Ok(answer)
    }

    async fn touch(&self, under: &Under, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        for touch in touches {
            if let Some(row) = lock(&self.stored).get(&touch.guid).cloned() {
                under.save(SessionRow { last_seen_at: touch.seen_at, ..row });
            }
        }
        Ok(Vec::new())
    }
}
