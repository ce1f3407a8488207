//! L70 and the journal's readers.

use std::{collections::BTreeSet, time::Duration};

use logout_all::{
    By, EndReason, Guid, JournalEntry, StoreError, StoreErrorKind, UserId,
    store::{Ending, JournalOrder, Lease, Scope},
};

use super::bench::{Bench, DAY, MINUTE, Store, Verdict, ending, ensure, equal, user};

const WRITERS: usize = 12;
/// A change of data, all, and another change for each writer, and everybody once.
const ENTRIES: u64 = WRITERS as u64 * 3 + 1;

/// L70: "`seq` is gapless in the order in which the endings took effect." While many write, a
/// reader that always asks for what is beyond the last it knows misses none.
pub(super) async fn l70_the_journal_is_gapless_for_a_follower(bench: &Bench) -> Verdict {
    let users = (0..WRITERS).map(user).collect::<Verdict<Vec<UserId>>>()?;
    equal("the entries of an empty journal", &bench.journal().await?.len(), &0)?;
    let work = |store: Store, number: usize| {
        let writer = users.get(number).cloned();
        async move {
            let Some(writer) = writer else {
                return follow(&store).await;
            };
            store.announce_changed(&writer, &By::Application).await?;
            store.end(&ending(&writer, Scope::All)).await?;
            store.announce_changed(&writer, &By::Application).await?;
            if number == 0 {
                store.end_everyone(EndReason::Everyone, &By::Application).await?;
            }
            Ok(Vec::new())
        }
    };
    let followed = bench.at_once(WRITERS + 2, work).await?.split_off(WRITERS);
    let journal = bench.journal().await?;
    for entries in followed {
        equal("what a follower read", &entries, &journal)?;
    }
    let ids: BTreeSet<String> = journal.iter().map(|entry| entry.id.to_string()).collect();
    equal("ids", &ids.len(), &journal.len())?;
    for writer in &users {
        let mine = journal.iter().filter(|entry| entry.user.as_ref() == Some(writer));
        let found: Vec<EndReason> = mine.map(|entry| entry.reason).collect();
        let wanted = vec![EndReason::Changed, EndReason::Everywhere, EndReason::Changed];
        equal("one writer's entries in order", &found, &wanted)?;
    }
    Ok(())
}

