//! L73 to L75: what a node that follows the journal is answered, and the lengths of its lease.

use std::time::Duration;

use logout_all::{
    By, EndReason, JournalEntry, StoreError, StoreErrorKind, UserId,
    store::{JournalOrder, Lease, Scope},
};

use super::bench::{Bench, Store, Verdict, Violation, ending, ensure, equal, user};

const WRITERS: usize = 8;

fn millis(length: u64) -> Duration {
    Duration::from_millis(length)
}

fn lengths(given: u64, waited: u64) -> Lease {
    Lease { given: millis(given), waited: millis(waited) }
}

/// Ends the law over a store that no node can follow.
fn followed(bench: &Bench) -> Verdict {
    match bench.journal_order {
        JournalOrder::Common => Ok(()),
        JournalOrder::PerUser => Err(Violation::NotApplicable(
            "nobody follows such a journal (JournalOrder::PerUser), as the factory declares",
        )),
    }
}

/// L73: "For `Some(seq)` it begins with the entry `seq`, if that is still there, and goes on with
/// those beyond it, ascending, at most `limit` of them; for `None` it is the newest entry alone, if
/// there is one."
pub(super) async fn l73_a_poll_begins_with_what_is_known(bench: &Bench) -> Verdict {
    followed(bench)?;
    for known in [None, Some(1), Some(9)] {
        let empty = bench.store.poll(known, 10).await?;
        equal("the end of an empty journal", &(empty.last_seq, empty.entries.len()), &(0, 0))?;
    }
    for number in 0..7 {
        bench.end(&user(number)?, Scope::All).await?;
    }
    let journal = bench.journal().await?;
    let newest = bench.store.poll(None, 3).await?;
    equal("what a newcomer is told", &newest.entries, &journal[6..].to_vec())?;
    equal("the journal's end", &newest.last_seq, &7)?;
    for seq in 1..9_u64 {
        for limit in 1..9_usize {
            let polled = bench.store.poll(Some(seq), limit).await?;
            let wanted: Vec<JournalEntry> =
                journal.iter().filter(|entry| entry.seq >= seq).take(limit + 1).cloned().collect();
            equal(&format!("{seq} and {limit} beyond it"), &polled.entries, &wanted)?;
            equal("the journal's end", &polled.last_seq, &7)?;
        }
    }
    // What a poll never knew, or what the sweep took: the rest without it.
    let from_nothing = bench.store.poll(Some(0), 3).await?;
    equal("3 beyond nothing", &from_nothing.entries, &journal[..3].to_vec())
}

/// L73: "All of the answer is of one instant, which is later than the call". While many write, a
/// follower's every answer begins with the entry it knows, has no gap, and ends where it says; and
/// an ending that has returned is in every answer to a later call.
pub(super) async fn l73_a_poll_is_of_one_instant(bench: &Bench) -> Verdict {
    followed(bench)?;
    bench.store.raise_lease(millis(100)).await?;
    let users = (0..WRITERS).map(user).collect::<Verdict<Vec<UserId>>>()?;
    let work = |store: Store, number: usize| {
        let writer = users.get(number).cloned();
        async move {
            let Some(writer) = writer else {
                return follow(&store).await;
            };
            for _ in 0..3 {
                let before = store.poll(None, 1).await?.last_seq;
                store.end(&ending(&writer, Scope::All)).await?;
                let polled = store.poll(Some(before), 1000).await?;
                let told = polled.entries.iter().filter(|entry| entry.seq > before);
                let mine = told.filter(|entry| entry.user.as_ref() == Some(&writer)).count();
                ensure!(mine == 1, "an ending returned, and a poll after it tells of {mine}");
            }
            Ok(())
        }
    };
    bench.at_once(WRITERS + 2, work).await.map(drop)
}

