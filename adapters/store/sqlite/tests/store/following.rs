//! Polls of the journal, the lease lengths and wake-ups: beside other processes, shells and a sweep. (What
//! they answer is proved by the laws L73 to L75.)

use std::{
    future::Future,
    time::{Duration, Instant},
};

use logout_all::{
    Clock, DeviceLimit, EndReason, JournalEntry, SessionStore,
    store::{Lease, Scope},
};
use tokio::{task::JoinSet, time::timeout};

use crate::{File, end, login_of, sign_in, user};

const SOON: Duration = Duration::from_secs(5);
/// How long a wake-up that must not come is waited for.
const A_WHILE: Duration = Duration::from_millis(200);

fn millis(length: u64) -> Duration {
    Duration::from_millis(length)
}

fn lengths(given: u64, waited: u64) -> Lease {
    Lease { given: millis(given), waited: millis(waited) }
}

async fn comes(what: &str, woken: impl Future<Output = ()>) -> Duration {
    let since = Instant::now();
    assert!(timeout(SOON, woken).await.is_ok(), "no wake-up: {what}");
    since.elapsed()
}

/// "Its `seq` is gapless in commit order": a follower with small answers, beside two processes and a
/// shell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_misses_nothing() {
    const WRITERS: u64 = 4;
    const EACH: u64 = 15;
    let file = File::migrated().await;
    let store = file.store().await;
    store.raise_lease(millis(500)).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = file.store().await;
        writers.spawn(async move {
            let one = user(format!("writer {writer}"));
            for turn in 0..EACH {
                end(&store, &one, Scope::All).await;
                let told = store.poll(Some(0), 10_000).await.unwrap();
                let mine = told.entries.iter().filter(|entry| entry.user.as_ref() == Some(&one));
                assert_eq!(mine.count() as u64, turn + 1, "what has returned is told");
            }
        });
    }
    let mut followed: Vec<JournalEntry> = store.poll(None, 1).await.unwrap().entries;
    let (last, since) = (1 + WRITERS * EACH, Instant::now());
    while followed[followed.len() - 1].seq < last {
        let known = followed[followed.len() - 1].clone();
        let told = store.poll(Some(known.seq), 3).await.unwrap();
        assert_eq!(told.entries[0], known, "the known entry comes first");
        for (seq, entry) in (known.seq..).zip(&told.entries) {
            assert_eq!(entry.seq, seq);
        }
        followed.extend(told.entries.into_iter().skip(1));
        assert!(since.elapsed() < Duration::from_secs(30), "{} of {last}", followed.len());
    }
    writers.join_all().await;
    let journal = store.journal(0, 10_000).await.unwrap().entries;
    assert!(journal.ends_with(&followed));
}

/// "Truncation never removes the newest entry": whoever knows it is answered by it; whoever knows one
/// that is gone is not.
#[tokio::test]
async fn after_a_sweep_the_newest_entry_is_there_and_an_older_one_is_missed() {
    let file = File::migrated().await;
    let clock = Clock::system();
    let store = file.builder().danger_clock(clock.clone()).connect().await.unwrap();
    for number in 0..5 {
        end(&store, &user(number), Scope::All).await;
    }
    let newest = store.poll(None, 1).await.unwrap().entries;
    clock.advance(Duration::from_hours(31 * 24));
    for _ in 0..3 {
        store.sweep(100).await.unwrap();
    }
    assert_eq!(store.poll(Some(5), 100).await.unwrap().entries, newest);
    let missed = store.poll(Some(2), 100).await.unwrap();
    assert_eq!((missed.last_seq, &missed.entries), (5, &newest));
}

/// "Nodes of both follow the same journal during an upgrade": an entry with a later release's reason is
/// read as unspecified, and ends no following.
#[tokio::test]
async fn a_reason_of_a_later_release_is_followed() {
    let file = File::migrated().await;
    let store = file.store().await;
    end(&store, &user("ada"), Scope::All).await;
    let rename = "UPDATE logout_all_journal SET reason = 'a-later-one'";
    file.sql().execute_batch(rename).unwrap();
    let told = store.poll(Some(0), 10).await.unwrap().entries;
    assert_eq!((told[0].seq, told[0].reason), (1, EndReason::Unspecified));
    assert_eq!(store.journal(0, 10).await.unwrap().entries, told);
}

