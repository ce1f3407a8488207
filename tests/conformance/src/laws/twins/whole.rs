//! Twins for L1 to L4.

use std::{collections::HashMap, sync::Mutex};

use logout_all::{
    By, EndReason, Ended, Guid, SessionStore, Snapshot, StoreError, UserId,
    store::{DeviceRows, Ending, Inserted, NewSession, Scope, TicketEpochs},
};

use super::{Twin, Under, gap, lock};

/// Ends one session after the other, and can be dropped between two.
#[derive(Default)]
pub(crate) struct EndsOneByOne;

impl Twin for EndsOneByOne {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        for row in under.devices(&ending.user).await?.rows {
            under.end(&Ending { scope: Scope::Device(row.guid), ..ending.clone() }).await?;
            tokio::task::yield_now().await;
        }
        under.end(ending).await
    }
}

/// Makes room for a login, and can be dropped before the login takes it.
#[derive(Default)]
pub(crate) struct MakesRoomFirst;

impl Twin for MakesRoomFirst {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        for guid in &login.replaces {
            let scope = Scope::Device(*guid);
            let (user, reason) = (login.user.clone(), EndReason::Replaced);
            under.end(&Ending { user, scope, reason, by: By::Policy }).await?;
            tokio::task::yield_now().await;
        }
        under.insert(login).await
    }
}

/// Never answers.
#[derive(Default)]
pub(crate) struct NeverAnswers;

impl Twin for NeverAnswers {
    async fn devices(&self, _under: &Under, _user: &UserId) -> Result<DeviceRows, StoreError> {
        std::future::pending().await
    }
}

/// Tells the time of a ticket by another clock: the node's.
#[derive(Default)]
pub(crate) struct TellsAnotherTime;

impl Twin for TellsAnotherTime {
    async fn epochs(
        &self,
        under: &Under,
        user: Option<&UserId>,
    ) -> Result<TicketEpochs, StoreError> {
        let now = logout_all::Clock::system().now();
        Ok(TicketEpochs { now, ..under.epochs(user).await? })
    }
}

/// Reads the rows, and the clock a little later.
#[derive(Default)]
pub(crate) struct ReadsTheClockLater;

impl Twin for ReadsTheClockLater {
    async fn devices(&self, under: &Under, user: &UserId) -> Result<DeviceRows, StoreError> {
        let devices = under.devices(user).await?;
        gap().await;
        Ok(DeviceRows { now: under.clock().now(), ..devices })
    }
}

/// Answers lookups from a handle's own memory.
#[derive(Default)]
pub(crate) struct RemembersLookups {
    seen: Mutex<HashMap<(usize, UserId, Guid), Snapshot>>,
}

impl Twin for RemembersLookups {
    async fn lookup(
        &self,
        under: &Under,
        user: &UserId,
        guid: Guid,
    ) -> Result<Snapshot, StoreError> {
        let fresh = under.lookup(user, guid).await?;
        Ok(lock(&self.seen).entry((under.handle, user.clone(), guid)).or_insert(fresh).clone())
    }
}
