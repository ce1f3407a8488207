//! The verbs: what each of them does to what stands in the file. `MemoryStore` is the example.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    time::{Duration, SystemTime},
};

use logout_all::{
    By, EndReason, Ended, Epochs, Guid, JournalEntry, Label, RefTokId, SessionRow, SessionStore,
    Snapshot, StoreError, StoreErrorKind, UserId, UserState,
    scheme::to_micros,
    store::{
        Admission, DeviceRows, Ending, Inserted, JournalPage, Lease, NewSession, Polled, Remint,
        Rotation, Scope, StoreInfo, Swap, Swept, TicketEpochs, Touch,
    },
};
use uuid::Uuid;

use crate::file::FileStore;

/// What stands in the file.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) global_epoch: i64,
    /// Of users whose epoch was ever bumped; nobody is ever taken out.
    pub(crate) epochs: HashMap<String, i64>,
    pub(crate) rows: Vec<SessionRow>,
    pub(crate) lease: Lease,
    pub(crate) last_seq: u64,
    pub(crate) journal: VecDeque<JournalEntry>,
}

impl State {
    /// An absent user epoch reads as 0 (L10).
    fn epochs(&self, user: &UserId) -> Epochs {
        let own = self.epochs.get(user.as_str()).copied().unwrap_or(0);
        Epochs { user: own, global: self.global_epoch }
    }

    fn live(&self, user: &UserId, now: SystemTime) -> impl Iterator<Item = &SessionRow> {
        let epochs = self.epochs(user);
        self.rows.iter().filter(move |row| row.user == *user && row.is_live(epochs, now))
    }

    /// The row if it lives: nothing is ever done to a dead one (L41, L50).
    fn live_row(&mut self, user: &UserId, guid: Guid, now: SystemTime) -> Option<&mut SessionRow> {
        let epochs = self.epochs(user);
        let mut rows = self.rows.iter_mut();
        rows.find(|row| row.user == *user && row.guid == guid && row.is_live(epochs, now))
    }

    /// Removes these sessions and tells which of them were alive (L63), in the order given.
    fn remove(&mut self, user: &UserId, guids: &[Guid], now: SystemTime) -> Vec<Guid> {
        let live: Vec<Guid> = self.live(user, now).map(|row| row.guid).collect();
        self.rows.retain(|row| row.user != *user || !guids.contains(&row.guid));
        guids.iter().filter(|guid| live.contains(guid)).copied().collect()
    }

    fn note(
        &mut self,
        (user, guid): (Option<&UserId>, Option<Guid>),
        (reason, by): (EndReason, &By),
        at: SystemTime,
    ) {
        self.last_seq += 1;
        let (seq, id) = (self.last_seq, Uuid::new_v4());
        let (user, by) = (user.cloned(), by.clone());
        self.journal.push_back(JournalEntry { seq, id, user, guid, reason, by, at });
    }

    fn note_each(&mut self, user: &UserId, guids: &[Guid], why: (EndReason, &By), at: SystemTime) {
        for guid in guids {
            self.note((Some(user), Some(*guid)), why, at);
        }
    }

    fn insert(&mut self, login: &NewSession, now: SystemTime) -> Result<Inserted, StoreError> {
        let user = &login.user;
        let Admission::Row(row) = login.admit(self.epochs(user), now) else {
            return Ok(Inserted::Overtaken);
        };
        if self.rows.iter().any(|row| row.user == *user && row.guid == login.guid) {
            let message = "the new session's id is in use already; nothing was stored";
            return Err(StoreError::new(StoreErrorKind::Corrupt, message));
        }
        let Some(evicted) = login.make_room(self.live(user, now)) else {
            return Ok(Inserted::LimitReached);
        };
        let replaced = self.remove(user, &login.replaces, now);
        let evicted = self.remove(user, &evicted, now);
        self.note_each(user, &replaced, (EndReason::Replaced, &By::Policy), now);
        self.note_each(user, &evicted, (EndReason::Evicted, &By::Policy), now);
        self.rows.push((*row).clone());
        Ok(Inserted::Stored { row, evicted, replaced })
    }

