//! What is open is read when its session may be over, whatever happened to the clock meanwhile.

use std::{sync::Arc, time::Duration};

use super::{super::follow::Wanting, Kind, Open};
use crate::scheme::{Clock, Guid, UserId};

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
