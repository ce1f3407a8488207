//! L80 and L81: what a sweep removes, what it never does, and several at once.

use logout_all::{
    JournalEntry, Limits, SessionRow,
    store::{JournalOrder, NewSession, Scope},
};

use super::bench::{
    Bench, DAY, HOUR, LIMITS, MINUTE, Store, Verdict, broken, done, ensure, equal, rotation, touch,
    user,
};

const BRIEF: Limits = Limits { idle: HOUR, absolute: DAY, ..LIMITS };

/// `dead` expired rows and two live ones for each of three users.
async fn some_dead(bench: &Bench, dead: usize) -> Verdict<Vec<SessionRow>> {
    let mut live = Vec::new();
    for number in 0..dead {
        bench.sign_in_with(&user(number % 3)?, BRIEF).await?;
    }
    for number in 0..6 {
        live.push(bench.sign_in(&user(number % 3)?).await?);
    }
    bench.clock.advance(2 * HOUR);
    Ok(live)
}

async fn are_untouched(bench: &Bench, rows: &[SessionRow]) -> Verdict {
    for row in rows {
        ensure!(bench.lives(&row.user, row.guid).await?, "a sweep removed a live session");
        equal("a live row after a sweep", &bench.reread(row).await?, row)?;
    }
    Ok(())
}

/// L80: "Removes dead rows [...], at most `limit` of each"; "It removes no live row, writes no
/// journal".
pub(super) async fn l80_the_dead_go_in_small_batches(bench: &Bench) -> Verdict {
    let live = some_dead(bench, 10).await?;
    bench.end(&user("ada")?, Scope::All).await?;
    let users = [user("ada")?, user(0)?, user(1)?, user(2)?];
    let journal = bench.written(&users).await?;
    let mut removed = 0;
    for _ in 0..10 {
        let swept = bench.store.sweep(4).await?;
        ensure!(swept.sessions <= 4, "a sweep of at most 4 removed {}", swept.sessions);
        equal("entries removed within the day", &swept.journal, &0)?;
        removed += swept.sessions;
        are_untouched(bench, &live).await?;
        if swept.sessions == 0 {
            break;
        }
    }
    equal("dead rows removed", &removed, &10)?;
    equal("the journal", &bench.written(&users).await?, &journal)
}

/// L80: dead is also what an epoch left behind.
pub(super) async fn l80_rows_behind_an_epoch_go_too(bench: &Bench) -> Verdict {
    for number in 0..4 {
        bench.sign_in(&user(number)?).await?;
    }
    equal("dead rows before", &bench.store.sweep(100).await?.sessions, &0)?;
    bench.end_everyone().await?;
    let live = vec![bench.sign_in(&user(0)?).await?];
    equal("dead rows removed", &bench.store.sweep(100).await?.sessions, &4)?;
    equal("dead rows left", &bench.store.sweep(100).await?.sessions, &0)?;
    are_untouched(bench, &live).await
}

/// L80: "journal entries older than `JournalEntry::KEPT`, at most `limit`"; it "leaves the newest
/// entry", and numbers go on from there.
pub(super) async fn l80_the_journal_is_kept_for_thirty_days(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    // What is swept is the journal that grows with everybody; users' own are not, where they have
    // their own.
    let write = async || match bench.journal_order {
        JournalOrder::Common => bench.end(&ada, Scope::All).await.map(drop),
        JournalOrder::PerUser => bench.end_everyone().await,
    };
    for _ in 0..3 {
        write().await?;
    }
    bench.clock.advance(JournalEntry::KEPT.saturating_sub(HOUR));
    write().await?;
    equal("removed within 30 days", &bench.store.sweep(100).await?.journal, &0)?;
    bench.clock.advance(2 * HOUR);
    let mut removed = 0;
    loop {
        let swept = bench.store.sweep(2).await?.journal;
        ensure!(swept <= 2, "a sweep of at most 2 removed {swept} entries");
        removed += swept;
        // The oldest first: what is left has no gap.
        let left = bench.written(std::slice::from_ref(&ada)).await?;
        let found: Vec<u64> = left.iter().map(|entry| entry.seq).collect();
        equal("left", &found, &(removed as u64 + 1..=4).collect())?;
        if swept == 0 {
            break;
        }
    }
    equal("removed of 3 past 30 days", &removed, &3)?;
    bench.clock.advance(10 * JournalEntry::KEPT);
    equal("removed of the newest", &bench.store.sweep(100).await?.journal, &0)?;
    if bench.journal_order == JournalOrder::Common {
        let page = bench.store.journal(0, 10).await?;
        equal("the journal", &(page.last_seq, page.entries.len()), &(4, 1))?;
    }
    write().await?;
    if bench.journal_order == JournalOrder::Common {
        equal("the next", &bench.store.journal(4, 10).await?.entries.len(), &1)?;
        equal("the journal's end", &bench.store.journal(4, 10).await?.last_seq, &5)?;
    }
    let left = bench.written(std::slice::from_ref(&ada)).await?;
    equal("the newest two", &left.iter().map(|entry| entry.seq).collect(), &vec![4, 5])?;
    equal("removed before it", &bench.store.sweep(100).await?.journal, &1)?;
    if bench.journal_order == JournalOrder::PerUser {
        own_entries_are_told_for_thirty_days(bench).await?;
    }
    Ok(())
}

