//! Twins for L10 to L25.

use logout_all::{
    By, DeviceLimit, EndReason, Ended, Limits, Persistence, SessionRow, SessionStore, StoreError,
    UserId,
    scheme::Overflow,
    store::{Admission, Ending, Inserted, NewSession, Scope, TicketEpochs},
};

use super::{Twin, Under, gap};

fn policy(user: &UserId, scope: Scope, reason: EndReason) -> Ending {
    Ending { user: user.clone(), scope, reason, by: By::Policy }
}

/// Creates the epoch that it was asked to read.
#[derive(Default)]
pub(crate) struct CreatesEpochsByReading;

impl Twin for CreatesEpochsByReading {
    async fn epochs(
        &self,
        under: &Under,
        user: Option<&UserId>,
    ) -> Result<TicketEpochs, StoreError> {
        let ticket = under.epochs(user).await?;
        if let Some(user) = user.filter(|_| ticket.epochs.user == 0) {
            under.end(&policy(user, Scope::All, EndReason::Others)).await?;
        }
        Ok(ticket)
    }
}

/// Answers for nobody without asking.
#[derive(Default)]
pub(crate) struct AnswersForNobody;

impl Twin for AnswersForNobody {
    async fn epochs(
        &self,
        under: &Under,
        user: Option<&UserId>,
    ) -> Result<TicketEpochs, StoreError> {
        let mut ticket = under.epochs(user).await?;
        if user.is_none() {
            ticket.epochs.global = 0;
        }
        Ok(ticket)
    }
}

/// Stores a login without looking at the ticket's epochs.
#[derive(Default)]
pub(crate) struct InsertsUnfenced;

impl Twin for InsertsUnfenced {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let epochs = under.epochs(Some(&login.user)).await?.epochs;
        under.insert(&NewSession { epochs, ..login.clone() }).await
    }
}

/// Compares the user's epoch alone.
#[derive(Default)]
pub(crate) struct ComparesTheUserAlone;

impl Twin for ComparesTheUserAlone {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let mut login = login.clone();
        login.epochs.global = under.epochs(None).await?.epochs.global;
        under.insert(&login).await
    }
}

/// Checks the ticket, and stores the login in a later step.
#[derive(Default)]
pub(crate) struct ChecksThenInserts;

impl Twin for ChecksThenInserts {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let ticket = under.epochs(Some(&login.user)).await?;
        if let Admission::Overtaken = login.admit(ticket.epochs, ticket.now) {
            return Ok(Inserted::Overtaken);
        }
        gap().await;
        let epochs = under.epochs(Some(&login.user)).await?.epochs;
        under.insert(&NewSession { epochs, ..login.clone() }).await
    }
}

/// Creates the user's epoch at the first login, which moves it for all others.
#[derive(Default)]
pub(crate) struct SeedsTheEpochAtLogin;

impl Twin for SeedsTheEpochAtLogin {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let stored = under.insert(login).await?;
        if login.epochs.user == 0 && stored.denied().is_none() {
            let scope = Scope::Others(login.guid);
            under.end(&policy(&login.user, scope, EndReason::Others)).await?;
        }
        Ok(stored)
    }
}

/// Fences at every logout, of one device too.
#[derive(Default)]
pub(crate) struct FencesAtEachLogout;

impl Twin for FencesAtEachLogout {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        let ended = under.end(ending).await?;
        let scope = Scope::SignedInBefore(std::time::UNIX_EPOCH);
        under.end(&Ending { scope, ..ending.clone() }).await?;
        Ok(ended)
    }
}

/// Takes tickets of any age.
#[derive(Default)]
pub(crate) struct TakesOldTickets;

impl Twin for TakesOldTickets {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let began_at = under.epochs(None).await?.now;
        under.insert(&NewSession { began_at, ..login.clone() }).await
    }
}

/// Stores a login by upsert.
#[derive(Default)]
pub(crate) struct InsertsByUpsert;

impl Twin for InsertsByUpsert {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let ticket = under.epochs(Some(&login.user)).await?;
        let there = under.lookup(&login.user, login.guid).await?.row.is_some();
        match login.admit(ticket.epochs, ticket.now) {
            Admission::Row(row) if there => {
                under.save((*row).clone());
                Ok(Inserted::Stored { row, evicted: Vec::new(), replaced: Vec::new() })
            }
            _ => under.insert(login).await,
        }
    }
}

/// Counts, then inserts: what another login does in between is not counted.
#[derive(Default)]
pub(crate) struct CountsThenInserts;

impl Twin for CountsThenInserts {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let mut rows = under.devices(&login.user).await?.rows;
        let evict = match login.device_limit.overflow(rows.len()) {
            Overflow::Fits => 0,
            Overflow::Evict(count) => count,
            Overflow::Refuse => return Ok(Inserted::LimitReached),
        };
        gap().await;
        let oldest = rows.split_off(rows.len() - evict);
        insert_evicting(under, login, oldest, EndReason::Evicted, By::Policy).await
    }
}

/// Evicts the first to sign in, whenever it was seen.
#[derive(Default)]
pub(crate) struct EvictsTheFirstToSignIn;

