//! The insert of a login: decided on all the rows of the user, and written only if they are all
//! still so. Of any number of logins at once each counts what the others stored.

use logout_all::{
    By, EndReason, Guid, StoreError, StoreErrorKind,
    scheme::to_micros,
    store::{Admission, Inserted, NewSession},
};

use crate::{
    change::{Decision, Entry, Index, Plan},
    shared::View,
};

pub(crate) fn insert(view: &View, login: &NewSession) -> Decision<Inserted> {
    let Admission::Row(row) = login.admit(view.epochs, view.now) else {
        return Decision::Answer(Inserted::Overtaken);
    };
    let field = login.guid.to_string().into_bytes();
    if view.rows.iter().any(|stored| stored.field == field) {
        let message = "the new session's id is in use already; nothing was stored";
        return Decision::Refuse(StoreError::new(StoreErrorKind::Corrupt, message));
    }
    // Before anything changes: a refusal leaves all as it was.
    let Some(evicted) = login.make_room(view.live()) else {
        return Decision::Answer(Inserted::LimitReached);
    };
    let lives = |guid: &Guid| view.live().any(|row| row.guid == *guid);
    let mut replaced: Vec<Guid> = Vec::new();
    for guid in &login.replaces {
        if lives(guid) && !replaced.contains(guid) {
            replaced.push(*guid);
        }
    }
    // Dead ones among those that it replaces go too, untold.
    let goes = |guid: &Guid| evicted.contains(guid) || login.replaces.contains(guid);
    let removals =
        view.rows.iter().filter(|stored| stored.row.as_ref().is_ok_and(|row| goes(&row.guid)));
    let entry = |reason| move |guid: &Guid| Entry::new(Some(*guid), reason, &By::Policy);
    let entries = replaced.iter().map(entry(EndReason::Replaced));
    let plan = Plan {
        removals: removals.map(|stored| stored.field.clone()).collect(),
        entries: entries.chain(evicted.iter().map(entry(EndReason::Evicted))).collect(),
        index: Index::AtMost(to_micros(row.expires_at), row.global_epoch),
        puts: vec![(*row).clone()],
        ..Plan::default()
    };
    Decision::Write(plan, Inserted::Stored { row, evicted, replaced })
}
