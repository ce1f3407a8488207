//! What is open is read when its session may be over, whatever happened to the clock meanwhile.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    super::follow::{Follows, Wanting},
    Kind, Open,
};
use crate::{
    scheme::{By, Clock, EndReason, Guid, UserId},
    store::JournalEntry,
};

const DAY: Duration = Duration::from_hours(24);

/// An answer is about the instant when it was read, and not about the one when it arrives.
#[tokio::test]
async fn an_answer_that_is_late_does_not_put_off_the_end() {
    let clock = Clock::system();
    let open = Arc::new(Open::new(clock.clone(), Arc::<Wanting>::default()));
    let (user, guid) = (UserId::new("ada").unwrap(), Guid::random());
    let _place = open.join(&user, guid, clock.now(), Kind::Own).unwrap();
    let asked = open.take();
    assert_eq!(asked.len(), 1);
    let read_at = clock.now();
    clock.advance(13 * DAY);
    open.alive(&asked[0], read_at, 14 * DAY);
    assert!(open.take().is_empty(), "it lives for another day");
    clock.advance(DAY);
    assert_eq!(open.take().len(), 1);
}

/// "Whether it ends the session, the store knows": a reason that this release does not know closes
/// nothing by itself, and is asked about; one that it knows needs no question.
#[tokio::test]
async fn a_reason_of_a_later_release_is_asked_about() {
    for (reason, read) in [(EndReason::Unspecified, 1), (EndReason::Logout, 0)] {
        let clock = Clock::system();
        let open = Arc::new(Open::new(clock.clone(), Arc::<Wanting>::default()));
        let (user, guid) = (UserId::new("ada").unwrap(), Guid::random());
        let place = open.join(&user, guid, clock.now(), Kind::Own).unwrap();
        let asked = open.take();
        open.alive(&asked[0], clock.now(), DAY);
        let (id, by, at) = (Uuid::new_v4(), By::Application, clock.now());
        open.entry(&JournalEntry {
            seq: 2,
            id,
            user: Some(user),
            guid: Some(guid),
            reason,
            by,
            at,
        });
        assert_eq!(open.take().len(), read, "{reason}");
        let ended = tokio::time::timeout(Duration::from_millis(1), place).await.is_ok();
        assert_eq!(ended, reason == EndReason::Logout, "{reason}");
    }
}
