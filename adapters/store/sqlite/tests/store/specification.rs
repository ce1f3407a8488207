//! Random histories on this store and on the memory store, "the executable specification of the
//! port": what they answer must not differ.

use std::time::Duration;

use logout_all::{
    By, Clock, DeviceLimit, EndReason, Guid, Label, Limits, MemoryStore, Persistence, RefTokId,
    SessionRow, SessionStore, UserAgent, UserId,
    scheme::{TokenTimes, whole_seconds},
    store::{
        Confirm, Ending, Inserted, NewSession, Remint, RemintOf, Rotation, Scope, Swap, Touch,
    },
};

use crate::{File, user};

const STEPS: usize = 600;

/// Both stores run on one clock, which moves between the steps: an instant of a row is compared in
/// whole minutes, since each store reads the clock for itself.
struct Pair<S> {
    sqlite: S,
    memory: MemoryStore,
    clock: Clock,
    known: Vec<SessionRow>,
    random: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn random_histories_agree_with_the_memory_store() {
    for seed in 1..=4 {
        let file = File::migrated().await;
        let clock = Clock::system();
        let pair = Pair {
            sqlite: file.builder().danger_clock(clock.clone()).connect().await.unwrap(),
            memory: MemoryStore::with_clock(clock.clone()),
            clock,
            known: Vec::new(),
            random: seed,
        };
        pair.run().await;
    }
}

impl<S: SessionStore> Pair<S> {
    async fn run(mut self) {
        // Just after the begin of a minute: none of the steps, all at whole minutes after it, gets
        // near the end of one.
        let into = whole_seconds(self.clock.now()) % 60;
        self.clock.advance(Duration::from_secs(62 - into));
        for step in 0..STEPS {
            let minutes = if self.below(40) == 0 { self.below(3600) } else { self.below(3) };
            self.clock.advance(Duration::from_mins(minutes.into()));
            let (ours, theirs) = match self.below(12) {
                0..=3 => self.login().await,
                4 | 5 => self.rotate().await,
                6 => self.remint().await,
                7 | 8 => self.touch().await,
                9 => self.relabel().await,
                10 => self.end().await,
                _ => self.rare().await,
            };
            assert_eq!(ours, theirs, "step {step}");
            let user = self.user();
            assert_eq!(
                shown(&self.sqlite.devices(&user).await.unwrap().rows),
                shown(&self.memory.devices(&user).await.unwrap().rows),
                "step {step}"
            );
            if let Some(row) = self.pick() {
                let ours = self.sqlite.lookup(&row.user, row.guid).await.unwrap();
                let theirs = self.memory.lookup(&row.user, row.guid).await.unwrap();
                let live = |found: &logout_all::Snapshot| {
                    let row = found.row.as_ref()?;
                    row.is_live(found.epochs, found.now).then(|| one(row))
                };
                assert_eq!(live(&ours), live(&theirs), "step {step}");
            }
        }
        let ours = self.sqlite.journal(0, usize::MAX).await.unwrap();
        let theirs = self.memory.journal(0, usize::MAX).await.unwrap();
        let told = |page: &logout_all::store::JournalPage| -> Vec<_> {
            let entries = page.entries.iter();
            entries.map(|e| format!("{} {:?} {} {}", e.seq, e.user, e.reason, e.by)).collect()
        };
        assert_eq!(ours.last_seq, theirs.last_seq);
        assert_eq!(told(&ours), told(&theirs));
    }

