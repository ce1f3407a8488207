//! What stands in the file: the core's rows and entries have no form of their own, for a session's
//! `refTokID` must not be written by accident. Columns of a table would be the same work.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use logout_all::{
    By, EndReason, Guid, JournalEntry, Label, Limits, Persistence, RefTokId, SessionRow, UserAgent,
    UserId, store::Lease,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::State;

/// The whole file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    global_epoch: i64,
    epochs: HashMap<String, i64>,
    rows: Vec<KeptRow>,
    /// What polls are given, and what logouts wait.
    lease: (Duration, Duration),
    last_seq: u64,
    journal: Vec<KeptEntry>,
}

#[derive(Serialize, Deserialize)]
struct KeptRow {
    user: String,
    guid: Uuid,
    ref_tok_id: Uuid,
    prev_ref_tok_id: Option<Uuid>,
    generation: u64,
    epoch: i64,
    global_epoch: i64,
    created_at: SystemTime,
    auth_time: SystemTime,
    rotated_at: Option<SystemTime>,
    token_issued_at: SystemTime,
    token_expires_at: SystemTime,
    confirmed_at: Option<SystemTime>,
    last_seen_at: SystemTime,
    user_agent: Option<String>,
    ip: Option<String>,
    label: Option<String>,
    idle: Duration,
    absolute: Duration,
    persistent: bool,
    expires_at: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct KeptEntry {
    seq: u64,
    id: Uuid,
    user: Option<String>,
    guid: Option<Uuid>,
    reason: String,
    by: String,
    at: SystemTime,
}

impl Kept {
    pub(crate) fn of(state: &State) -> Self {
        Self {
            global_epoch: state.global_epoch,
            epochs: state.epochs.clone(),
            rows: state.rows.iter().map(KeptRow::of).collect(),
            lease: (state.lease.given, state.lease.waited),
            last_seq: state.last_seq,
            journal: state.journal.iter().map(KeptEntry::of).collect(),
        }
    }

    /// None where a value is none that was written.
    pub(crate) fn state(self) -> Option<State> {
        Some(State {
            global_epoch: self.global_epoch,
            epochs: self.epochs,
            rows: self.rows.into_iter().map(KeptRow::row).collect::<Option<_>>()?,
            lease: Lease { given: self.lease.0, waited: self.lease.1 },
            last_seq: self.last_seq,
            journal: self.journal.into_iter().map(KeptEntry::entry).collect::<Option<_>>()?,
        })
    }
}

impl KeptRow {
    fn of(row: &SessionRow) -> Self {
        Self {
            user: row.user.to_string(),
            guid: *row.guid.as_uuid(),
            ref_tok_id: *row.ref_tok_id.expose(),
            prev_ref_tok_id: row.prev_ref_tok_id.map(|id| *id.expose()),
            generation: row.generation,
            epoch: row.epoch,
            global_epoch: row.global_epoch,
            created_at: row.created_at,
            auth_time: row.auth_time,
            rotated_at: row.rotated_at,
            token_issued_at: row.token_issued_at,
            token_expires_at: row.token_expires_at,
            confirmed_at: row.confirmed_at,
            last_seen_at: row.last_seen_at,
            user_agent: row.user_agent.as_ref().map(ToString::to_string),
            ip: row.ip.clone(),
            label: row.label.as_ref().map(ToString::to_string),
            idle: row.limits.idle,
            absolute: row.limits.absolute,
            persistent: row.limits.persistence == Persistence::Persistent,
            expires_at: row.expires_at,
        }
    }

    fn row(self) -> Option<SessionRow> {
        let persistence =
            if self.persistent { Persistence::Persistent } else { Persistence::BrowserSession };
        Some(SessionRow {
            user: UserId::new(self.user).ok()?,
            guid: Guid::from_uuid(self.guid)?,
            ref_tok_id: RefTokId::from_uuid(self.ref_tok_id)?,
            prev_ref_tok_id: read(self.prev_ref_tok_id, RefTokId::from_uuid).ok()?,
            generation: self.generation,
            epoch: self.epoch,
            global_epoch: self.global_epoch,
            created_at: self.created_at,
            auth_time: self.auth_time,
            rotated_at: self.rotated_at,
            token_issued_at: self.token_issued_at,
            token_expires_at: self.token_expires_at,
            confirmed_at: self.confirmed_at,
            last_seen_at: self.last_seen_at,
            user_agent: read(self.user_agent, |text| UserAgent::from_bytes(text.as_bytes()))
                .ok()?,
            ip: self.ip,
            label: read(self.label, |text| Label::new(&text)).ok()?,
            limits: Limits { idle: self.idle, absolute: self.absolute, persistence },
            expires_at: self.expires_at,
        })
    }
}

impl KeptEntry {
    fn of(entry: &JournalEntry) -> Self {
        Self {
            seq: entry.seq,
            id: entry.id,
            user: entry.user.as_ref().map(ToString::to_string),
            guid: entry.guid.map(|guid| *guid.as_uuid()),
            reason: entry.reason.to_string(),
            by: entry.by.to_string(),
            at: entry.at,
        }
    }

    fn entry(self) -> Option<JournalEntry> {
        Some(JournalEntry {
            seq: self.seq,
            id: self.id,
            user: read(self.user, |text| UserId::new(text).ok()).ok()?,
            guid: read(self.guid, Guid::from_uuid).ok()?,
            reason: EndReason::parse(&self.reason),
            by: By::parse(&self.by),
            at: self.at,
        })
    }
}

/// A value that may be absent; an error where it is there and no value.
fn read<T, U>(kept: Option<T>, read: impl FnOnce(T) -> Option<U>) -> Result<Option<U>, ()> {
    kept.map(|kept| read(kept).ok_or(())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_nobody_writes_is_damage_and_not_absence() {
        let entry = |guid| KeptEntry {
            seq: 1,
            id: Uuid::new_v4(),
            user: None,
            guid,
            reason: EndReason::Logout.to_string(),
            by: By::Policy.to_string(),
            at: SystemTime::UNIX_EPOCH,
        };

        assert!(entry(None).entry().is_some());
        assert!(entry(Some(Uuid::nil())).entry().is_none());
    }
}
