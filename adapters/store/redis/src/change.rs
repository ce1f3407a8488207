//! How anything is changed: one script reads, the core's own words decide, and one script writes if
//! all that was read is still so. What lost against another change is decided anew. (Activity goes the
//! same way, many sessions at a time: `touch.rs`.)
//!
//! So no decision is taken in Lua, and each change is one script: wholly, or not at all.

use std::{
    borrow::Borrow,
    time::{Duration, Instant},
};

use logout_all::{By, EndReason, Guid, SessionRow, StoreError, StoreErrorKind, scheme::to_micros};
use uuid::Uuid;

use crate::{
    fault::Fault,
    keys::{Layout, Whose},
    line::Line,
    row,
    script::{self, Call},
    shared::{COMMIT_WAIT, Shared, View, Which, take},
    wire::Held,
};

/// How long a change is tried against others that come first.
const CONTEST: Duration = Duration::from_secs(3);

/// What is to be written.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) puts: Vec<SessionRow>,
    /// Fields of rows that go.
    pub(crate) removals: Vec<Vec<u8>>,
    pub(crate) epoch: Option<i64>,
    pub(crate) global_epoch: Option<i64>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) index: Index,
    pub(crate) purpose: Purpose,
}

/// Whether it must go through on a server that is out of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    #[default]
    Ordinary,
    Ending,
}

/// An entry of the journal; its number and its instant are the script's.
pub(crate) struct Entry {
    pub(crate) guid: Option<Guid>,
    pub(crate) reason: EndReason,
    pub(crate) by: String,
}

impl Entry {
    pub(crate) fn new(guid: Option<Guid>, reason: EndReason, by: &By) -> Self {
        Self { guid, reason, by: by.to_string() }
    }
}

/// What becomes of the user's place in the sweeper's two indices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Index {
    #[default]
    Stays,
    /// At the latest there: when a row may be dead, and its global epoch.
    AtMost(i64, i64),
    /// Just there.
    At(i64, i64),
    Gone,
}

impl Index {
    fn push_to(self, call: &mut Call) {
        let (what, due, stamped) = match self {
            Self::Stays => ("", 0, 0),
            Self::AtMost(due, stamped) => ("add", due, stamped),
            Self::At(due, stamped) => ("set", due, stamped),
            Self::Gone => ("remove", 0, 0),
        };
        call.push(what);
        call.push(due);
        call.push(stamped);
    }
}

/// What is decided on a view.
pub(crate) enum Decision<T> {
    /// There is nothing to write.
    Answer(T),
    /// It cannot be: nothing is written.
    Refuse(StoreError),
    /// This is the answer once it is written.
    Write(Plan, T),
}

/// A change that is tried until no other came first.
pub(crate) struct Contest {
    began: Instant,
    lost: u64,
}

impl Contest {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), lost: 0 }
    }

    /// Another change came first: rests for a moment, or gives up.
    pub(crate) async fn lost(&mut self) -> Result<(), StoreError> {
        if self.began.elapsed() > CONTEST {
            let message = "other changes of the same user came first for 3 s; nothing was \
                           changed, and the operation may be repeated";
            return Err(StoreError::new(StoreErrorKind::TimedOut, message));
        }
        // Not in step with those that it lost against.
        self.lost += 1;
        let spread = u64::from(Uuid::new_v4().as_bytes()[0]);
        tokio::time::sleep(Duration::from_micros(spread * 4 * self.lost.min(16))).await;
        Ok(())
    }
}

impl Shared {
    /// Reads, decides and writes, until no other change came between.
    pub(crate) async fn change<T>(
        &self,
        line: &Line,
        whose: Whose<'_>,
        which: Which,
        decide: impl Fn(&View) -> Decision<T>,
    ) -> Result<T, Fault> {
        self.change_held(line, whose, which, decide).await.map(|(answer, _)| answer)
    }

