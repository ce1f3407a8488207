//! L1 to L4: what holds for every verb.

use std::{task::Poll, time::Duration};

use logout_all::{
    By, DeviceLimit, EndReason, JournalEntry, Label, SessionRow, StoreError,
    store::{Inserted, JournalOrder, NewSession, RemintOf, Scope},
};

use super::{
    bench::{
        Bench, DAY, HOUR, LIMITS, MINUTE, SECOND, Store, Verdict, broken, done, ending, ensure,
        equal, remint, rotation, touch, user,
    },
    erased::Answer,
};

/// Polls an answer that often, then drops it.
async fn drop_after<T>(polls: usize, mut answer: Answer<'_, T>) {
    let mut left = polls;
    let outcome: Poll<Result<T, StoreError>> = std::future::poll_fn(|cx| {
        let now = answer.as_mut().poll(cx);
        left = left.saturating_sub(1);
        if now.is_pending() && left > 0 { Poll::Pending } else { Poll::Ready(now) }
    })
    .await;
    drop(outcome);
}

/// L1: "A verb takes effect wholly or not at all, also when its future is dropped half way."
pub(super) async fn l01_a_dropped_ending_is_whole_or_nothing(bench: &Bench) -> Verdict {
    for polls in 1..=bench.rounds.min(8) {
        let ada = user(format!("ada {polls}"))?;
        for _ in 0..4 {
            bench.sign_in(&ada).await?;
        }
        drop_after(polls, bench.store.end(&ending(&ada, Scope::All))).await;
        for _ in 0..4 {
            let live = bench.store.devices(&ada).await?.rows.len();
            ensure!(live == 4 || live == 0, "{live} of 4 sessions live after a dropped ending");
            let written = bench.store.history(&ada, 10).await?;
            ensure!(live == 4 || written.len() == 1, "ended, and the journal has {written:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

/// L1, for a login, the verb that changes most: "A verb takes effect wholly or not at all".
pub(super) async fn l01_a_dropped_login_is_whole_or_nothing(bench: &Bench) -> Verdict {
    for polls in 1..=bench.rounds.min(8) {
        let ada = user(format!("ada {polls}"))?;
        let (oldest, middle) = (bench.sign_in(&ada).await?.guid, bench.sign_in(&ada).await?.guid);
        let replaced = bench.sign_in(&ada).await?.guid;
        let login = NewSession {
            device_limit: DeviceLimit::Evict(2),
            replaces: vec![replaced],
            ..bench.login(&ada).await?
        };
        drop_after(polls, bench.store.insert(&login)).await;
        for _ in 0..4 {
            let rows = bench.store.devices(&ada).await?.rows;
            let has = |guid| rows.iter().any(|row| row.guid == guid);
            let before = has(oldest) && has(middle) && has(replaced) && rows.len() == 3;
            let after = has(middle) && has(login.guid) && rows.len() == 2;
            ensure!(before || after, "a dropped login left {} rows, neither state", rows.len());
            let written = bench.store.history(&ada, 10).await?.len();
            ensure!(before || written == 2, "a dropped login left {written} of 2 journal entries");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

/// L2: "A verb answers within a limit that the store documents", also beside a busy user.
pub(super) async fn l02_every_verb_answers(bench: &Bench) -> Verdict {
    let patience = bench.patience;
    let mut logins = Vec::new();
    for number in 0..8 {
        logins.push(bench.login(&user(number % 2)?).await?);
    }
    let work = |store: Store, number: usize| {
        let login = logins[number].clone();
        async move {
            let late = |_| broken(format!("one of each verb took longer than {patience:?}"));
            Ok(tokio::time::timeout(patience, every_verb(&store, &login)).await.map_err(late)??)
        }
    };
    bench.at_once(8, work).await?;
    let info = bench.store.info();
    ensure!(!info.name.is_empty() && !info.version.is_empty(), "it does not say what it is");
    Ok(())
}

async fn every_verb(store: &Store, login: &NewSession) -> Result<(), StoreError> {
    let (user, guid) = (&login.user, login.guid);
    store.ping().await?;
    store.lease().await?;
    let now = store.epochs(Some(user)).await?.now;
    if let Inserted::Stored { row, .. } = store.insert(login).await? {
        store.rotate(&rotation(&row, now)).await?;
        store.remint(&remint(&row, now, RemintOf::Any)).await?;
        store.touch(&[touch(&row, now)]).await?;
    }
    store.lookup(user, guid).await?;
    store.relabel(user, guid, None).await?;
    store.devices(user).await?;
    store.announce_changed(user, &By::Application).await?;
    store.end(&ending(user, Scope::Device(guid))).await?;
    store.end(&ending(user, Scope::Others(guid))).await?;
    store.end(&ending(user, Scope::All)).await?;
    store.end_everyone(EndReason::Everyone, &By::Application).await?;
    store.history(user, 10).await?;
    // A store without a common journal answers too, that there is none.
    if let (JournalOrder::Common, Err(why)) = (store.journal_order(), store.journal(0, 10).await) {
        return Err(why);
    }
    store.sweep(10).await?;
    Ok(())
}

/// L3: "Rows are compared with one clock, the store's, to the microsecond." All reads tell the same
/// time, and it is the clock that the factory gave.
pub(super) async fn l03_every_read_tells_the_same_time(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let session = bench.sign_in(&ada).await?;
    for moved in [Duration::ZERO, DAY, DAY] {
        let before = bench.now().await?;
        bench.clock.advance(moved);
        let mut last = before + moved;
        for _ in 0..3 {
            let by_epochs = bench.store.epochs(Some(&ada)).await?.now;
            let by_lookup = bench.store.lookup(&ada, session.guid).await?.now;
            let by_devices = bench.store.devices(&ada).await?.now;
            ensure!(last <= by_epochs, "after {last:?} epochs tell {by_epochs:?}");
            ensure!(by_epochs <= by_lookup, "after {by_epochs:?} a lookup tells {by_lookup:?}");
            ensure!(by_lookup <= by_devices, "after {by_lookup:?} devices tell {by_devices:?}");
            last = by_devices;
        }
        ensure!(
            last < before + moved + HOUR,
            "the clock was moved by {moved:?} and tells {last:?}"
        );
    }
    let rotated = done(bench.store.rotate(&rotation(&session, bench.now().await?)).await?)?;
    ensure!(bench.reread(&session).await? == rotated, "an instant was not kept to the microsecond");
    Ok(())
}

/// L3, at the very instant ("Dead from here on"): a row is there exactly as long as the clock of
/// the same answer has not reached its end.
pub(super) async fn l03_a_row_dies_at_its_instant(bench: &Bench) -> Verdict {
    for number in 0..3 {
        let ada = user(format!("ada {number}"))?;
        let session = bench.sign_in(&ada).await?;
        for before in [59 * SECOND, Duration::from_millis(15)] {
            let left = session.expires_at.duration_since(bench.now().await?).unwrap_or_default();
            bench.clock.advance(left.saturating_sub(before));
            listed_while_alive(bench, &session).await?;
        }
        while listed_while_alive(bench, &session).await? < Duration::from_millis(5) {}
    }
    Ok(())
}

/// How far past its end a session is, after the law's one question.
async fn listed_while_alive(bench: &Bench, session: &SessionRow) -> Verdict<Duration> {
    let devices = bench.store.devices(&session.user).await?;
    let (listed, alive) = (devices.rows.len() == 1, devices.now < session.expires_at);
    let past = devices.now.duration_since(session.expires_at);
    ensure!(listed == alive, "listed: {listed}, alive: {alive}, {past:?} past its end");
    Ok(past.unwrap_or_default())
}

/// L4: "Once a verb has returned, every verb that starts later, on any node, sees it."
pub(super) async fn l04_two_handles_see_the_same(bench: &Bench) -> Verdict {
    let (here, there) = (&bench.store, bench.second()?);
    let ada = user("ada")?;
    for (one, other) in [(here, there), (there, here)] {
        let mut row = bench.sign_in(&ada).await?;
        sees(other, &row).await?;
        bench.clock.advance(MINUTE);
        row = done(one.rotate(&rotation(&row, bench.now().await?)).await?)?;
        sees(other, &row).await?;
        let at = bench.now().await? + SECOND;
        row = done(other.remint(&remint(&row, at, RemintOf::Any)).await?)?;
        sees(one, &row).await?;
        one.touch(&[touch(&row, at)]).await?;
        (row.confirmed_at, row.last_seen_at) = (Some(at), at);
        sees(other, &row).await?;
        row.label = Label::new("Work laptop");
        let _ = other.relabel(&ada, row.guid, row.label.as_ref()).await?;
        sees(one, &row).await?;
        let ended = one.end(&ending(&ada, Scope::Device(row.guid))).await?;
        equal("ended by one handle", &ended.guids, &vec![row.guid])?;
        let left = other.lookup(&ada, row.guid).await?.row;
        ensure!(left.is_none(), "ended by one handle, and the other finds {left:?}");
        fences_and_journal(bench, one, other).await?;
    }
    Ok(())
}

async fn sees(store: &Store, row: &SessionRow) -> Verdict {
    let found = store.lookup(&row.user, row.guid).await?.row;
    equal("the row by the other handle", &found.as_ref(), &Some(row))?;
    let listed = store.devices(&row.user).await?.rows;
    ensure!(listed.contains(row), "the other handle does not list {row:?}: {listed:?}");
    Ok(())
}

async fn fences_and_journal(bench: &Bench, one: &Store, other: &Store) -> Verdict {
    let ada = user("ada")?;
    let was = other.epochs(Some(&ada)).await?.epochs;
    let login = NewSession { limits: LIMITS, ..bench.login(&ada).await? };
    one.end(&ending(&ada, Scope::All)).await?;
    let is = other.epochs(Some(&ada)).await?.epochs;
    ensure!(is.user > was.user, "one handle bumped the epoch, and the other reads {is:?}");
    let late = other.insert(&login).await?;
    ensure!(late.denied().is_some(), "one handle fenced, and the other let a login in");
    one.end_everyone(EndReason::Everyone, &By::Application).await?;
    let last = other.epochs(Some(&ada)).await?.epochs;
    ensure!(last.global > is.global, "one handle bumped the global epoch, not the other's");
    let histories = (one.history(&ada, 1000).await?, other.history(&ada, 1000).await?);
    equal("the history by the other handle", &histories.1, &histories.0)?;
    if bench.journal_order == JournalOrder::PerUser {
        return Ok(());
    }
    let pages: (Vec<JournalEntry>, Vec<JournalEntry>) =
        (one.journal(0, 1000).await?.entries, other.journal(0, 1000).await?.entries);
    equal("the journal by the other handle", &pages.1, &pages.0)
}
