//! Changes of one live row: rotation, re-mint, touch, label.

use logout_all::{
    Label, SessionRow,
    store::{Confirm, Remint, RemintOf, Rotation, Swap, Touch},
};

use crate::{
    change::{Decision, Plan},
    shared::View,
};

pub(crate) fn rotate(view: &View, rotation: &Rotation) -> Decision<Swap> {
    let changed = changed(view, |row| {
        let expected = row.ref_tok_id == rotation.expected;
        if expected {
            rotation.apply(row);
        }
        expected
    });
    swapped(changed)
}

pub(crate) fn remint(view: &View, remint: &Remint) -> Decision<Swap> {
    let changed = changed(view, |row| {
        let allowed = remint.of == RemintOf::Any || row.confirmed_at.is_none();
        let expected = row.ref_tok_id == remint.expected && allowed;
        if expected {
            row.token_issued_at = remint.times.issued_at;
            row.token_expires_at = remint.times.expires_at;
            row.auth_time = remint.auth_time.unwrap_or(row.auth_time);
        }
        expected
    });
    swapped(changed)
}

/// All touches of one session, in their order.
pub(crate) fn touch(view: &View, touches: &[Touch]) -> Decision<()> {
    let changed = changed(view, |row| {
        let before = row.clone();
        for touch in touches.iter().filter(|touch| touch.ref_tok_id == before.ref_tok_id) {
            row.last_seen_at = row.last_seen_at.max(touch.seen_at);
            row.expires_at = row.expires_at.max(touch.extension.unwrap_or(row.expires_at));
            if touch.user_agent.is_some() {
                row.user_agent.clone_from(&touch.user_agent);
            }
            if touch.confirm == Confirm::Yes {
                row.confirmed_at = row.confirmed_at.or(Some(touch.seen_at));
            }
        }
        *row != before
    });
    match changed {
        None => Decision::Answer(()),
        Some(row) => Decision::Write(put(row), ()),
    }
}

pub(crate) fn relabel(view: &View, label: Option<&Label>) -> Decision<Option<SessionRow>> {
    let changed = changed(view, |row| {
        row.label = label.cloned();
        true
    });
    match changed {
        None => Decision::Answer(None),
        Some(row) => Decision::Write(put(row.clone()), Some(row)),
    }
}

/// The row after the change, if there is such a live row and the change took place.
fn changed(view: &View, change: impl FnOnce(&mut SessionRow) -> bool) -> Option<SessionRow> {
    let mut row = view.live().next()?.clone();
    change(&mut row).then_some(row)
}

fn put(row: SessionRow) -> Plan {
    Plan { puts: vec![row], ..Plan::default() }
}

fn swapped(changed: Option<SessionRow>) -> Decision<Swap> {
    match changed {
        None => Decision::Answer(Swap::Lost),
        Some(row) => Decision::Write(put(row.clone()), Swap::Done(Box::new(row))),
    }
}