    /// The same, with the connection over which the answer came to be: it wrote the change, or read
    /// that there was none to write.
    pub(crate) async fn change_held<T>(
        &self,
        line: &Line,
        whose: Whose<'_>,
        which: Which,
        decide: impl Fn(&View) -> Decision<T>,
    ) -> Result<(T, Held), Fault> {
        let mut contest = Contest::begin();
        loop {
            let view = self.read(line, whose, which).await?;
            let (plan, answer) = match decide(&view) {
                Decision::Answer(answer) => return Ok((answer, view.held)),
                Decision::Refuse(error) => return Err(error.into()),
                Decision::Write(plan, answer) => (plan, answer),
            };
            if let (Layout::Cluster, Index::AtMost(..)) = (self.keys.layout, plan.index) {
                // In another slot, and so before the row: without a row the place is a visit of the
                // sweeper's for nothing, and without the place a dead row would stay.
                self.place(line, whose, plan.index).await?;
            }
            let call = self.commit(whose, which, &view, &plan)?;
            // One answer is enough: a change that perhaps took place is not sent again.
            let written = line.call_over(view.held, &call, COMMIT_WAIT).await;
            let (written, held) = written.map_err(Fault::of_commit)?;
            if take::<i64>(written)? == 1 {
                return Ok((answer, held));
            }
            contest.lost().await?;
        }
    }

    /// The user's place in the indices, by a call of its own.
    pub(crate) async fn place(
        &self,
        line: &Line,
        whose: Whose<'_>,
        index: Index,
    ) -> Result<(), Fault> {
        let keys = &self.keys;
        let mut call = Call::new(&script::INDEX, &[&keys.due, &keys.stamped]).with(name(whose));
        index.push_to(&mut call);
        line.call(&call, COMMIT_WAIT).await.map(drop)
    }

    fn commit(
        &self,
        whose: Whose<'_>,
        which: Which,
        view: &View,
        plan: &Plan,
    ) -> Result<Call, StoreError> {
        let given = self.keys.of(whose);
        let mut call = Call::new(
            &script::COMMIT,
            &[
                &given.store,
                &given.epoch,
                &given.sessions,
                &given.due,
                &given.stamped,
                &given.journal,
                &given.history,
                &given.nothing,
            ],
        );
        // What is not given cannot be compared; why it need not be is in `shared.rs`.
        let alone = given.store == given.nothing;
        call.push(if alone { "" } else { &view.store_id });
        call.push(if alone { "" } else { &view.global_epoch });
        call = call
            .with(view.epoch.as_deref().unwrap_or_default())
            .with(self.clock.offset_micros())
            .with(holds_until(view.live()));
        match which {
            Which::All => call.push(view.rows.len()),
            Which::Epochs | Which::One(_) => call.push(""),
        }
        call.push(if plan.purpose == Purpose::Ending { "1" } else { "" });
        call.push(plan.global_epoch.map(|epoch| epoch.to_string()).unwrap_or_default());
        call.push(plan.epoch.map(|epoch| epoch.to_string()).unwrap_or_default());
        call.push(name(whose));
        let index = if alone { Index::Stays } else { plan.index };
        index.push_to(&mut call);
        call.push(&self.keys.channel);
        checks(&mut call, which, view);
        call.push(plan.puts.len());
        for row in &plan.puts {
            call = call.with(row.guid.to_string()).with(row::pack(row)?);
            call.push(to_micros(row.expires_at));
        }
        call.push(plan.removals.len());
        for field in &plan.removals {
            call.push(field.as_slice());
        }
        call.push(plan.entries.len());
        for entry in &plan.entries {
            call.push(entry.guid.map(|guid| guid.to_string()).unwrap_or_default());
            call = call.with(entry.reason.as_str()).with(&entry.by);
            call.push(Uuid::new_v4().to_string());
        }
        Ok(call)
    }
}

fn name(whose: Whose<'_>) -> &str {
    match whose {
        Whose::User(user) => user.as_str(),
        Whose::Store | Whose::Nobody => "",
    }
}

/// Each row as it was read; and where one was asked for and absent, that it is.
fn checks(call: &mut Call, which: Which, view: &View) {
    if let (Which::One(guid), true) = (which, view.rows.is_empty()) {
        call.push(1);
        call.push(guid.to_string());
        call.push("");
        return;
    }
    call.push(view.rows.len());
    for stored in &view.rows {
        call.push(stored.field.as_slice());
        call.push(stored.bytes.as_slice());
    }
}

/// The first of these live rows to die: from then on the decision could be another.
pub(crate) fn holds_until(live: impl IntoIterator<Item = impl Borrow<SessionRow>>) -> i64 {
    // Lua counts in doubles, which are exact up to here: the year 2255.
    const FOR_EVER: i64 = 1 << 53;
    let ends = live.into_iter().map(|row| to_micros(row.borrow().expires_at));
    ends.min().unwrap_or(FOR_EVER).min(FOR_EVER)
}
