//! A session as its hash field holds it: a JSON array in a fixed order, about 300 bytes. Field names
//! would double that.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use logout_all::{
    Guid, Label, Limits, Persistence, RefTokId, SessionRow, StoreError, StoreErrorKind, UserAgent,
    UserId,
    scheme::{from_micros, to_micros},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Read without a copy where nothing in it is escaped.
#[derive(Deserialize, Serialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Instants and durations are microseconds, ids are UUIDs.
#[derive(Deserialize, Serialize)]
struct Packed<'a>(
    #[serde(borrow)] Text<'a>,         // ref_tok_id
    #[serde(borrow)] Option<Text<'a>>, // prev_ref_tok_id
    u64,                               // generation
    i64,                               // epoch
    i64,                               // global_epoch
    i64,                               // created_at
    i64,                               // auth_time
    Option<i64>,                       // rotated_at
    i64,                               // token_issued_at
    i64,                               // token_expires_at
    Option<i64>,                       // confirmed_at
    i64,                               // last_seen_at
    #[serde(borrow)] Option<Text<'a>>, // user_agent
    #[serde(borrow)] Option<Text<'a>>, // ip
    #[serde(borrow)] Option<Text<'a>>, // label
    u64,                               // idle
    u64,                               // absolute
    bool,                              // persistent
    i64,                               // expires_at
);

/// The row as it is stored.
pub(crate) fn pack(row: &SessionRow) -> Result<Vec<u8>, StoreError> {
    let packed = Packed(
        Text(row.ref_tok_id.expose().simple().to_string().into()),
        row.prev_ref_tok_id.map(|id| Text(id.expose().simple().to_string().into())),
        row.generation,
        row.epoch,
        row.global_epoch,
        to_micros(row.created_at),
        to_micros(row.auth_time),
        row.rotated_at.map(to_micros),
        to_micros(row.token_issued_at),
        to_micros(row.token_expires_at),
        row.confirmed_at.map(to_micros),
        to_micros(row.last_seen_at),
        row.user_agent.as_ref().map(|agent| Text(agent.as_str().into())),
        row.ip.as_deref().map(|ip| Text(ip.into())),
        row.label.as_ref().map(|label| Text(label.as_str().into())),
        micros(row.limits.idle),
        micros(row.limits.absolute),
        row.limits.persistence == Persistence::Persistent,
        to_micros(row.expires_at),
    );
    serde_json::to_vec(&packed).map_err(|error| {
        StoreError::new(StoreErrorKind::Corrupt, "a session cannot be written").with_cause(error)
    })
}

/// Reads a stored row.
///
/// # Errors
/// [`StoreErrorKind::Corrupt`] for what no version of the library writes; the message names the
/// session, never a value.
pub(crate) fn unpack(user: &UserId, guid: Guid, stored: &[u8]) -> Result<SessionRow, StoreError> {
    let damaged = || {
        let message = format!(
            "the session {guid} of the user {user:?} is damaged: it holds what no version of \
             logout-all writes; log it out"
        );
        StoreError::new(StoreErrorKind::Corrupt, message)
    };
    // Without the cause, which may quote a value.
    let packed: Packed = serde_json::from_slice(stored).map_err(|_| damaged())?;
    let id = |text: &Text<'_>| {
        Uuid::try_parse(&text.0).ok().and_then(RefTokId::from_uuid).ok_or_else(damaged)
    };
    let at = |micros: i64| -> SystemTime { from_micros(micros) };
    Ok(SessionRow {
        user: user.clone(),
        guid,
        ref_tok_id: id(&packed.0)?,
        prev_ref_tok_id: packed.1.as_ref().map(id).transpose()?,
        generation: packed.2,
        epoch: packed.3,
        global_epoch: packed.4,
        created_at: at(packed.5),
        auth_time: at(packed.6),
        rotated_at: packed.7.map(at),
        token_issued_at: at(packed.8),
        token_expires_at: at(packed.9),
        confirmed_at: packed.10.map(at),
        last_seen_at: at(packed.11),
        // What people read is cleaned rather than refused: a label that was edited by hand must
        // not lock its owner out.
        user_agent: packed.12.and_then(|text| UserAgent::from_bytes(text.0.as_bytes())),
        ip: packed.13.map(|text| text.0.into_owned()),
        label: packed.14.and_then(|text| Label::new(&text.0)),
        limits: Limits {
            idle: Duration::from_micros(packed.15),
            absolute: Duration::from_micros(packed.16),
            persistence: if packed.17 {
                Persistence::Persistent
            } else {
                Persistence::BrowserSession
            },
        },
        expires_at: at(packed.18),
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_without_a_value() {
        let (user, guid) = (UserId::new("ada").unwrap(), Guid::random());
        for stored in ["", "[]", "{}", r#"["geheim"]"#] {
            let error = unpack(&user, guid, stored.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt);
            let shown = format!("{error:?}");
            assert!(shown.contains("ada") && !shown.contains("geheim"), "{shown}");
        }
    }
}