    async fn login(&mut self) -> (String, String) {
        let user = self.user();
        let limit = match self.below(4) {
            0 => DeviceLimit::Unlimited,
            1 => DeviceLimit::Refuse(4),
            _ => DeviceLimit::Evict(3),
        };
        let replaces = self.pick().map(|row| row.guid).filter(|_| self.below(3) == 0);
        let ours = self.sqlite.epochs(Some(&user)).await.unwrap();
        let theirs = self.memory.epochs(Some(&user)).await.unwrap();
        if self.below(6) == 0 {
            drop(self.end_of(&user, Scope::All).await);
        }
        let mut login = NewSession {
            user,
            guid: Guid::random(),
            ref_tok_id: RefTokId::random(),
            epochs: ours.epochs,
            began_at: ours.now,
            limits: Limits {
                idle: Duration::from_hours(24),
                absolute: Duration::from_hours(72),
                persistence: Persistence::BrowserSession,
            },
            token_lifetime: Duration::from_hours(1),
            device_limit: limit,
            replaces: replaces.into_iter().collect(),
            user_agent: UserAgent::from_bytes(b"agent/1"),
            ip: Some("192.0.2.1".to_owned()),
        };
        let ours = self.sqlite.insert(&login).await.unwrap();
        login.epochs = theirs.epochs;
        let theirs = self.memory.insert(&login).await.unwrap();
        if let Inserted::Stored { row, .. } = &ours {
            self.known.push((**row).clone());
        }
        let told = |inserted: &Inserted| match inserted {
            Inserted::Stored { row, evicted, replaced } => {
                format!("{} evicted {evicted:?} replaced {replaced:?}", one(row))
            }
            other => format!("{other:?}"),
        };
        (told(&ours), told(&theirs))
    }

    async fn rotate(&mut self) -> (String, String) {
        let Some(row) = self.pick() else { return Default::default() };
        let now = self.clock.now();
        let times = TokenTimes::at(now, Duration::from_hours(1), now + Duration::from_hours(9));
        let rotation = Rotation {
            user: row.user.clone(),
            guid: row.guid,
            expected: row.ref_tok_id,
            next: RefTokId::random(),
            times: times.unwrap(),
            extension: row.extension(now).filter(|_| self.below(2) == 0),
            auth_time: (self.below(3) == 0).then_some(now),
            user_agent: UserAgent::from_bytes(b"agent/2").filter(|_| self.below(2) == 0),
        };
        let ours = self.sqlite.rotate(&rotation).await.unwrap();
        self.learn(&ours);
        (swap(&ours), swap(&self.memory.rotate(&rotation).await.unwrap()))
    }

    async fn remint(&mut self) -> (String, String) {
        let Some(row) = self.pick() else { return Default::default() };
        let now = self.clock.now();
        let times = TokenTimes::at(now, Duration::from_hours(1), now + Duration::from_hours(9));
        let remint = Remint {
            user: row.user.clone(),
            guid: row.guid,
            expected: row.ref_tok_id,
            times: times.unwrap(),
            auth_time: (self.below(3) == 0).then_some(now),
            of: if self.below(2) == 0 { RemintOf::Any } else { RemintOf::Unconfirmed },
        };
        let ours = self.sqlite.remint(&remint).await.unwrap();
        (swap(&ours), swap(&self.memory.remint(&remint).await.unwrap()))
    }

    async fn touch(&mut self) -> (String, String) {
        let mut touches = Vec::new();
        while let Some(row) = self.pick().filter(|_| self.below(3) > 0) {
            let now = self.clock.now();
            touches.push(Touch {
                user: row.user.clone(),
                guid: row.guid,
                ref_tok_id: row.ref_tok_id,
                seen_at: now - Duration::from_mins(1) * self.below(5),
                extension: row.extension(now),
                user_agent: UserAgent::from_bytes(b"agent/3").filter(|_| self.below(2) == 0),
                confirm: if self.below(2) == 0 { Confirm::Yes } else { Confirm::No },
            });
        }
        self.sqlite.touch(&touches).await.unwrap();
        self.memory.touch(&touches).await.unwrap();
        Default::default()
    }

    async fn relabel(&mut self) -> (String, String) {
        let Some(row) = self.pick() else { return Default::default() };
        let label = Label::new("laptop").filter(|_| self.below(2) == 0);
        let ours = self.sqlite.relabel(&row.user, row.guid, label.as_ref()).await.unwrap();
        let theirs = self.memory.relabel(&row.user, row.guid, label.as_ref()).await.unwrap();
        (ours.as_ref().map_or_else(String::new, one), theirs.as_ref().map_or_else(String::new, one))
    }

