//! What waits: at most once, the oldest first, and no more than there is room for.

use super::{held::RESTS, *};
use crate::scheme::{Guid, UserId, from_micros};

const EVERY: Duration = Duration::from_mins(1);
/// Where it does not matter which.
const LINE: Line = Line::Confirmations;
const LINES: [Line; 2] = [Line::Confirmations, Line::Activity];

fn touch(token: RefTokId, seen: u64, confirm: Confirm) -> Touch {
    Touch {
        user: UserId::new(1).unwrap(),
        guid: Guid::random(),
        ref_tok_id: token,
        seen_at: from_micros(1_000_000_000_000_000) + Duration::from_secs(seen),
        extension: None,
        user_agent: None,
        confirm,
    }
}

fn random() -> RefTokId {
    RefTokId::random()
}

impl Waiting {
    fn batch(&mut self, line: Line) -> Vec<Touch> {
        match self.take(line, Instant::now()) {
            Taken::Batch(batch) => batch,
            Taken::Nothing => Vec::new(),
            Taken::Enough(rest) => panic!("nothing may be written for {rest:?}"),
        }
    }

    /// All that waits is written; how many that were.
    fn write_all(&mut self) -> usize {
        let mut written = 0;
        for line in LINES {
            while self.left(line) > 0 {
                written += self.batch(line).len();
                self.written(line, &[], Instant::now());
            }
        }
        written
    }
}

/// "at most one per session per minute and node": also of thousands, however late a
/// verification comes that read its row before the write.
#[test]
fn what_is_written_is_not_written_again() {
    let mut waiting = Waiting::default();
    let seen: Vec<Touch> = (0..=BATCH as u64 * 10)
        .map(|n| touch(random(), n % 3, if n % 2 == 0 { Confirm::Yes } else { Confirm::No }))
        .collect();
    for touch in &seen {
        assert_eq!(waiting.queue(touch.clone(), EVERY), Queued::Waits);
    }
    assert_eq!(waiting.write_all(), seen.len());
    for touch in &seen {
        let late = Touch { seen_at: touch.seen_at + EVERY / 2, ..touch.clone() };
        assert_eq!(waiting.queue(late, EVERY), Queued::Known);
    }
    // A minute later it is another activity, which confirms nothing any more.
    for touch in &seen {
        let next = Touch { seen_at: touch.seen_at + EVERY, ..touch.clone() };
        assert_eq!(waiting.queue(next, EVERY), Queued::Waits);
    }
}

/// The same while a batch is under way, for however long.
#[test]
fn what_is_on_its_way_is_not_queued_again() {
    let mut waiting = Waiting::default();
    let first = touch(random(), 0, Confirm::No);
    waiting.queue(first.clone(), EVERY);
    assert_eq!(waiting.batch(Line::Activity).len(), 1);
    let again =
        |seconds| Touch { seen_at: first.seen_at + Duration::from_secs(seconds), ..first.clone() };
    assert_eq!(waiting.queue(again(3), EVERY), Queued::Known);
    assert_eq!(waiting.queue(again(60), EVERY), Queued::Waits);
    // And while it fails: the two become one.
    waiting.failed(Line::Activity);
    let batch = waiting.batch(Line::Activity);
    assert_eq!(batch.iter().map(|touch| touch.seen_at).collect::<Vec<_>>(), [again(60).seen_at]);
    waiting.written(Line::Activity, &[], Instant::now());
    assert_eq!(waiting.queue(again(60), EVERY), Queued::Known);
}

/// "and one confirmation per rotation"
#[test]
fn a_token_is_confirmed_once() {
    let mut waiting = Waiting::default();
    let token = random();
    let sights = |waiting: &mut Waiting| {
        for confirm in [Confirm::No, Confirm::Yes, Confirm::No, Confirm::Yes] {
            waiting.queue(touch(token, 1, confirm), EVERY);
        }
    };
    sights(&mut waiting);
    assert_eq!(waiting.left(Line::Activity), 0, "it became a confirmation");
    let batch = waiting.batch(Line::Confirmations);
    assert_eq!(batch.iter().map(|touch| touch.confirm).collect::<Vec<_>>(), [Confirm::Yes]);
    sights(&mut waiting);
    waiting.written(Line::Confirmations, &[], Instant::now());
    sights(&mut waiting);
    assert_eq!(waiting.write_all(), 0);
    // An activity that is written says nothing of the token's confirmation.
    let other = random();
    waiting.queue(touch(other, 1, Confirm::No), EVERY);
    assert_eq!(waiting.write_all(), 1);
    assert_eq!(waiting.queue(touch(other, 1, Confirm::Yes), EVERY), Queued::Waits);
}