    fn end(&mut self, ending: &Ending, now: SystemTime) -> Ended {
        let (user, scope, why) = (&ending.user, ending.scope, (ending.reason, &ending.by));
        let epochs = self.epochs(user);
        let takes = |row: &&SessionRow| {
            row.user == *user && scope.takes(row.guid, row.created_at, row.token_born_at())
        };
        let doomed: Vec<Guid> = self.rows.iter().filter(takes).map(|row| row.guid).collect();
        let guids = self.remove(user, &doomed, now);
        if scope.fences() {
            let bumped = Epochs::bumped(epochs.user, to_micros(now));
            self.epochs.insert(user.to_string(), bumped);
            // Only what lives is re-stamped: what an earlier bump left behind stays dead (L61).
            let mine = self.rows.iter_mut().filter(|row| row.user == *user);
            mine.filter(|row| row.is_live(epochs, now)).for_each(|row| scope.restamp(row, bumped));
        }
        if scope == Scope::All {
            self.note((Some(user), None), why, now);
        } else {
            self.note_each(user, &guids, why, now);
        }
        Ended { guids }
    }

    fn sweep(&mut self, limit: usize, now: SystemTime) -> Swept {
        let mut swept = Swept::default();
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|row| {
            let goes = swept.sessions < limit && !row.is_live(self.epochs(&row.user), now);
            swept.sessions += usize::from(goes);
            !goes
        });
        self.rows = rows;
        let age = |entry: &JournalEntry| now.duration_since(entry.at).unwrap_or_default();
        while swept.journal < limit
            && self.journal.len() > 1
            && self.journal.front().is_some_and(|oldest| age(oldest) > JournalEntry::KEPT)
        {
            self.journal.pop_front();
            swept.journal += 1;
        }
        swept
    }
}

impl SessionStore for FileStore {
    fn info(&self) -> StoreInfo {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        StoreInfo { name: "file", version, connections: "none".to_owned() }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.look(|_, _| ()).await
    }

    async fn epochs(&self, user: Option<&UserId>) -> Result<TicketEpochs, StoreError> {
        let user = user.cloned();
        self.look(move |state, now| {
            let nobody = Epochs { user: 0, global: state.global_epoch };
            TicketEpochs { epochs: user.map_or(nobody, |user| state.epochs(&user)), now }
        })
        .await
    }

    async fn insert(&self, login: &NewSession) -> Result<Inserted, StoreError> {
        let login = login.clone();
        self.change(move |state, now| state.insert(&login, now)).await
    }