    async fn end(&mut self) -> (String, String) {
        let user = self.user();
        let Some(row) = self.pick() else { return Default::default() };
        let instant = self.clock.now() - Duration::from_mins(10);
        let scope = match self.below(6) {
            0 | 1 => Scope::Device(row.guid),
            2 => Scope::Others(row.guid),
            3 => Scope::SignedInBefore(instant),
            4 => Scope::TokenIssuedBefore(instant),
            _ => Scope::All,
        };
        self.end_of(&user, scope).await
    }

    async fn end_of(&self, user: &UserId, scope: Scope) -> (String, String) {
        let by = By::operator("ops");
        let ending = Ending { user: user.clone(), scope, reason: EndReason::Operator, by };
        let mut ours = self.sqlite.end(&ending).await.unwrap().guids;
        let mut theirs = self.memory.end(&ending).await.unwrap().guids;
        ours.sort();
        theirs.sort();
        (format!("{ours:?}"), format!("{theirs:?}"))
    }

    async fn rare(&mut self) -> (String, String) {
        match self.below(12) {
            0 => {
                let (reason, by) = (EndReason::Everyone, By::Application);
                self.sqlite.end_everyone(reason, &by).await.unwrap();
                self.memory.end_everyone(reason, &by).await.unwrap();
                Default::default()
            }
            1 | 2 => {
                let user = self.user();
                self.sqlite.announce_changed(&user, &By::Application).await.unwrap();
                self.memory.announce_changed(&user, &By::Application).await.unwrap();
                Default::default()
            }
            // How many it finds may differ: a fence here takes the dead rows along.
            3..=6 => {
                let ours = self.sqlite.sweep(1000).await.unwrap();
                let theirs = self.memory.sweep(1000).await.unwrap();
                (ours.journal.to_string(), theirs.journal.to_string())
            }
            _ => {
                let user = self.user();
                let seqs = |history: Vec<logout_all::JournalEntry>| {
                    format!("{:?}", history.iter().map(|entry| entry.seq).collect::<Vec<_>>())
                };
                let ours = self.sqlite.history(&user, 7).await.unwrap();
                (seqs(ours), seqs(self.memory.history(&user, 7).await.unwrap()))
            }
        }
    }

    fn learn(&mut self, swap: &Swap) {
        let Swap::Done(row) = swap else { return };
        // The old one stays known: its refTokID is a stale one from now on.
        self.known.push((**row).clone());
    }

    fn user(&mut self) -> UserId {
        user(self.below(3))
    }

    /// Mostly a session from not long ago.
    fn pick(&mut self) -> Option<SessionRow> {
        let back = usize::try_from(self.below(12)).unwrap();
        let place = self.known.len().checked_sub(1 + back)?;
        Some(self.known[place].clone())
    }

    /// xorshift64*: the same history for the same seed.
    fn below(&mut self, end: u32) -> u32 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let mixed = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        u32::try_from(mixed % u64::from(end)).unwrap()
    }
}

fn swap(swap: &Swap) -> String {
    match swap {
        Swap::Done(row) => one(row),
        Swap::Lost => "lost".to_owned(),
    }
}

fn shown(rows: &[SessionRow]) -> Vec<String> {
    let mut shown: Vec<_> = rows.iter().map(one).collect();
    // Two stores read the clock apart: what was seen "at once" may be in either order.
    shown.sort();
    shown
}

/// A row without its epochs, which are instants at their root.
fn one(row: &SessionRow) -> String {
    let minute = |at| whole_seconds(at) / 60;
    format!(
        "{} {} {} {:?} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        row.user,
        row.guid,
        row.ref_tok_id.expose(),
        row.prev_ref_tok_id.map(|id| *id.expose()),
        row.generation,
        [row.created_at, row.auth_time, row.last_seen_at, row.expires_at].map(minute),
        [row.token_issued_at, row.token_expires_at].map(minute),
        [row.rotated_at, row.confirmed_at].map(|at| at.map(minute)),
        row.user_agent,
        row.ip,
        row.label,
        row.limits,
    )
}