/// "which renewals on the same node see at once"
#[test]
fn a_confirmation_is_seen_here_before_the_store_has_it() {
    let mut waiting = Waiting::default();
    let token = random();
    let first = touch(token, 1, Confirm::Yes);
    waiting.queue(touch(token, 2, Confirm::No), EVERY);
    assert_eq!(waiting.seen_here(token), None, "it is no confirmation");
    waiting.queue(first.clone(), EVERY);
    waiting.queue(touch(token, 3, Confirm::No), EVERY);
    assert_eq!(waiting.seen_here(token), Some(first.seen_at));
    assert_eq!(waiting.seen_here(random()), None);
    assert_eq!(waiting.batch(Line::Confirmations).len(), 1);
    assert_eq!(waiting.seen_here(token), Some(first.seen_at), "also while it is on its way");
}

/// A verification of the predecessor that read before the rotation may queue after the first
/// use of the successor.
#[test]
fn a_late_touch_of_the_predecessor_takes_no_confirmation_away() {
    let mut waiting = Waiting::default();
    let new = touch(random(), 1, Confirm::Yes);
    waiting.queue(new.clone(), EVERY);
    waiting.queue(Touch { ref_tok_id: random(), ..new.clone() }, EVERY);
    assert_eq!(waiting.seen_here(new.ref_tok_id), Some(new.seen_at));
    assert_eq!(waiting.batch(Line::Confirmations).len(), 2);
}

/// "sorted, batched"
#[test]
fn batches_are_sorted_and_the_oldest_go_first() {
    let mut waiting = Waiting::default();
    let seen: Vec<Touch> = (0..BATCH * 2)
        .map(|n| {
            let user = UserId::new(n.wrapping_mul(2_654_435_761) % 97).unwrap();
            Touch { user, ..touch(random(), 0, Confirm::No) }
        })
        .collect();
    for touch in &seen {
        waiting.queue(touch.clone(), EVERY);
    }
    let batch = waiting.batch(Line::Activity);
    assert_eq!(batch.len(), BATCH);
    assert!(batch.is_sorted_by_key(|touch| (touch.user.clone(), touch.guid)));
    let first = &seen[..BATCH];
    assert!(batch.iter().all(|touch| first.contains(touch)), "the oldest go first");
}

/// What cannot be written holds up the others for a while only.
#[test]
fn after_failures_less_goes_together_and_others_go_first() {
    let mut waiting = Waiting::default();
    for _ in 0..BATCH * 3 {
        waiting.queue(touch(random(), 0, Confirm::No), EVERY);
    }
    let first = waiting.batch(Line::Activity);
    waiting.failed(Line::Activity);
    let second = waiting.batch(Line::Activity);
    assert_eq!(second.len(), BATCH / 2);
    assert!(second.iter().all(|touch| !first.contains(touch)));
    for _ in 0..20 {
        waiting.failed(Line::Activity);
        waiting.batch(Line::Activity);
    }
    assert_eq!(waiting.batch(Line::Activity).len(), 1);
    assert_eq!(waiting.left(Line::Activity), BATCH * 3, "and none is lost");
    for _ in 0..9 {
        waiting.written(Line::Activity, &[], Instant::now());
        waiting.batch(Line::Activity);
    }
    assert_eq!(waiting.batch(Line::Activity).len(), BATCH);
}

/// What a store passed over for a lock is not written, and not forgotten here: theft is told from a
/// lost answer by it.
#[test]
fn what_was_passed_over_is_tried_again() {
    let (mut waiting, mut now) = (Waiting::default(), Instant::now());
    let (held, free) = (touch(random(), 1, Confirm::Yes), touch(random(), 1, Confirm::Yes));
    for touch in [&held, &free] {
        waiting.queue(touch.clone(), EVERY);
    }
    assert_eq!(waiting.batch(LINE).len(), 2);
    let next = waiting.written(LINE, &[held.ref_tok_id], now);
    assert_eq!(next, Next::Rest(RESTS[0]));
    assert_eq!(waiting.seen_here(held.ref_tok_id), Some(held.seen_at));
    assert_eq!(
        waiting.queue(held.clone(), EVERY),
        Queued::Waits,
        "as a part of the one that waits"
    );
    // The rests grow up to a bound, and are short again after a batch that nobody stood in the way of.
    let mut rests = vec![RESTS[0]];
    for _ in 0..8 {
        let rest = *rests.last().unwrap();
        let just_before = now + rest.saturating_sub(Duration::from_millis(1));
        assert_eq!(waiting.take(LINE, just_before), Taken::Enough(Duration::from_millis(1)));
        now += rest;
        assert_eq!(waiting.take(LINE, now), Taken::Batch(vec![held.clone()]));
        match waiting.written(LINE, &[held.ref_tok_id], now) {
            Next::Rest(rest) => rests.push(rest),
            next => panic!("{next:?}"),
        }
    }
    assert!(rests.is_sorted() && rests[8] == RESTS[1], "{rests:?}");
    now += RESTS[1];
    assert_eq!(waiting.take(LINE, now), Taken::Batch(vec![held.clone()]));
    assert_eq!(waiting.written(LINE, &[], now), Next::Arrival);
    assert_eq!(waiting.queue(held.clone(), EVERY), Queued::Known);
    let next = touch(random(), 1, Confirm::Yes);
    waiting.queue(next.clone(), EVERY);
    assert_eq!(waiting.take(LINE, now), Taken::Batch(vec![next.clone()]));
    assert_eq!(waiting.written(LINE, &[next.ref_tok_id], now), Next::Rest(RESTS[0]));
}

