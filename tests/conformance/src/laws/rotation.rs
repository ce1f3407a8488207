//! L40 to L43: compare-and-swap, and what never comes back through it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use logout_all::{
    Limits, RefTokId, SessionRow, UserAgent,
    store::{Confirm, Remint, RemintOf, Rotation, Scope, Swap, Touch},
};

use super::bench::{
    Bench, DAY, HOUR, LIMITS, MINUTE, SECOND, Store, Verdict, done, ending, ensure, equal, remint,
    rotation, touch, touched, user,
};

/// L40: "Of any number of rotations that expect the same refTokID exactly one is `Done`."
pub(super) async fn l40_of_64_rotations_at_once_one_is_done(bench: &Bench) -> Verdict {
    let row = bench.sign_in(&user("ada")?).await?;
    let now = bench.now().await? + SECOND;
    let work = |store: Store, _| {
        let rotation = rotation(&row, now);
        async move { Ok((rotation.next, store.rotate(&rotation).await?)) }
    };
    let mut winners = Vec::new();
    for (next, swap) in bench.at_once(64, work).await? {
        if let Swap::Done(row) = swap {
            winners.push((next, *row));
        }
    }
    equal("winners of 64 rotations", &winners.len(), &1)?;
    let (next, answered) = winners.swap_remove(0);
    let found = bench.reread(&row).await?;
    ensure!(found.ref_tok_id == next, "the row has another refTokID than the winner's");
    equal("the generation", &found.generation, &1)?;
    equal("the winner's row", &answered, &found)
}

/// L41: "It never creates a row, and never swaps in a dead one (expired, or an epoch behind)." The
/// same for a re-mint (L43), a touch (L50) and a label (L52).
pub(super) async fn l41_what_is_dead_stays_dead(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    let brief = Limits { idle: HOUR, absolute: DAY, ..LIMITS };
    let expired = bench.sign_in_with(&ada, brief).await?;
    bench.clock.advance(HOUR + SECOND);
    nothing_revives(bench, &expired, "expired").await?;
    let ended = bench.sign_in(&ada).await?;
    bench.end(&ada, Scope::Device(ended.guid)).await?;
    nothing_revives(bench, &ended, "logged out").await?;
    let fenced = bench.sign_in(&ada).await?;
    bench.end(&ada, Scope::All).await?;
    nothing_revives(bench, &fenced, "logged out everywhere").await?;
    let never = SessionRow { guid: logout_all::Guid::random(), ..fenced };
    nothing_revives(bench, &never, "never there").await?;
    let behind = bench.sign_in(&bob).await?;
    bench.end_everyone().await?;
    nothing_revives(bench, &behind, "ended with everyone").await
}

async fn nothing_revives(bench: &Bench, row: &SessionRow, why: &str) -> Verdict {
    let before = bench.read(&row.user, row.guid).await?;
    let now = bench.now().await?;
    let extension = Some(now + DAY);
    let swap = bench.store.rotate(&Rotation { extension, ..rotation(row, now) }).await?;
    ensure!(matches!(swap, Swap::Lost), "a session that is {why} was rotated: {swap:?}");
    for of in [RemintOf::Any, RemintOf::Unconfirmed] {
        let swap = bench.store.remint(&remint(row, now, of)).await?;
        ensure!(matches!(swap, Swap::Lost), "a session that is {why} was re-minted: {swap:?}");
    }
    bench.store.touch(&[Touch { extension, ..touch(row, now) }]).await?;
    let named = bench.store.relabel(&row.user, row.guid, None).await?;
    ensure!(named.is_none(), "a session that is {why} was named: {named:?}");
    let after = bench.read(&row.user, row.guid).await?;
    ensure!(after == before, "a session that is {why} was changed to {after:?}");
    ensure!(!bench.lives(&row.user, row.guid).await?, "a session that is {why} lives");
    bench.only_these_live(&row.user, &[]).await
}

/// L41 and L60 as a race: rotations in a loop against a logout of the device, and of the user:
/// when the logout has returned, the row is gone and stays so.
pub(super) async fn l41_no_rotation_undoes_an_ending(bench: &Bench) -> Verdict {
    super::races::nothing_undoes_an_ending(bench, |store, row| async move {
        let mut row = row;
        for _ in 0..4 {
            let now = store.epochs(None).await?.now;
            row = match store.rotate(&rotation(&row, now)).await? {
                Swap::Done(row) => *row,
                Swap::Lost => match store.lookup(&row.user, row.guid).await?.row {
                    Some(row) => row,
                    None => return Ok(()),
                },
            };
        }
        Ok(())
    })
    .await
}

/// L42: "It does what [`Rotation::apply`] says: previous kept, generation one more, `confirmed_at`
/// cleared." And an expectation that is not met changes nothing.
pub(super) async fn l42_a_rotation_does_what_it_says(bench: &Bench) -> Verdict {
    let mut row = bench.sign_in(&user("ada")?).await?;
    bench.store.touch(&[touch(&row, bench.now().await? + SECOND)]).await?;
    row = bench.reread(&row).await?;
    for number in 0..4 {
        bench.clock.advance(MINUTE);
        let now = bench.now().await?;
        let rotation = Rotation {
            // Later, none, earlier (which does not take effect), none.
            extension: [Some(row.expires_at + HOUR), None, Some(now), None][number],
            auth_time: (number == 1).then_some(now),
            user_agent: UserAgent::from_bytes(b"Safari").filter(|_| number == 2),
            ..rotation(&row, now)
        };
        for expected in [Some(RefTokId::random()), row.prev_ref_tok_id].into_iter().flatten() {
            let swap = bench.store.rotate(&Rotation { expected, ..rotation.clone() }).await?;
            ensure!(matches!(swap, Swap::Lost), "rotated with another refTokID than the current");
        }
        equal("the row after lost swaps", &bench.reread(&row).await?, &row)?;
        rotation.apply(&mut row);
        equal("the answer", &done(bench.store.rotate(&rotation).await?)?, &row)?;
        equal("the row after a rotation", &bench.reread(&row).await?, &row)?;
    }
    Ok(())
}

