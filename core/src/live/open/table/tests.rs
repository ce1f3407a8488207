//! What is read when, who is told, who is counted.

use std::collections::HashMap;

use super::*;

/// Keeps what a connection would be told.
type Waiting = oneshot::Receiver<Told>;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn key(name: &str) -> Key {
    (user(name), Guid::random())
}

fn join(table: &mut Table, key: &Key, kind: Kind, now: Ms) -> Result<(u64, Waiting), Refused> {
    let (teller, told) = oneshot::channel();
    table.join(key, 0, (kind, teller), now).map(|id| (id, told))
}

/// What is read now, none of which was given up.
fn taken(table: &mut Table, now: Ms) -> Vec<Asked> {
    let (batch, given_up) = table.take(now);
    assert!(given_up.is_empty());
    batch
}

#[test]
fn who_comes_is_read_once_and_then_when_it_would_expire() {
    let (mut table, ada) = (Table::default(), key("ada"));
    let _first = join(&mut table, &ada, Kind::Own, 10).unwrap();
    let asked = taken(&mut table, 10);
    assert_eq!(asked.len(), 1);
    assert!(taken(&mut table, 10).is_empty(), "it is being read");
    table.alive(&asked[0], 1, 5_000);
    // What is followed already need not be read for one more.
    let _second = join(&mut table, &ada, Kind::Own, 20).unwrap();
    assert_eq!(table.next(), Some(5_000));
    assert!(taken(&mut table, 4_999).is_empty());
    assert_eq!(taken(&mut table, 5_000).len(), 1);
}

#[test]
fn what_comes_while_it_is_read_is_read_again() {
    let (mut table, ada) = (Table::default(), key("ada"));
    let _told = join(&mut table, &ada, Kind::Own, 0).unwrap();
    let asked = taken(&mut table, 0);
    table.mark(&ada.0, Some(EndReason::Everywhere), 1);
    // An answer of before.
    table.alive(&asked[0], 1, 5_000);
    let again = taken(&mut table, 2);
    assert_eq!(again[0].why, Some(EndReason::Everywhere));
    table.alive(&again[0], 1, 5_000);
    assert_eq!(taken(&mut table, 5_000)[0].why, None, "it was not meant");
}

#[test]
fn a_user_is_marked_and_nobody_else() {
    let mut table = Table::default();
    let all: Vec<Key> = ["ad", "ada", "ada", "ada2"].map(key).into();
    let _kept: Vec<_> = all.iter().map(|key| join(&mut table, key, Kind::Own, 0)).collect();
    for asked in taken(&mut table, 0) {
        table.alive(&asked, 1, 5_000);
    }
    table.mark(&user("ada"), None, 7);
    let read = taken(&mut table, 7);
    assert!(read.iter().all(|asked| asked.key.0 == user("ada")));
    assert_eq!(read.len(), 2);
}

#[test]
fn everything_is_read_in_batches_and_from_the_beginning_again() {
    let mut table = Table::default();
    let all: Vec<Key> = (0..1_200).map(|at| key(&format!("{at:04}"))).collect();
    let _kept: Vec<_> = all.iter().map(|key| join(&mut table, key, Kind::Own, 0)).collect();
    let read = |table: &mut Table, now| {
        let mut sizes = Vec::new();
        loop {
            let batch = taken(table, now);
            if batch.is_empty() {
                return sizes;
            }
            sizes.push(batch.len());
            for asked in &batch {
                table.alive(asked, 1, 1_000_000);
            }
        }
    };
    assert_eq!(read(&mut table, 0), [500, 500, 200]);
    table.begin_round_in_turn(100, 100);
    assert_eq!(read(&mut table, 100), [500, 500, 200]);
    table.begin_round_in_turn(200, 200);
    assert!(read(&mut table, 5_099).is_empty(), "5 s lie between two");
    assert_eq!(table.next(), Some(5_100));
    assert_eq!(read(&mut table, 5_100), [500, 500, 200]);

    // The end of everybody waits for no turn, and is not lost in a round that is under way.
    table.begin_round(None, 5_200);
    let half = taken(&mut table, 5_200);
    for asked in &half {
        table.alive(asked, 1, 1_000_000);
    }
    table.begin_round(Some(EndReason::Everyone), 5_201);
    let first = taken(&mut table, 5_201);
    assert_eq!((first[0].key.clone(), first[0].why), (all[0].clone(), Some(EndReason::Everyone)));
}