    async fn lookup(&self, user: &UserId, guid: Guid) -> Result<Snapshot, StoreError> {
        let user = user.clone();
        self.look(move |state, now| {
            let epochs = state.epochs(&user);
            let mut rows = state.rows.into_iter();
            let row = rows.find(|row| row.user == user && row.guid == guid);
            Snapshot { now, epochs, row, user: UserState::NotAsked }
        })
        .await
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<Swap, StoreError> {
        let rotation = rotation.clone();
        self.change(move |state, now| {
            Ok(rotation.swap(state.live_row(&rotation.user, rotation.guid, now)))
        })
        .await
    }

    async fn remint(&self, remint: &Remint) -> Result<Swap, StoreError> {
        let remint = remint.clone();
        self.change(move |state, now| {
            Ok(remint.swap(state.live_row(&remint.user, remint.guid, now)))
        })
        .await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<RefTokId>, StoreError> {
        let touches = touches.to_vec();
        self.change(move |state, now| {
            for touch in touches {
                if let Some(row) = state.live_row(&touch.user, touch.guid, now) {
                    touch.apply(row);
                }
            }
            Ok(Vec::new())
        })
        .await
    }

    async fn relabel(
        &self,
        user: &UserId,
        guid: Guid,
        label: Option<&Label>,
    ) -> Result<Option<SessionRow>, StoreError> {
        let (user, label) = (user.clone(), label.cloned());
        self.change(move |state, now| {
            let row = state.live_row(&user, guid, now);
            Ok(row.map(|row| {
                row.label = label;
                row.clone()
            }))
        })
        .await
    }

    async fn devices(&self, user: &UserId) -> Result<DeviceRows, StoreError> {
        let user = user.clone();
        self.look(move |state, now| {
            let mut rows: Vec<SessionRow> = state.live(&user, now).cloned().collect();
            rows.sort_by_key(|row| Reverse(row.last_seen_at));
            DeviceRows { now, rows }
        })
        .await
    }

    async fn end(&self, ending: &Ending) -> Result<Ended, StoreError> {
        let ending = ending.clone();
        self.change(move |state, now| Ok(state.end(&ending, now))).await
    }

    async fn end_everyone(&self, reason: EndReason, by: &By) -> Result<(), StoreError> {
        let by = by.clone();
        self.change(move |state, now| {
            state.global_epoch = Epochs::bumped(state.global_epoch, to_micros(now));
            state.note((None, None), (reason, &by), now);
            Ok(())
        })
        .await
    }

    async fn announce_changed(&self, user: &UserId, by: &By) -> Result<(), StoreError> {
        let (user, by) = (user.clone(), by.clone());
        self.change(move |state, now| {
            state.note((Some(&user), None), (EndReason::Changed, &by), now);
            Ok(())
        })
        .await
    }

    async fn lease(&self) -> Result<Lease, StoreError> {
        self.look(|state, _| state.lease).await
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<JournalPage, StoreError> {
        self.look(move |state, _| {
            let entries = state.journal.into_iter().filter(|entry| entry.seq > after);
            JournalPage { last_seq: state.last_seq, entries: entries.take(limit).collect() }
        })
        .await
    }

    async fn poll(&self, after: Option<u64>, limit: usize) -> Result<Polled, StoreError> {
        self.look(move |state, _| {
            // For a node that knows none, the newest alone.
            let first = after.unwrap_or(state.last_seq);
            let known = |entry: &&JournalEntry| entry.seq == first;
            let beyond = state.journal.iter().filter(|entry| entry.seq > first).take(limit);
            let entries = state.journal.iter().find(known).into_iter().chain(beyond);
            let (lease, last_seq) = (state.lease, state.last_seq);
            Polled { lease, last_seq, entries: entries.cloned().collect() }
        })
        .await
    }

    async fn raise_lease(&self, to: Duration) -> Result<Lease, StoreError> {
        self.change(move |state, now| {
            let Lease { given, waited } = state.lease;
            state.lease = Lease { given: given.max(to), waited: waited.max(to) };
            if state.journal.is_empty() {
                state.note((None, None), (EndReason::Changed, &By::Policy), now);
            }
            Ok(state.lease)
        })
        .await
    }

    async fn lower_given(&self, to: Duration) -> Result<Lease, StoreError> {
        self.change(move |state, _| {
            state.lease.given = state.lease.given.min(to);
            Ok(state.lease)
        })
        .await
    }

    async fn lower_waited(&self, seen: Lease) -> Result<bool, StoreError> {
        self.change(move |state, _| {
            let as_seen = state.lease == seen;
            if as_seen {
                state.lease.waited = seen.given;
            }
            Ok(as_seen)
        })
        .await
    }

    async fn history(&self, user: &UserId, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        let user = user.clone();
        self.look(move |state, _| {
            let concerns = |entry: &JournalEntry| entry.user.as_ref().is_none_or(|of| *of == user);
            state.journal.into_iter().rev().filter(concerns).take(limit).collect()
        })
        .await
    }

    async fn sweep(&self, limit: usize) -> Result<Swept, StoreError> {
        self.change(move |state, now| Ok(state.sweep(limit, now))).await
    }
}
