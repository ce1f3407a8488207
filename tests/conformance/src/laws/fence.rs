//! L61 and L64: epochs, and who stays.

use std::time::SystemTime;

use logout_all::{
    By, EndReason, Guid, Limits,
    scheme::to_micros,
    store::{RemintOf, Scope, Swap},
};

use super::bench::{
    Bench, DAY, HOUR, LIMITS, MINUTE, Verdict, done, ensure, equal, remint, rotation, user,
};

/// L61: "A scope that fences bumps the user's epoch (creating it if absent) [...] also when there
/// was no row to end." The scheme: it "never decreases", and "an absent one is seeded from the
/// store's clock in microseconds".
pub(super) async fn l61_a_fence_bumps_the_epoch(bench: &Bench) -> Verdict {
    let now = bench.now().await?;
    let fences = [
        Scope::All,
        Scope::Others(Guid::random()),
        Scope::SignedInBefore(now),
        Scope::TokenIssuedBefore(SystemTime::UNIX_EPOCH),
    ];
    for (number, fence) in fences.into_iter().enumerate() {
        let ada = user(format!("ada {number}"))?;
        bench.end(&ada, Scope::Device(Guid::random())).await?;
        let mut last = bench.store.epochs(Some(&ada)).await?.epochs;
        equal("the epoch after a device logout", &last.user, &0)?;
        let seed = to_micros(bench.now().await?);
        for _ in 0..3 {
            bench.end(&ada, fence).await?;
            let next = bench.store.epochs(Some(&ada)).await?.epochs;
            ensure!(next.user > last.user, "{fence:?} left the epoch at {}", next.user);
            ensure!(next.user >= seed, "the seed {} is before the clock, {seed}", next.user);
            equal("the global epoch", &next.global, &last.global)?;
            last = next;
            bench.sign_in(&ada).await?;
        }
    }
    equal("a stranger's epoch", &bench.login(&user("stranger")?).await?.epochs.user, &0)
}

/// L61: it "re-stamps the live sessions that stay, in the same transaction": they live on, and
/// nothing else about them changes.
pub(super) async fn l61_sessions_that_stay_are_restamped(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let old = bench.sign_in(&ada).await?;
    bench.clock.advance(MINUTE);
    let (one, two) = (bench.sign_in(&ada).await?, bench.sign_in(&ada).await?);
    for scope in [
        Scope::SignedInBefore(one.created_at),
        Scope::TokenIssuedBefore(one.token_issued_at),
        Scope::SignedInBefore(SystemTime::UNIX_EPOCH),
    ] {
        bench.end(&ada, scope).await?;
        bench.only_these_live(&ada, &[one.guid, two.guid]).await?;
        let epoch = bench.store.epochs(Some(&ada)).await?.epochs.user;
        for row in [&one, &two] {
            let wanted = logout_all::SessionRow { epoch, ..row.clone() };
            equal("the row that stays", &bench.reread(row).await?, &wanted)?;
        }
    }
    bench.end(&ada, Scope::Others(one.guid)).await?;
    bench.only_these_live(&ada, &[one.guid]).await?;
    done(bench.store.rotate(&rotation(&one, bench.now().await?)).await?)?;
    bench.is_gone(&ada, old.guid).await
}

/// L61: "After `Scope::TokenIssuedBefore` those that stay have no predecessor", which may be older;
/// and a refTokID is as old as its first token, however often it was minted again.
pub(super) async fn l61_no_older_token_is_left(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let minted_again = bench.sign_in(&ada).await?;
    let minted_again =
        done(bench.store.rotate(&rotation(&minted_again, bench.now().await?)).await?)?;
    let stays = bench.sign_in(&ada).await?;
    bench.clock.advance(MINUTE);
    let between = bench.now().await?;
    bench.clock.advance(MINUTE);
    let now = bench.now().await?;
    done(bench.store.remint(&remint(&minted_again, now, RemintOf::Any)).await?)?;
    let stays = done(bench.store.rotate(&rotation(&stays, now)).await?)?;
    let ended = bench.end(&ada, Scope::TokenIssuedBefore(between)).await?;
    equal("ended", &ended, &vec![minted_again.guid])?;
    bench.only_these_live(&ada, &[stays.guid]).await?;
    equal("the predecessor", &bench.reread(&stays).await?.prev_ref_tok_id.is_none(), &true)
}

