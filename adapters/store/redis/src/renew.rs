//! Changes of one live row: rotation, re-mint, touch, label.

use logout_all::{
    Label, SessionRow,
    store::{Remint, Rotation, Swap, Touch},
};

use crate::{
    change::{Decision, Plan},
    shared::View,
};

pub(crate) fn rotate(view: &View, rotation: &Rotation) -> Decision<Swap> {
    swapped(view, |row| rotation.swap(row))
}

pub(crate) fn remint(view: &View, remint: &Remint) -> Decision<Swap> {
    swapped(view, |row| remint.swap(row))
}

/// The row after all touches of one session, in their order; none if they change nothing.
pub(crate) fn touched(before: &SessionRow, touches: &[Touch]) -> Option<SessionRow> {
    let mut row = before.clone();
    for touch in touches {
        touch.apply(&mut row);
    }
    (row != *before).then_some(row)
}

pub(crate) fn touch(view: &View, touches: &[Touch]) -> Decision<()> {
    match view.live().next().and_then(|row| touched(row, touches)) {
        None => Decision::Answer(()),
        Some(row) => Decision::Write(put(row), ()),
    }
}

pub(crate) fn relabel(view: &View, label: Option<&Label>) -> Decision<Option<SessionRow>> {
    let Some(mut row) = view.live().next().cloned() else { return Decision::Answer(None) };
    row.label = label.cloned();
    Decision::Write(put(row.clone()), Some(row))
}

fn put(row: SessionRow) -> Plan {
    Plan { puts: vec![row], ..Plan::default() }
}

fn swapped(view: &View, swap: impl FnOnce(Option<&mut SessionRow>) -> Swap) -> Decision<Swap> {
    match swap(view.live().next().cloned().as_mut()) {
        Swap::Lost => Decision::Answer(Swap::Lost),
        Swap::Done(row) => Decision::Write(put((*row).clone()), Swap::Done(row)),
    }
}