/// L43: a re-mint gives fresh times "only where the refTokID is the expected one [and] the row is
/// live"; "it moves neither `rotated_at` nor `expires_at` nor `generation`".
pub(super) async fn l43_a_remint_moves_the_times_alone(bench: &Bench) -> Verdict {
    let mut row = bench.sign_in(&user("ada")?).await?;
    row = done(bench.store.rotate(&rotation(&row, bench.now().await?)).await?)?;
    for of in [RemintOf::Unconfirmed, RemintOf::Any] {
        bench.clock.advance(MINUTE);
        let now = bench.now().await?;
        for expected in [Some(RefTokId::random()), row.prev_ref_tok_id].into_iter().flatten() {
            let swap = bench.store.remint(&Remint { expected, ..remint(&row, now, of) }).await?;
            ensure!(matches!(swap, Swap::Lost), "re-minted for another refTokID");
        }
        equal("the row after lost swaps", &bench.reread(&row).await?, &row)?;
        let auth_time = (of == RemintOf::Any).then_some(now);
        let remint = Remint { auth_time, ..remint(&row, now, of) };
        row.token_issued_at = remint.times.issued_at;
        row.token_expires_at = remint.times.expires_at;
        row.auth_time = auth_time.unwrap_or(row.auth_time);
        equal("the answer", &done(bench.store.remint(&remint).await?)?, &row)?;
        equal("the row after a re-mint", &bench.reread(&row).await?, &row)?;
    }
    Ok(())
}

/// L43: "and, for `RemintOf::Unconfirmed`, `confirmed_at` is none".
pub(super) async fn l43_a_confirmed_token_is_not_recovered(bench: &Bench) -> Verdict {
    let mut row = bench.sign_in(&user("ada")?).await?;
    let now = bench.now().await?;
    let seen = Touch { confirm: Confirm::No, ..touch(&row, now) };
    bench.store.touch(std::slice::from_ref(&seen)).await?;
    // Seen is not confirmed.
    row = done(bench.store.remint(&remint(&row, now, RemintOf::Unconfirmed)).await?)?;
    bench.store.touch(&[touch(&row, now)]).await?;
    row = bench.reread(&row).await?;
    equal("confirmed_at", &row.confirmed_at, &Some(now))?;
    let late = remint(&row, now + MINUTE, RemintOf::Unconfirmed);
    let swap = bench.store.remint(&late).await?;
    ensure!(matches!(swap, Swap::Lost), "a confirmed token was recovered");
    equal("the row", &bench.reread(&row).await?, &row)?;
    // A rotation makes a token that nobody has confirmed.
    row = done(bench.store.rotate(&rotation(&row, now + MINUTE)).await?)?;
    let fresh = remint(&row, now + MINUTE, RemintOf::Unconfirmed);
    done(bench.store.remint(&fresh).await?).map(drop)
}

/// L43 as a race with the confirmation: the row that a recovery was done on was unconfirmed then.
pub(super) async fn l43_recovery_and_confirmation_have_an_order(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    for round in 0..bench.rounds {
        let row = bench.sign_in(&ada).await?;
        let now = bench.now().await?;
        let work = |store: Store, number: usize| {
            let row = row.clone();
            async move {
                if number == 0 {
                    tokio::time::sleep(Duration::from_millis(round as u64 % 3)).await;
                    touched(&store, &touch(&row, now)).await?;
                    return Ok(Swap::Lost);
                }
                Ok(store.remint(&remint(&row, now + MINUTE, RemintOf::Unconfirmed)).await?)
            }
        };
        let swap = bench.at_once(2, work).await?.pop();
        let found = bench.reread(&row).await?;
        equal("confirmed_at", &found.confirmed_at, &Some(now))?;
        if let Some(Swap::Done(swapped)) = swap {
            equal("confirmed_at when recovered", &swapped.confirmed_at, &None)?;
            equal("the recovered iat", &found.token_issued_at, &(now + MINUTE))?;
        } else {
            equal("the iat of a token that was not", &found.token_issued_at, &row.token_issued_at)?;
        }
    }
    Ok(())
}

/// L61 as a race: a session that stays is re-stamped, and its rotations go on; neither overwrites
/// the other.
pub(super) async fn l61_rotations_and_restamps_lose_nothing(bench: &Bench) -> Verdict {
    let kept = bench.sign_in(&user("ada")?).await?;
    let rounds = bench.rounds;
    let rotating = Arc::new(AtomicBool::new(true));
    let work = |store: Store, number: usize| {
        let (mut row, rotating) = (kept.clone(), Arc::clone(&rotating));
        async move {
            while number == 0 && rotating.load(Ordering::SeqCst) {
                store.end(&ending(&row.user, Scope::Others(row.guid))).await?;
                tokio::task::yield_now().await;
            }
            let mut done = 0;
            for _ in 0..rounds * number {
                let swap = store.rotate(&rotation(&row, row.last_seen_at)).await?;
                if let Swap::Done(next) = swap {
                    row = *next;
                    done += 1;
                }
            }
            rotating.store(false, Ordering::SeqCst);
            Ok(done)
        }
    };
    let rotated: u64 = bench.at_once(2, work).await?.into_iter().sum();
    bench.only_these_live(&kept.user, &[kept.guid]).await?;
    equal("the generation", &bench.reread(&kept).await?.generation, &rotated)?;
    ensure!(rotated > 0, "not one rotation was done beside {rounds} endings");
    Ok(())
}