async fn follow(store: &Store) -> Verdict {
    let newest = store.poll(None, 1).await?;
    let Some(mut known) = newest.entries.into_iter().next() else {
        return Err(super::bench::broken("a lease was raised, and there is no entry to know"));
    };
    let end = 1 + WRITERS as u64 * 3;
    let mut reads_left = 5_000;
    while known.seq < end {
        let polled = store.poll(Some(known.seq), 5).await?;
        equal("the first of the answer", &polled.entries.first(), &Some(&known))?;
        for (seq, entry) in (known.seq..).zip(&polled.entries) {
            ensure!(entry.seq == seq, "after {} comes {} for {seq}", known.seq, entry.seq);
        }
        let told = known.seq + polled.entries.len() as u64 - 1;
        ensure!(
            told == polled.last_seq || polled.entries.len() == 6 && told < polled.last_seq,
            "a poll of {} ends at {told}, the journal at {}",
            polled.entries.len(),
            polled.last_seq
        );
        equal("the lease", &polled.lease, &lengths(100, 100))?;
        known = polled.entries.into_iter().next_back().unwrap_or(known);
        reads_left -= 1;
        ensure!(reads_left > 0, "only {} of {end} entries ever came", known.seq);
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    Ok(())
}

/// L73: "Where the journal is `JournalOrder::PerUser`, it fails as `Unsupported`."
pub(super) async fn l73_nobody_follows_a_part(bench: &Bench) -> Verdict {
    for known in [None, Some(0), Some(1)] {
        let answer = bench.store.poll(known, 10).await;
        match bench.journal_order {
            JournalOrder::Common => drop(answer?),
            JournalOrder::PerUser => {
                let refused = answer.as_ref().err().map(StoreError::kind);
                ensure!(refused == Some(StoreErrorKind::Unsupported), "it answers {answer:?}");
            }
        }
        bench.end(&user("ada")?, Scope::All).await?;
    }
    Ok(())
}

/// L74: "It never lowers one, whoever else raises or lowers them, and is committed when it
/// returns."
pub(super) async fn l74_a_raise_never_lowers(bench: &Bench) -> Verdict {
    followed(bench)?;
    let raised = bench.store.raise_lease(millis(400)).await?;
    equal("after a raise", &raised, &lengths(400, 400))?;
    equal("after a lower one", &bench.store.raise_lease(millis(200)).await?, &raised)?;
    equal("what is stored", &bench.store.lease().await?, &raised)?;
    let mut highest = 400;
    // Again and again beyond what is there: one burst alone seldom shows a raise that reads first.
    for _ in 0..bench.rounds.min(20) {
        let above = highest;
        let work = |store: Store, number: usize| async move {
            let to = millis(above + 100 * (1 + number as u64 % 5));
            let lease = store.raise_lease(to).await?;
            ensure!(lease.given >= to && lease.waited >= to, "raised to {to:?}, it is {lease:?}");
            let polled = store.poll(None, 1).await?.lease;
            ensure!(polled.given >= to && polled.waited >= to, "raised to {to:?}, told {polled:?}");
            Ok(())
        };
        bench.at_once(20, work).await?;
        highest += 500;
        equal("after many at once", &bench.store.lease().await?, &lengths(highest, highest))?;
    }
    equal("lowered", &bench.store.lower_given(millis(300)).await?, &lengths(300, highest))?;
    let raised = bench.store.raise_lease(millis(400)).await?;
    equal("raised while it was being lowered", &raised, &lengths(400, highest))
}

/// L74: "Where there is no entry in the journal, it writes one about everybody
/// (`EndReason::Changed`, by `By::Policy`): whoever polls then has one to know."
pub(super) async fn l74_there_is_an_entry_to_know(bench: &Bench) -> Verdict {
    followed(bench)?;
    let work = |store: Store, _| async move {
        store.raise_lease(millis(100)).await?;
        let polled = store.poll(None, 1).await?;
        ensure!(polled.entries.len() == 1, "a lease was raised, and there is no entry to know");
        Ok(())
    };
    bench.at_once(6, work).await?;
    bench.store.raise_lease(millis(200)).await?;
    let journal = bench.journal().await?;
    equal("entries", &journal.len(), &1)?;
    let told = journal.into_iter().map(|entry| (entry.user, entry.guid, entry.reason, entry.by));
    equal("it says", &told.collect(), &vec![(None, None, EndReason::Changed, By::Policy)])
}

/// L75: "Only if both lengths still are as `seen`: a raise since then stands." And a lowering
/// lowers what it may, no more.
pub(super) async fn l75_a_raise_stands_against_a_lowering(bench: &Bench) -> Verdict {
    followed(bench)?;
    bench.store.raise_lease(millis(800)).await?;
    let seen = bench.store.lower_given(millis(300)).await?;
    equal("half lowered", &seen, &lengths(300, 800))?;
    equal("lowered to more", &bench.store.lower_given(millis(500)).await?, &seen)?;
    ensure!(bench.store.lower_waited(seen).await?, "nothing stood against it");
    equal("lowered", &bench.store.lease().await?, &lengths(300, 300))?;

    bench.store.raise_lease(millis(800)).await?;
    let seen = bench.store.lower_given(millis(300)).await?;
    let raised = bench.store.raise_lease(millis(500)).await?;
    ensure!(!bench.store.lower_waited(seen).await?, "it was raised meanwhile");
    equal("raised meanwhile", &bench.store.lease().await?, &raised)?;
    equal("by that raise", &raised, &lengths(500, 800))?;

    // The other length alone: a raise beyond both, and a lowering of the first back again.
    let seen = bench.store.lower_given(millis(300)).await?;
    bench.store.raise_lease(millis(900)).await?;
    let later = bench.store.lower_given(millis(300)).await?;
    equal("lowered by another", &later, &lengths(300, 900))?;
    ensure!(!bench.store.lower_waited(seen).await?, "leases of 900 ms may run");
    equal("so they stay", &bench.store.lease().await?, &later)
}