/// Held rows hold up no others, however many there are of both; nor are they asked for without a rest.
#[test]
fn what_was_passed_over_holds_up_no_others() {
    let (mut waiting, mut now) = (Waiting::default(), Instant::now());
    let held: HashSet<RefTokId> = (0..BATCH * 4).map(|_| random()).collect();
    for token in &held {
        waiting.queue(touch(*token, 0, Confirm::Yes), EVERY);
    }
    // One batch, as a store does it; how many of it were held, and what is to be done then.
    let write = |waiting: &mut Waiting, now| {
        let Taken::Batch(batch) = waiting.take(LINE, now) else { panic!("something waits") };
        let tokens = batch.iter().map(|touch| touch.ref_tok_id);
        let passed_over: Vec<RefTokId> = tokens.filter(|token| held.contains(token)).collect();
        let next = waiting.written(LINE, &passed_over, now);
        (batch.len() - passed_over.len(), passed_over.len(), next)
    };
    for _ in 0..3 {
        assert_eq!(write(&mut waiting, now), (0, BATCH, Next::Batch));
    }
    assert_eq!(write(&mut waiting, now), (0, BATCH, Next::Rest(RESTS[0])));

    // What comes while they rest is alone in its batch, and all of them are tried after it, once.
    let arrive = |waiting: &mut Waiting, count| {
        for _ in 0..count {
            waiting.queue(touch(random(), 0, Confirm::Yes), EVERY);
        }
    };
    arrive(&mut waiting, 10);
    let left = RESTS[0].saturating_sub(Duration::from_millis(1));
    let (free, again, next) = write(&mut waiting, now + Duration::from_millis(1));
    assert_eq!((free, again, next), (10, 0, Next::Rest(left)));
    now += RESTS[0];
    arrive(&mut waiting, BATCH * 2);
    let (mut batches, mut tried) = (Vec::new(), 0);
    loop {
        // Each takes longer than a rest.
        now += RESTS[1] * 2;
        let (free, again, next) = write(&mut waiting, now);
        batches.push(free);
        tried += again;
        if let Next::Rest(rest) = next {
            assert!(rest >= RESTS[0], "{rest:?}");
            break;
        }
        assert_eq!(next, Next::Batch);
    }
    assert_eq!(tried, held.len(), "each once");
    assert_eq!(batches, [375, 375, 250, 0, 0, 0], "others first; a quarter is for what has rested");
    assert_eq!(waiting.left(LINE), held.len(), "and none is lost");
}

/// "dropped rather than growing without bound": in number, and in bytes.
#[test]
fn what_waits_is_bounded() {
    let long = UserAgent::from_bytes("x".repeat(UserAgent::MAX_BYTES).as_bytes());
    let user = UserId::new("u".repeat(UserId::MAX_BYTES)).unwrap();
    for (user_agent, confirm) in [(None, Confirm::No), (long, Confirm::Yes)] {
        let line = if confirm == Confirm::Yes { Line::Confirmations } else { Line::Activity };
        let mut waiting = Waiting::default();
        let heavy = |token| {
            let user_agent = user_agent.clone();
            let light = touch(token, 0, confirm);
            match user_agent {
                None => light,
                user_agent => Touch { user: user.clone(), user_agent, ..light },
            }
        };
        let first = random();
        waiting.queue(heavy(first), EVERY);
        let mut full = 0;
        for _ in 0..Waiting::MOST {
            if let Queued::Full(so_far) = waiting.queue(heavy(random()), EVERY) {
                full += 1;
                assert_eq!(so_far, full);
            }
        }
        assert!(full > 0);
        assert_eq!(waiting.left(line) + usize::try_from(full).unwrap(), Waiting::MOST + 1);
        let bytes = waiting.line(line).bytes;
        let most = Waiting::MOST_BYTES + weight(&heavy(first));
        assert!(bytes <= most, "{bytes} bytes wait");
        // What waits already is known all the same; the other line has room.
        assert_eq!(waiting.queue(heavy(first), EVERY), Queued::Waits);
        let other = if confirm == Confirm::Yes { Confirm::No } else { Confirm::Yes };
        assert_eq!(waiting.queue(touch(random(), 0, other), EVERY), Queued::Waits);
        assert_eq!(waiting.forgotten(line), full);
        // The count of the bytes is right: nothing is left of it when all is written.
        while waiting.left(line) > 0 {
            waiting.close();
            waiting.batch(line);
            waiting.written(line, &[], Instant::now());
        }
        assert_eq!(waiting.line(line).bytes, 0);
    }
}