/// A user's own journal is kept as long, whoever removes it.
async fn own_entries_are_told_for_thirty_days(bench: &Bench) -> Verdict {
    let bob = user("bob")?;
    for days in [0, 20, 20] {
        bench.clock.advance(days * DAY);
        bench.end(&bob, Scope::All).await?;
    }
    let own = async || {
        let history = bench.store.history(&bob, 100).await?;
        let own = history.into_iter().filter(|entry| entry.user.is_some());
        Verdict::Ok(own.map(|entry| entry.seq).collect::<Vec<u64>>())
    };
    equal("of the last 30 days", &own().await?, &vec![3, 2])?;
    bench.clock.advance(20 * DAY);
    equal("of the last 30 days", &own().await?, &vec![3])?;
    bench.clock.advance(11 * DAY);
    equal("of the last 30 days", &own().await?, &vec![])
}

/// L80: it "forgets no epoch", however long nothing was heard of the user.
pub(super) async fn l80_no_epoch_is_forgotten(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    bench.sign_in(&ada).await?;
    bench.end(&ada, Scope::All).await?;
    bench.end(&bob, Scope::Others(logout_all::Guid::random())).await?;
    bench.end_everyone().await?;
    let before = (
        bench.store.epochs(Some(&ada)).await?.epochs,
        bench.store.epochs(Some(&bob)).await?.epochs,
    );
    bench.sign_in(&bob).await?;
    for _ in 0..2 {
        bench.clock.advance(400 * DAY);
        bench.store.sweep(100).await?;
        let after = (
            bench.store.epochs(Some(&ada)).await?.epochs,
            bench.store.epochs(Some(&bob)).await?.epochs,
        );
        equal("the epochs after a sweep", &after, &before)?;
    }
    let good = bench.login(&ada).await?;
    bench.stored(&NewSession { epochs: before.0, ..good }).await.map(drop)
}

/// L81: "Of sweeps at once, on any nodes, one removes and counts a row; none fails because of
/// another." And beside traffic nothing else is lost.
pub(super) async fn l81_sweeps_at_once_remove_each_row_once(bench: &Bench) -> Verdict {
    let live = some_dead(bench, 40).await?;
    let now = bench.now().await?;
    let work = |store: Store, number: usize| {
        let row = live[number].clone();
        async move {
            if number < 3 {
                let mut removed = 0;
                loop {
                    let swept = store.sweep(3).await;
                    let told = |error| broken(format!("a sweep failed beside others: {error}"));
                    match swept.map_err(told)?.sessions {
                        0 => return Ok(removed),
                        swept => removed += swept,
                    }
                }
            }
            for _ in 0..3 {
                store.touch(&[touch(&row, now + MINUTE)]).await?;
            }
            done(store.rotate(&rotation(&row, now + MINUTE)).await?)?;
            Ok(0)
        }
    };
    let removed: usize = bench.at_once(6, work).await?.into_iter().sum();
    equal("dead rows removed", &removed, &40)?;
    for row in &live {
        ensure!(bench.lives(&row.user, row.guid).await?, "a sweep beside traffic took a session");
    }
    each_handle_has_its_turn(bench).await?;
    let users: Vec<_> = live.into_iter().map(|row| row.user).collect();
    equal("the journal", &bench.written(&users).await?.len(), &0)
}

/// L81: "one that finds another under way may remove nothing", and no later one.
async fn each_handle_has_its_turn(bench: &Bench) -> Verdict {
    let eve = user("eve")?;
    for store in [Some(&bench.store), bench.second.as_ref(), Some(&bench.store)] {
        let Some(store) = store else { continue };
        bench.sign_in_with(&eve, BRIEF).await?;
        bench.clock.advance(2 * HOUR);
        equal(
            "dead rows removed when the others were done",
            &store.sweep(100).await?.sessions,
            &1,
        )?;
    }
    Ok(())
}