async fn follow(store: &Store) -> Verdict<Vec<JournalEntry>> {
    let mut known: Vec<JournalEntry> = Vec::new();
    let mut reads_left = 5_000;
    while (known.len() as u64) < ENTRIES {
        let last = known.last().map_or(0, |entry| entry.seq);
        let page = store.journal(last, 5).await?;
        for (seq, entry) in (last + 1..).zip(&page.entries) {
            ensure!(entry.seq == seq, "after {last} comes {} in the place of {seq}", entry.seq);
        }
        let end = last + page.entries.len() as u64;
        ensure!(end <= page.last_seq, "the page ends at {end}, the journal at {}", page.last_seq);
        ensure!(
            end == page.last_seq || page.entries.len() == 5,
            "a page of {} ends at {end}, the journal at {}",
            page.entries.len(),
            page.last_seq
        );
        known.extend(page.entries);
        reads_left -= 1;
        ensure!(reads_left > 0, "{} of {ENTRIES} entries ever came", known.len());
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    Ok(known)
}

/// The verb: "Journal entries with a `seq` greater than `after`, at most `limit`", and where it
/// ends.
pub(super) async fn l70_pages_are_what_was_asked_for(bench: &Bench) -> Verdict {
    equal("the entries of an empty journal", &bench.journal().await?.len(), &0)?;
    let empty = bench.store.journal(0, 10).await?;
    equal("the end of an empty journal", &(empty.last_seq, empty.entries.len()), &(0, 0))?;
    for number in 0..7 {
        bench.end(&user(number)?, Scope::All).await?;
    }
    for after in 0..9_u64 {
        for limit in 1..9_u64 {
            let asked = usize::try_from(limit).unwrap_or(usize::MAX);
            let page = bench.store.journal(after, asked).await?;
            let found: Vec<u64> = page.entries.iter().map(|entry| entry.seq).collect();
            let wanted: Vec<u64> = (after + 1..=7).take(asked).collect();
            equal(&format!("{limit} entries after {after}"), &found, &wanted)?;
            equal("the journal's end", &page.last_seq, &7)?;
        }
    }
    Ok(())
}

/// The journal "is an append-only list of what ended and why: `(seq, user_id or everybody, guid or
/// all, reason, by, at)`": each of them reads back.
pub(super) async fn l70_entries_tell_who_what_why_and_when(bench: &Bench) -> Verdict {
    let ada = user("ada: \"ünï\" 🦀")?;
    let device = bench.sign_in(&ada).await?.guid;
    let bys = [
        By::Device(device),
        By::operator("ops: ü/🦀 'x'"),
        By::operator(&"n".repeat(200)),
        By::Application,
        By::Policy,
    ];
    let reasons = [
        EndReason::Logout,
        EndReason::Others,
        EndReason::Everywhere,
        EndReason::Before,
        EndReason::Operator,
        EndReason::Reuse,
        EndReason::Evicted,
        EndReason::Replaced,
        EndReason::Locked,
        EndReason::Password,
        EndReason::ByHand,
        EndReason::Unspecified,
    ];
    let mut wanted = Vec::new();
    for (number, reason) in reasons.into_iter().enumerate() {
        let by = bys[number % bys.len()].clone();
        let guid = bench.sign_in(&ada).await?.guid;
        bench.clock.advance(MINUTE);
        let at = bench.now().await?;
        let (user, scope) = (ada.clone(), Scope::Device(guid));
        bench.store.end(&Ending { user, scope, reason, by: by.clone() }).await?;
        wanted.push((Some(ada.clone()), Some(guid), reason, by, at));
    }
    for by in bys {
        let at = bench.now().await?;
        bench.store.end_everyone(EndReason::Everyone, &by).await?;
        wanted.push((None, None, EndReason::Everyone, by, at));
    }
    let after = bench.now().await?;
    let journal = bench.written(std::slice::from_ref(&ada)).await?;
    equal("entries", &journal.len(), &wanted.len())?;
    for (entry, (user, guid, reason, by, at)) in journal.into_iter().zip(wanted) {
        equal("whose", &entry.user, &user)?;
        equal("which", &entry.guid, &guid)?;
        equal("why and by whom", &(entry.reason, entry.by), &(reason, by))?;
        let told = entry.at;
        ensure!(at <= told && told <= after, "ended after {at:?}, told {told:?}");
        ensure!(told < at + MINUTE, "ended at {at:?}, told {told:?}");
    }
    Ok(())
}

/// The verb: it "Journals `EndReason::Changed` for the user: the data changed and nothing ended."
pub(super) async fn l70_a_change_of_data_ends_nothing(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let row = bench.sign_in(&ada).await?;
    let epochs = bench.store.epochs(Some(&ada)).await?.epochs;
    let by = By::operator("ops");
    bench.store.announce_changed(&ada, &by).await?;
    let stranger = user("stranger")?;
    bench.store.announce_changed(&stranger, &by).await?;
    equal("the epochs", &bench.store.epochs(Some(&ada)).await?.epochs, &epochs)?;
    equal("the session", &bench.reread(&row).await?, &row)?;
    let users = [ada, stranger];
    let found: Vec<_> =
        bench.written(&users).await?.into_iter().map(|e| (e.user, e.reason)).collect();
    let wanted = users.map(|user| (Some(user), EndReason::Changed));
    equal("entries", &found, &wanted.to_vec())
}

/// L71: "Where the journal is `JournalOrder::PerUser`, it fails as `Unsupported`, and never answers
/// with a part of what ended"; and the store says of itself what its factory declares.
pub(super) async fn l71_no_part_is_told_for_the_whole(bench: &Bench) -> Verdict {
    equal("the journal's order", &bench.store.journal_order(), &bench.journal_order)?;
    let ada = user("ada")?;
    for _ in 0..2 {
        let answer = bench.store.journal(0, 10).await;
        match bench.journal_order {
            JournalOrder::Common => drop(answer?),
            JournalOrder::PerUser => {
                let refused = answer.as_ref().err().map(StoreError::kind);
                ensure!(refused == Some(StoreErrorKind::Unsupported), "it answers {answer:?}");
            }
        }
        bench.end(&ada, Scope::All).await?;
        bench.end_everyone().await?;
    }
    Ok(())
}

/// L72: "Where the journal is `JournalOrder::PerUser`, `seq` is gapless among the entries about one
/// user, and among those about everybody." In any order, the later entry has the greater `seq`, and
/// none is lost, whoever else writes.
pub(super) async fn l72_a_users_own_entries_are_in_order(bench: &Bench) -> Verdict {
    let users = (0..3).map(user).collect::<Verdict<Vec<UserId>>>()?;
    let work = |store: Store, number: usize| {
        let one = users[number % 3].clone();
        async move {
            for _ in 0..4 {
                store.announce_changed(&one, &By::Application).await?;
            }
            store.end_everyone(EndReason::Everyone, &By::Application).await?;
            store.end(&ending(&one, Scope::All)).await?;
            Ok(())
        }
    };
    bench.at_once(6, work).await?;
    for one in &users {
        let history = bench.store.history(one, 1000).await?;
        let (own, all): (Vec<_>, Vec<_>) =
            history.into_iter().partition(|entry| entry.user.is_some());
        for (entries, count) in [(own, 2 * 5), (all, 6)] {
            let found: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
            equal("entries", &found.len(), &count)?;
            ensure!(found.is_sorted_by(|newer, older| newer > older), "newest first: {found:?}");
            if bench.journal_order == JournalOrder::PerUser {
                equal("seq", &found, &(1..=count as u64).rev().collect())?;
            }
        }
    }
    Ok(())
}

/// The verb: "The newest entries about a user, and about everybody, newest first, at most `limit`."
pub(super) async fn history_is_about_the_user_and_everybody(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    let mut wanted: Vec<(EndReason, Option<Guid>)> = Vec::new();
    for _ in 0..3 {
        let guid = bench.sign_in(&ada).await?.guid;
        bench.sign_in(&bob).await?;
        bench.end(&ada, Scope::Device(guid)).await?;
        bench.end_everyone().await?;
        bench.end(&bob, Scope::All).await?;
        bench.end(&ada, Scope::All).await?;
        wanted.extend([
            (EndReason::Logout, Some(guid)),
            (EndReason::Everyone, None),
            (EndReason::Everywhere, None),
        ]);
    }
    wanted.reverse();
    for limit in [1, 4, 9, 100] {
        let found = bench.store.history(&ada, limit).await?;
        let told: Vec<_> = found.iter().map(|entry| (entry.reason, entry.guid)).collect();
        equal("the history", &told, &wanted.iter().copied().take(limit).collect())?;
        let journal = bench.written(&[ada.clone(), bob.clone()]).await?;
        ensure!(found.iter().all(|entry| journal.contains(entry)), "the journal has others");
    }
    let stranger = bench.store.history(&user("stranger")?, 100).await?;
    equal("about everybody", &stranger.len(), &3)
}

/// The scheme: the lease is "0 until some node asks for cached mode, so strict-only installations
/// never wait"; and nothing else moves it.
pub(super) async fn lease_is_zero_until_somebody_asks(bench: &Bench) -> Verdict {
    equal("the lease of a fresh store", &bench.store.lease().await?, &Lease::default())?;
    bench.sign_in(&user("ada")?).await?;
    bench.end(&user("ada")?, Scope::All).await?;
    bench.clock.advance(DAY);
    bench.store.sweep(10).await?;
    equal("the lease", &bench.store.lease().await?, &Lease::default())
}