/// The order as well: of a store that takes nothing for an hour, and clients that go on.
#[test]
fn what_fails_again_and_again_takes_no_more_room() {
    let mut waiting = Waiting::default();
    let first: Vec<Touch> = (0..50).map(|_| touch(random(), 0, Confirm::No)).collect();
    for minute in 0..3000 {
        for touch in &first {
            let next = Touch { seen_at: touch.seen_at + EVERY * minute, ..touch.clone() };
            assert_eq!(waiting.queue(next, EVERY), Queued::Waits);
        }
        // It stays on its way until the next ones have come.
        waiting.failed(Line::Activity);
        waiting.batch(Line::Activity);
    }
    let order = waiting.activity.order.len();
    assert!(order <= 2 * first.len() + PASSED_OVER, "{order} places for {}", first.len());
    waiting.failed(Line::Activity);
    waiting.activity.compact();
    assert_eq!(waiting.activity.order.len(), first.len(), "each has one place");
    assert_eq!(waiting.write_all(), first.len(), "and none is lost");
    assert_eq!(waiting.activity.order.len(), 0);
}

/// "all places but the last of each": what failed waits behind the others, and everybody has a place.
#[test]
fn compaction_leaves_what_failed_behind_the_others() {
    let mut waiting = Waiting::default();
    let (failing, other) = (touch(random(), 0, Confirm::No), touch(random(), 0, Confirm::No));
    waiting.queue(failing.clone(), EVERY);
    assert_eq!(waiting.batch(Line::Activity).len(), 1);
    waiting.queue(Touch { seen_at: failing.seen_at + EVERY, ..failing.clone() }, EVERY);
    waiting.queue(other.clone(), EVERY);
    waiting.failed(Line::Activity);
    waiting.activity.compact();
    assert_eq!(waiting.activity.order, [other.ref_tok_id, failing.ref_tok_id]);
    // As it is called: by what comes, when there are too many places for nothing.
    waiting.activity.order.extend(std::iter::repeat_with(random).take(PASSED_OVER + 10));
    waiting.queue(touch(random(), 0, Confirm::No), EVERY);
    assert_eq!(waiting.activity.order.len(), 3);
}

/// What is remembered is bounded too, and no write goes beyond it.
#[test]
fn no_more_is_written_than_can_be_remembered() {
    let mut waiting = Waiting::default();
    let start = Instant::now();
    let mut written = 0;
    let rest = loop {
        for _ in 0..BATCH {
            waiting.queue(touch(random(), 0, Confirm::No), EVERY);
        }
        match waiting.take(Line::Activity, start) {
            Taken::Batch(batch) => written += batch.len(),
            Taken::Enough(rest) => break rest,
            Taken::Nothing => panic!("something waits"),
        }
        waiting.written(Line::Activity, &[], Instant::now());
        assert!(written <= MOST_REMEMBERED, "{written} are written, and more");
    };
    assert_eq!(written, MOST_REMEMBERED);
    assert!(rest > Duration::ZERO && rest <= REMEMBERED);
    // As after an outage: confirmations wait for none of it.
    waiting.queue(touch(random(), 0, Confirm::Yes), EVERY);
    assert!(matches!(waiting.take(Line::Confirmations, start), Taken::Batch(_)));
    let later = start + REMEMBERED + Duration::from_secs(1);
    assert!(matches!(waiting.take(Line::Activity, later), Taken::Batch(_)));
    assert_eq!(waiting.activity.written.older.len(), MOST_REMEMBERED);
}

#[test]
fn after_the_close_nothing_is_taken_in() {
    let mut waiting = Waiting::default();
    waiting.queue(touch(random(), 0, Confirm::No), EVERY);
    waiting.close();
    assert_eq!(waiting.queue(touch(random(), 0, Confirm::No), EVERY), Queued::Known);
    assert_eq!(waiting.write_all(), 1);
}