/// Where reading all takes longer than the turns are apart, as with a store that is slow, the last ones
/// are reached as often as the first.
#[test]
fn a_reading_that_is_under_way_reaches_everybody() {
    let mut table = Table::default();
    let all: Vec<Key> = (0..1_200).map(|at| key(&format!("{at:04}"))).collect();
    let _kept: Vec<_> = all.iter().map(|key| join(&mut table, key, Kind::Own, 0)).collect();
    let mut read: HashMap<Key, usize> = HashMap::new();
    // Three batches take 7.5 s.
    for now in (0..60_000).step_by(2_500) {
        table.begin_round_in_turn(now, now);
        for asked in taken(&mut table, now) {
            table.alive(&asked, 1, 1_000_000);
            *read.entry(asked.key).or_default() += 1;
        }
    }
    let read: Vec<usize> = all.iter().map(|key| read.get(key).copied().unwrap_or(0)).collect();
    let (least, most) = (read.iter().min().unwrap(), read.iter().max().unwrap());
    assert!(*least >= 5 && most - least <= 1, "{least} to {most} times");
}

/// Asked again and again from then on, and given up at the last; until when answers were waited for.
fn is_given_up(table: &mut Table, questions: &[Ms], at: Ms) {
    for now in questions {
        assert!(taken(table, now - 1).is_empty());
        let asked = taken(table, *now);
        assert_eq!((asked.len(), asked[0].until), (1, at), "at {now}");
        table.unanswered(&asked[0], *now);
    }
    assert!(taken(table, at - 1).is_empty());
    let (batch, given_up) = table.take(at);
    assert!(batch.is_empty() && table.is_empty());
    assert_eq!(given_up.len(), 1);
}

#[test]
fn who_is_not_answered_is_asked_every_5_s_and_given_up_after_15() {
    let (mut table, ada) = (Table::default(), key("ada"));
    let _told = join(&mut table, &ada, Kind::Own, 100).unwrap();
    is_given_up(&mut table, &[100, 5_100, 10_100, 14_100], 15_100);
}

/// A question that nobody answers is waited for until then, and not asked again before.
#[test]
fn a_silent_store_holds_nobody_up_for_longer() {
    let (mut table, ada) = (Table::default(), key("ada"));
    let _told = join(&mut table, &ada, Kind::Own, 100).unwrap();
    let asked = taken(&mut table, 100);
    table.unanswered(&asked[0], 13_000);
    let asked = taken(&mut table, 14_100);
    table.unanswered(&asked[0], 15_100);
    assert_eq!(table.take(15_100).1.len(), 1);
}

/// "at most 15 s after the last answer of the store": the journal's, which was heard before anybody
/// noticed that it is silent.
#[test]
fn the_silence_of_the_journal_counts_from_its_last_word() {
    let (mut table, ada) = (Table::default(), key("ada"));
    let _told = join(&mut table, &ada, Kind::Own, 0).unwrap();
    let asked = taken(&mut table, 0);
    table.alive(&asked[0], 1, 1_000_000);
    table.begin_round_in_turn(2_000, 7_000);
    is_given_up(&mut table, &[7_000, 12_000, 16_000], 17_000);
}

/// While the journal alone is silent, each answer about a session counts for it.
#[test]
fn an_answer_counts_more_than_the_journals_silence() {
    let (mut table, ada) = (Table::default(), key("ada"));
    let _told = join(&mut table, &ada, Kind::Own, 2_000).unwrap();
    for now in [2_000, 7_000, 12_000, 17_000, 22_000] {
        table.begin_round_in_turn(2_000, now);
        let asked = taken(&mut table, now);
        table.alive(&asked[0], 1, 1_000_000);
    }
    table.begin_round_in_turn(2_000, 27_000);
    is_given_up(&mut table, &[27_000, 32_000, 36_000], 37_000);
}