/// L61: "the *live* sessions that stay": a dead one stays dead, also when the clock is set back
/// before its end, and also one that the end of everyone left behind.
pub(super) async fn l61_a_restamp_revives_none(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    let brief = Limits { idle: HOUR, absolute: DAY, ..LIMITS };
    let expired = bench.sign_in_with(&ada, brief).await?;
    let other = bench.sign_in(&ada).await?;
    bench.clock.advance(2 * HOUR);
    let ended = bench.end(&ada, Scope::Others(expired.guid)).await?;
    equal("ended", &ended, &vec![other.guid])?;
    bench.clock.set_back(2 * HOUR);
    ensure!(!bench.lives(&ada, expired.guid).await?, "a fence revived an expired session");
    bench.only_these_live(&ada, &[]).await?;
    let swap = bench.store.rotate(&rotation(&expired, bench.now().await?)).await?;
    ensure!(matches!(swap, Swap::Lost), "an expired session was fenced and then rotated");
    let behind = bench.sign_in(&bob).await?;
    bench.end_everyone().await?;
    for scope in [Scope::Others(behind.guid), Scope::SignedInBefore(SystemTime::UNIX_EPOCH)] {
        bench.end(&bob, scope).await?;
        ensure!(!bench.lives(&bob, behind.guid).await?, "{scope:?} revived after everyone");
        bench.only_these_live(&bob, &[]).await?;
    }
    Ok(())
}

/// "Wall clock jumps: nothing revoked revives." And the epochs grow all the same: a value never
/// returns.
pub(super) async fn l61_a_clock_set_back_revives_nothing(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    let late = bench.login(&ada).await?;
    let (device, rest) = (bench.sign_in(&ada).await?, bench.sign_in(&ada).await?);
    let of_bob = bench.sign_in(&bob).await?;
    bench.end(&ada, Scope::Device(device.guid)).await?;
    bench.end(&ada, Scope::All).await?;
    bench.end_everyone().await?;
    let mut last = bench.store.epochs(Some(&ada)).await?.epochs;
    for _ in 0..3 {
        bench.clock.set_back(DAY);
        for row in [&device, &rest, &of_bob] {
            let lives = bench.lives(&row.user, row.guid).await?;
            ensure!(!lives, "a clock set back revived a session");
            bench.only_these_live(&row.user, &[]).await?;
        }
        let answer = bench.store.insert(&late).await?;
        ensure!(answer.denied().is_some(), "a clock set back let a late login in: {answer:?}");
        bench.end(&ada, Scope::All).await?;
        bench.end_everyone().await?;
        let next = bench.store.epochs(Some(&ada)).await?.epochs;
        ensure!(next.user > last.user, "the epoch went from {} to {}", last.user, next.user);
        ensure!(next.global > last.global, "the global epoch went back to {}", next.global);
        last = next;
    }
    let fresh = bench.sign_in(&ada).await?.guid;
    bench.only_these_live(&ada, &[fresh]).await
}

/// L64: it ends "every session of everybody by bumping the global epoch"; it "fences off every
/// login under way; one entry for everybody is journalled". (That its time does not depend on how
/// many there are is a matter for the bench.)
pub(super) async fn l64_everyone_is_everyone(bench: &Bench) -> Verdict {
    let mut sessions = Vec::new();
    let mut under_way = vec![bench.login(&user("stranger")?).await?];
    for number in 0..12 {
        let one = user(number)?;
        sessions.push(bench.sign_in(&one).await?);
        under_way.push(bench.login(&one).await?);
    }
    let by = By::operator("ops");
    let before = bench.store.epochs(None).await?.epochs.global;
    bench.store.end_everyone(EndReason::Operator, &by).await?;
    ensure!(bench.store.epochs(None).await?.epochs.global > before, "no bump of {before}");
    for row in &sessions {
        ensure!(!bench.lives(&row.user, row.guid).await?, "a session outlived everyone");
        bench.only_these_live(&row.user, &[]).await?;
    }
    for login in &under_way {
        let answer = bench.store.insert(login).await?;
        ensure!(answer.denied().is_some(), "a login from before everyone: {answer:?}");
    }
    let users: Vec<_> = sessions.iter().map(|row| row.user.clone()).collect();
    let journal = bench.written(&users).await?;
    equal("entries", &journal.len(), &1)?;
    let entry = &journal[0];
    equal("about", &(&entry.user, &entry.guid), &(&None, &None))?;
    equal("why and by whom", &(entry.reason, &entry.by), &(EndReason::Operator, &by))?;
    for row in &sessions {
        bench.sign_in(&row.user).await?;
        equal("devices", &bench.store.devices(&row.user).await?.rows.len(), &1)?;
    }
    Ok(())
}