impl Twin for EvictsTheFirstToSignIn {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let mut rows = under.devices(&login.user).await?.rows;
        rows.sort_by_key(|row| row.created_at);
        if let Overflow::Evict(count) = login.device_limit.overflow(rows.len()) {
            rows.truncate(count);
            return insert_evicting(under, login, rows, EndReason::Evicted, By::Policy).await;
        }
        under.insert(login).await
    }
}

/// Evicts as if the user had logged out.
#[derive(Default)]
pub(crate) struct EvictsWithoutSayingSo;

impl Twin for EvictsWithoutSayingSo {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let mut rows = under.devices(&login.user).await?.rows;
        rows.retain(|row| !login.replaces.contains(&row.guid));
        rows.reverse();
        if let Overflow::Evict(count) = login.device_limit.overflow(rows.len()) {
            rows.truncate(count);
            let by = By::Application;
            return insert_evicting(under, login, rows, EndReason::Logout, by).await;
        }
        under.insert(login).await
    }
}

async fn insert_evicting(
    under: &Under,
    login: &NewSession,
    rows: Vec<SessionRow>,
    reason: EndReason,
    by: By,
) -> Result<Inserted, StoreError> {
    let mut evicted = Vec::new();
    for row in rows {
        let (user, scope) = (row.user, Scope::Device(row.guid));
        evicted.extend(under.end(&Ending { user, scope, reason, by: by.clone() }).await?.guids);
    }
    let login = NewSession { device_limit: DeviceLimit::Unlimited, ..login.clone() };
    match under.insert(&login).await? {
        Inserted::Stored { row, replaced, .. } => Ok(Inserted::Stored { row, evicted, replaced }),
        refused => Ok(refused),
    }
}

/// Inserts, and then keeps those that look newest.
#[derive(Default)]
pub(crate) struct InsertsThenEvicts;

impl Twin for InsertsThenEvicts {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let DeviceLimit::Evict(limit) = login.device_limit else {
            return under.insert(login).await;
        };
        let unlimited = NewSession { device_limit: DeviceLimit::Unlimited, ..login.clone() };
        let mut answer = under.insert(&unlimited).await?;
        if let Inserted::Stored { evicted, .. } = &mut answer {
            for row in under.devices(&login.user).await?.rows.iter().skip(limit as usize) {
                let scope = Scope::Device(row.guid);
                under.end(&policy(&login.user, scope, EndReason::Evicted)).await?;
                evicted.push(row.guid);
            }
        }
        Ok(answer)
    }
}

/// Counts dead rows too.
#[derive(Default)]
pub(crate) struct CountsTheDead;

impl Twin for CountsTheDead {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let dead = under.dead().await?.iter().filter(|row| row.user == login.user).count();
        let dead = u32::try_from(dead).unwrap_or(0);
        let device_limit = match login.device_limit {
            DeviceLimit::Evict(limit) => DeviceLimit::Evict(limit.saturating_sub(dead).max(1)),
            other => other,
        };
        under.insert(&NewSession { device_limit, ..login.clone() }).await
    }
}

/// Ends what a login replaces, and then finds that the login is refused.
#[derive(Default)]
pub(crate) struct ReplacesThenRefuses;

impl Twin for ReplacesThenRefuses {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        for guid in &login.replaces {
            let scope = Scope::Device(*guid);
            under.end(&policy(&login.user, scope, EndReason::Replaced)).await?;
        }
        under.insert(login).await
    }
}

/// Counts what a login replaces.
#[derive(Default)]
pub(crate) struct CountsTheReplaced;

impl Twin for CountsTheReplaced {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let alone = NewSession { replaces: Vec::new(), ..login.clone() };
        let mut answer = under.insert(&alone).await?;
        if let Inserted::Stored { replaced, .. } = &mut answer {
            for guid in &login.replaces {
                let ending = policy(&login.user, Scope::Device(*guid), EndReason::Replaced);
                replaced.extend(under.end(&ending).await?.guids);
            }
        }
        Ok(answer)
    }
}

/// Gives every session the same limits.
#[derive(Default)]
pub(crate) struct GivesAllTheSameLimits;

impl Twin for GivesAllTheSameLimits {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let persistence = Persistence::Persistent;
        let limits = Limits { persistence, ..login.limits };
        under.insert(&NewSession { limits, ..login.clone() }).await
    }
}

/// Takes the insert's time for the login's.
#[derive(Default)]
pub(crate) struct DatesAtTheInsert;

impl Twin for DatesAtTheInsert {
    async fn insert(&self, under: &Under, login: &NewSession) -> Result<Inserted, StoreError> {
        let answer = under.insert(login).await?;
        let Inserted::Stored { mut row, evicted, replaced } = answer else {
            return Ok(answer);
        };
        row.created_at = row.last_seen_at;
        under.save((*row).clone());
        Ok(Inserted::Stored { row, evicted, replaced })
    }
}

/// Knows a session by its guid alone, whosever it is.
#[derive(Default)]
pub(crate) struct KnowsSessionsByGuidAlone;

impl Twin for KnowsSessionsByGuidAlone {
    async fn end(&self, under: &Under, ending: &Ending) -> Result<Ended, StoreError> {
        if let Scope::Device(one) = ending.scope {
            let namesakes = under.known().into_iter().filter(|(_, guid)| *guid == one);
            for (user, _) in namesakes.filter(|(user, _)| *user != ending.user) {
                under.end(&Ending { user, ..ending.clone() }).await?;
            }
        }
        under.end(ending).await
    }
}
