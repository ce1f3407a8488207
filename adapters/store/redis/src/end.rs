//! Endings: what they take, the fence, the journal.

use logout_all::{
    By, EndReason, Ended, Epochs, Guid, SessionRow,
    scheme::to_micros,
    store::{Ending, Scope},
};

use crate::{
    change::{Decision, Entry, Index, Plan, Purpose},
    shared::{Stored, View},
};

pub(crate) fn end(view: &View, ending: &Ending) -> Decision<Ended> {
    let scope = ending.scope;
    let takes = |row: &SessionRow| scope.takes(row.guid, row.created_at, row.token_born_at());
    let lives = |row: &SessionRow| row.is_live(view.epochs, view.now);
    // The fence takes the dead ones with it, and what is damaged, as no epoch can be written into
    // it: after it, every row of the user is current.
    let goes = |stored: &&Stored| match &stored.row {
        Ok(row) => takes(row) || (scope.fences() && !lives(row)),
        Err(_) => true,
    };
    let removals: Vec<Vec<u8>> =
        view.rows.iter().filter(goes).map(|stored| stored.field.clone()).collect();
    let guids: Vec<Guid> = view.live().filter(|row| takes(row)).map(|row| row.guid).collect();
    let entry = |guid| Entry::new(guid, ending.reason, &ending.by);
    let mut plan = Plan { removals, purpose: Purpose::Ending, ..Plan::default() };
    plan.entries = match scope {
        Scope::All => vec![entry(None)],
        _ => guids.iter().map(|guid| entry(Some(*guid))).collect(),
    };
    if scope.fences() {
        let bumped = Epochs::bumped(view.epochs.user, to_micros(view.now));
        plan.epoch = Some(bumped);
        plan.puts = view.live().filter(|row| !takes(row)).cloned().collect();
        for row in &mut plan.puts {
            scope.restamp(row, bumped);
        }
        if plan.puts.is_empty() {
            // (On a cluster the sweeper finds the place out of date, and removes it.)
            plan.index = Index::Gone;
        }
    } else if plan.removals.is_empty() {
        return Decision::Answer(Ended { guids });
    }
    Decision::Write(plan, Ended { guids })
}

/// Bumps the global epoch: one field, however many sessions there are.
pub(crate) fn end_everyone(view: &View, reason: EndReason, by: &By) -> Decision<()> {
    let plan = Plan {
        global_epoch: Some(Epochs::bumped(view.epochs.global, to_micros(view.now))),
        entries: vec![Entry::new(None, reason, by)],
        purpose: Purpose::Ending,
        ..Plan::default()
    };
    Decision::Write(plan, ())
}

pub(crate) fn announce_changed(by: &By) -> Decision<()> {
    let plan = Plan {
        entries: vec![Entry::new(None, EndReason::Changed, by)],
        purpose: Purpose::Ending,
        ..Plan::default()
    };
    Decision::Write(plan, ())
}