/// L74 and L75 over processes of one file: of many first nodes one writes the entry; a lowering is
/// undone by a node that raises meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_raise_to_the_longest_and_one_that_raises_undoes_a_lowering() {
    let file = File::migrated().await;
    let mut nodes = JoinSet::new();
    for node in 1..=6 {
        let store = file.store().await;
        nodes.spawn(async move { store.raise_lease(millis(100 * node)).await.unwrap() });
    }
    nodes.join_all().await;
    let (store, other) = (file.store().await, file.store().await);
    assert_eq!(store.raise_lease(millis(100)).await.unwrap(), lengths(600, 600));
    assert_eq!(store.lease().await.unwrap(), lengths(600, 600));
    let told = store.journal(0, 10).await.unwrap().entries;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].reason, &told[0].user), (EndReason::Changed, &None));

    let seen = store.lower_given(millis(200)).await.unwrap();
    assert_eq!(seen, lengths(200, 600));
    other.raise_lease(millis(400)).await.unwrap();
    assert!(!store.lower_waited(seen).await.unwrap(), "a raise since");
    assert_eq!(other.poll(None, 1).await.unwrap().lease, lengths(400, 600));
    let seen = store.lower_given(millis(200)).await.unwrap();
    assert!(store.lower_waited(seen).await.unwrap());
    assert_eq!(other.lease().await.unwrap(), lengths(200, 200));
    // At least, to the nanosecond.
    let odd = store.raise_lease(millis(300) + Duration::from_nanos(1)).await.unwrap();
    assert_eq!(odd.given, millis(300) + Duration::from_micros(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_process_journals_wakes_and_nothing_else_does() {
    let file = File::migrated().await;
    end(&file.store().await, &user("eve"), Scope::All).await;
    let (store, ada) = (file.store().await, user("ada"));
    let woken = store.woken();
    let row = sign_in(&store, &ada).await;
    store.relabel(&ada, row.guid, None).await.unwrap();
    store.sweep(10).await.unwrap();
    end(&store, &user("stranger"), Scope::Device(row.guid)).await;
    assert!(timeout(A_WHILE, woken).await.is_err(), "nothing has ended");

    for turn in 0..3 {
        let woken = store.woken();
        end(&store, &ada, Scope::All).await;
        comes(&format!("the ending {turn}"), woken).await;
    }
    // An eviction too, which is a part of a login.
    sign_in(&store, &ada).await;
    let woken = store.woken();
    let login = login_of(&store, &ada, DeviceLimit::Evict(1)).await;
    store.insert(&login).await.unwrap();
    comes("an eviction", woken).await;
    let woken = store.woken();
    drop(store.clone());
    end(&store.clone(), &ada, Scope::All).await;
    comes("by a clone", woken).await;
}

/// An application's transaction or a shell that holds the writer's lock holds up no poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_lock_holds_up_no_poll() {
    let file = File::migrated().await;
    let store = file.store().await;
    end(&store, &user("ada"), Scope::All).await;
    let sql = file.sql();
    sql.execute_batch("BEGIN IMMEDIATE; DELETE FROM logout_all_sessions").unwrap();
    let stuck = {
        let store = store.clone();
        tokio::spawn(async move { store.raise_lease(millis(100)).await })
    };
    for _ in 0..5 {
        let since = Instant::now();
        assert_eq!(store.poll(None, 10).await.unwrap().last_seq, 1);
        assert!(since.elapsed() < millis(500), "{:?}", since.elapsed());
    }
    sql.execute_batch("ROLLBACK").unwrap();
    assert_eq!(stuck.await.unwrap().unwrap(), lengths(100, 100));
}