/// Once the journal can be read again, whoever was not asked about yet is not silent.
#[test]
fn a_journal_that_is_read_again_ends_the_silence() {
    let mut table = Table::default();
    let all: Vec<Key> = (0..600).map(|at| key(&format!("{at:03}"))).collect();
    let _kept: Vec<_> = all.iter().map(|key| join(&mut table, key, Kind::Own, 0)).collect();
    for now in [0, 0] {
        for asked in taken(&mut table, now) {
            table.alive(&asked, 1, 1_000_000);
        }
    }
    table.begin_round_in_turn(0, 5_000);
    let first = taken(&mut table, 5_000);
    table.is_heard(14_900);
    for asked in &first {
        table.alive(asked, 1, 1_000_000);
    }
    assert_eq!(taken(&mut table, 15_100).len(), 100, "the others are asked about");
    // The same of a reading that waits for its turn.
    table.begin_round_in_turn(9_000, 15_200);
    table.is_heard(15_300);
    assert_eq!(taken(&mut table, 24_500).len(), 500);
}

#[test]
fn one_answer_is_enough_for_another_15_s() {
    let (mut table, ada) = (Table::default(), key("ada"));
    let _told = join(&mut table, &ada, Kind::Own, 0).unwrap();
    let asked = taken(&mut table, 0);
    table.unanswered(&asked[0], 0);
    let asked = taken(&mut table, 5_000);
    table.alive(&asked[0], 1, 10_000);
    let asked = taken(&mut table, 10_000);
    table.unanswered(&asked[0], 10_000);
    assert_eq!(taken(&mut table, 15_000).len(), 1);
}

#[test]
fn streams_are_counted_and_what_the_application_opens_is_not() {
    let (mut table, ada) = (Table::default(), key("ada"));
    let streams: Vec<_> =
        (0..8).map(|_| join(&mut table, &ada, Kind::Stream, 0).unwrap()).collect();
    assert!(matches!(join(&mut table, &ada, Kind::Stream, 0), Err(Refused::TooMany)));
    let _own: Vec<_> = (0..20).map(|_| join(&mut table, &ada, Kind::Own, 0).unwrap()).collect();
    table.leave(&ada, streams[3].0);
    table.leave(&ada, streams[3].0);
    let _again = join(&mut table, &ada, Kind::Stream, 0).unwrap();
    assert!(matches!(join(&mut table, &ada, Kind::Stream, 0), Err(Refused::TooMany)));

    let others: Vec<Key> = (0..9_992).map(|at| key(&at.to_string())).collect();
    let _streams: Vec<_> =
        others.iter().map(|key| join(&mut table, key, Kind::Stream, 0).unwrap()).collect();
    let late = key("late");
    assert!(matches!(join(&mut table, &late, Kind::Stream, 0), Err(Refused::TooMany)));
    assert_eq!(table.remove(&others[0]).len(), 1);
    assert!(join(&mut table, &late, Kind::Stream, 0).is_ok());
}

#[test]
fn a_drain_ends_streams_and_leaves_the_rest() {
    let (mut table, ada, grace) = (Table::default(), key("ada"), key("grace"));
    let mut joined = |key: &Key, kind| join(&mut table, key, kind, 0).unwrap().1;
    let _told = [joined(&ada, Kind::Own), joined(&ada, Kind::Stream), joined(&grace, Kind::Stream)];
    assert_eq!(table.drain().len(), 2);
    assert_eq!(table.sessions.len(), 1, "nobody is left for grace");
    let late = join(&mut table, &grace, Kind::Stream, 0);
    assert!(matches!(late, Err(Refused::Closed(_, Told::Closing))));
    assert!(join(&mut table, &grace, Kind::Own, 0).is_ok());
    assert_eq!(table.close().len(), 2);
    assert!(table.is_empty() && table.next().is_none());
    let late = join(&mut table, &grace, Kind::Own, 0);
    assert!(matches!(late, Err(Refused::Closed(_, Told::Unknown))));
}

#[test]
fn whoever_leaves_last_takes_the_session_along() {
    let (mut table, ada) = (Table::default(), key("ada"));
    let (one, _first) = join(&mut table, &ada, Kind::Own, 0).unwrap();
    let (two, _second) = join(&mut table, &ada, Kind::Own, 0).unwrap();
    table.leave(&ada, one);
    assert!(!table.is_empty());
    table.leave(&ada, two);
    assert!(table.is_empty() && table.agenda.is_empty());
}
