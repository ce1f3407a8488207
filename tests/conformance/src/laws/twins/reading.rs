//! Twins for L30 to L32 and for rows that do not read back.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use logout_all::{
    Guid, RefTokId, SessionRow, SessionStore, Snapshot, StoreError, UserId, UserState,
    scheme::{from_micros, to_micros},
    store::{DeviceRows, Inserted, NewSession, Rotation, Swap, Touch},
};

use super::{Joins, Twin, Under, gap, lock};

/// Keeps instants in milliseconds.
#[derive(Default)]
pub(crate) struct KeepsMilliseconds;

impl Twin for KeepsMilliseconds {
    async fn lookup(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
    ) -> Result<Snapshot, StoreError> {
        let mut found = under.lookup(user, guid).await?;
        if let Some(row) = &mut found.row {
            row.expires_at = cut(row.expires_at);
            row.last_seen_at = cut(row.last_seen_at);
            row.token_issued_at = cut(row.token_issued_at);
        }
        Ok(found)
    }
}

fn cut(at: SystemTime) -> SystemTime {
    from_micros(to_micros(at) / 1000 * 1000)
}

/// Has a column too narrow for a long user agent.
#[derive(Default)]
pub(crate) struct CutsTheUserAgent;

impl Twin for CutsTheUserAgent {
    async fn lookup(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
    ) -> Result<Snapshot, StoreError> {
        let mut found = under.lookup(user, guid).await?;
        if let Some(SessionRow { user_agent: Some(agent), .. }) = &mut found.row {
            let narrow = agent.as_str().bytes().take(250).collect::<Vec<u8>>();
            if let Some(narrow) = logout_all::UserAgent::from_bytes(&narrow) {
                *agent = narrow;
            }
        }
        Ok(found)
    }
}

/// Forgets where a touch moves the row's end to.
#[derive(Default)]
pub(crate) struct ForgetsExtensions;

impl Twin for ForgetsExtensions {
    async fn touch(&self, under: &Under, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        let cut = |touch: &Touch| Touch { extension: None, ..touch.clone() };
        under.touch(&touches.iter().map(cut).collect::<Vec<_>>()).await
    }
}

/// Takes user ids for words: large and small letters are one.
#[derive(Default)]
pub(crate) struct FoldsUserIds;

impl Twin for FoldsUserIds {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let user = UserId::new(login.user.as_str().to_lowercase());
        let user = user.unwrap_or_else(|_| login.user.clone());
        under.insert(&NewSession { user, ..login.clone() }).await
    }
}

/// Reads the epochs, and the row a little later.
#[derive(Default)]
pub(crate) struct ReadsInTwoSteps;

impl Twin for ReadsInTwoSteps {
    async fn lookup(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
    ) -> Result<Snapshot, StoreError> {
        let ticket = under.epochs(Some(user)).await?;
        gap().await;
        let found = under.lookup(user, guid).await?;
        Ok(Snapshot { epochs: ticket.epochs, now: ticket.now, ..found })
    }
}

/// Looks a session up by its guid, whosever it is.
#[derive(Default)]
pub(crate) struct LooksUpByGuidAlone;

impl Twin for LooksUpByGuidAlone {
    async fn lookup(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
    ) -> Result<Snapshot, StoreError> {
        let owner = under.known().into_iter().find(|(_, known)| *known == guid);
        under.lookup(owner.as_ref().map_or(user, |(owner, _)| owner), guid).await
    }
}

/// Rotates a session by its guid, whosever it is.
#[derive(Default)]
pub(crate) struct RotatesByGuidAlone;

impl Twin for RotatesByGuidAlone {
    async fn rotate(&self, under: &Under, rotation: &Rotation) -> Result<Swap, StoreError> {
        for (user, _) in under.known().into_iter().filter(|(_, guid)| *guid == rotation.guid) {
            let swap = under.rotate(&Rotation { user, ..rotation.clone() }).await?;
            if let Swap::Done(_) = swap {
                return Ok(swap);
            }
        }
        Ok(Swap::Lost)
    }
}

/// Says that users are active whom it never asked.
#[derive(Default)]
pub(crate) struct VouchesForUsers;

impl Twin for VouchesForUsers {
    async fn lookup(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
    ) -> Result<Snapshot, StoreError> {
        Ok(Snapshot { user: UserState::Active(None), ..under.lookup(user, guid).await? })
    }
}

/// Joins the users table, and remembers what it found.
#[derive(Default)]
pub(crate) struct RemembersUsers {
    seen: Mutex<HashMap<UserId, UserState>>,
}

impl Twin for RemembersUsers {
    const JOINS: Joins = Joins::Yes;

    async fn lookup(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
    ) -> Result<Snapshot, StoreError> {
        let state = under.standing(user).unwrap_or(UserState::Inactive);
        let state = lock(&self.seen).entry(user.clone()).or_insert(state).clone();
        Ok(Snapshot { user: state, ..under.lookup(user, guid).await? })
    }
}

/// Joins the users table, and serves those who are not in it.
#[derive(Default)]
pub(crate) struct ServesTheAbsent;

impl Twin for ServesTheAbsent {
    const JOINS: Joins = Joins::Yes;

    async fn lookup(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
    ) -> Result<Snapshot, StoreError> {
        let user_state = under.standing(user).unwrap_or(UserState::Active(None));
        Ok(Snapshot { user: user_state, ..under.lookup(user, guid).await? })
    }
}

/// Lists a row until a minute before its end.
#[derive(Default)]
pub(crate) struct EndsRowsEarly;

impl Twin for EndsRowsEarly {
    async fn devices(&self, under: &Under, user: &UserId) -> Result<DeviceRows, StoreError> {
        let mut devices = under.devices(user).await?;
        let now = devices.now;
        let left = |row: &SessionRow| row.expires_at.duration_since(now);
        devices.rows.retain(|row| left(row).is_ok_and(|left| left > Duration::from_mins(1)));
        Ok(devices)
    }
}

/// Lists rows that are there, dead or alive.
#[derive(Default)]
pub(crate) struct ListsTheDead;

impl Twin for ListsTheDead {
    async fn devices(&self, under: &Under, user: &UserId) -> Result<DeviceRows, StoreError> {
        let mut devices = under.devices(user).await?;
        devices.rows.extend(under.dead().await?.into_iter().filter(|row| row.user == *user));
        Ok(devices)
    }
}

/// Lists the least recently seen first.
#[derive(Default)]
pub(crate) struct ListsTheOldestFirst;

impl Twin for ListsTheOldestFirst {
    async fn devices(&self, under: &Under, user: &UserId) -> Result<DeviceRows, StoreError> {
        let mut devices = under.devices(user).await?;
        devices.rows.reverse();
        Ok(devices)
    }
}
