//! L10 to L20 and L25: tickets, epochs, and which logins get in.

use std::time::Duration;

use logout_all::{
    By, EndReason, Epochs, Guid, UserId,
    store::{Inserted, NewSession, Scope},
};

use super::bench::{Bench, MINUTE, SECOND, Verdict, ending, ensure, equal, user};

/// L10: "An absent user epoch reads as 0, and reading does not create it."
pub(super) async fn l10_reading_creates_no_epoch(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let first_ticket = bench.login(&ada).await?;
    for _ in 0..2 {
        let ticket = bench.store.epochs(Some(&ada)).await?;
        equal("the epoch of a user who has none", &ticket.epochs.user, &0)?;
        let found = bench.store.lookup(&ada, Guid::random()).await?;
        equal("the epochs of a lookup", &found.epochs, &ticket.epochs)?;
        bench.store.devices(&ada).await?;
        bench.store.history(&ada, 1).await?;
    }
    let row = bench.stored(&first_ticket).await?.row;
    equal("the epoch of the first session", &row.epoch, &0)?;
    equal("the epoch after a login", &bench.login(&ada).await?.epochs.user, &0)
}

/// L11: "An unknown user costs the same as a known one. (`None` reads like a name that nobody
/// has.)" What it costs is measured elsewhere; here: nothing tells the two apart.
pub(super) async fn l11_nobody_reads_like_a_stranger(bench: &Bench) -> Verdict {
    bench.end_everyone().await?;
    let stranger = bench.store.epochs(Some(&user("stranger")?)).await?.epochs;
    let nobody = bench.store.epochs(None).await?.epochs;
    equal("the epochs of nobody", &nobody, &stranger)?;
    equal("the user's epoch of nobody", &nobody.user, &0)
}

/// L20: "If either epoch moved since the ticket, nothing is stored: `Overtaken`."
pub(super) async fn l20_a_moved_epoch_overtakes_the_login(bench: &Bench) -> Verdict {
    let now = bench.now().await?;
    let fences = [
        Scope::All,
        Scope::Others(Guid::random()),
        Scope::SignedInBefore(now),
        Scope::TokenIssuedBefore(now),
    ];
    for (number, fence) in fences.into_iter().enumerate() {
        let ada = user(format!("ada {number}"))?;
        // First with an absent epoch, then with one that is there.
        for _ in 0..2 {
            let late = bench.login(&ada).await?;
            bench.end(&ada, fence).await?;
            is_overtaken(bench, &late).await?;
        }
        let good = bench.sign_in(&ada).await?;
        bench.only_these_live(&ada, &[good.guid]).await?;
    }
    let ada = user("ada everyone")?;
    let late = bench.login(&ada).await?;
    bench.end_everyone().await?;
    is_overtaken(bench, &late).await?;
    // Both epochs are compared, each with its own.
    let now = bench.login(&ada).await?;
    let Epochs { user, global } = now.epochs;
    for epochs in [Epochs { user: user + 1, global }, Epochs { user, global: global + 1 }] {
        is_overtaken(bench, &NewSession { epochs, ..now.clone() }).await?;
    }
    bench.stored(&now).await.map(drop)
}

async fn is_overtaken(bench: &Bench, login: &NewSession) -> Verdict {
    let answer = bench.store.insert(login).await?;
    ensure!(matches!(answer, Inserted::Overtaken), "a login from before it: {answer:?}");
    bench.is_gone(&login.user, login.guid).await
}

/// L20: "A first login of one user never overtakes another first login of the same user."
pub(super) async fn l20_first_logins_at_once_all_get_in(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let mut logins = Vec::new();
    for _ in 0..16 {
        logins.push(bench.login(&ada).await?);
    }
    let guids: Vec<Guid> = logins.iter().map(|login| login.guid).collect();
    let answers = bench
        .at_once(16, |store, number| {
            let login = logins[number].clone();
            async move { Ok(store.insert(&login).await?) }
        })
        .await?;
    for answer in answers {
        ensure!(answer.denied().is_none(), "a first login among 16 at once: {answer:?}");
    }
    bench.only_these_live(&ada, &guids).await
}

/// L20, what does not overtake: `Scope::Device` does not fence, nor does a change of the user's
/// data, nor another user's logout.
pub(super) async fn l20_a_device_logout_overtakes_no_login(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    let device = bench.sign_in(&ada).await?;
    let under_way = bench.login(&ada).await?;
    equal("ended", &bench.end(&ada, Scope::Device(device.guid)).await?, &vec![device.guid])?;
    bench.store.announce_changed(&ada, &By::Application).await?;
    bench.end(&bob, Scope::All).await?;
    let row = bench.stored(&under_way).await?.row;
    bench.only_these_live(&ada, &[row.guid]).await
}

/// The scheme: a ticket "lives 10 minutes".
pub(super) async fn l20_a_ticket_lives_ten_minutes(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let (in_time, too_late) = (bench.login(&ada).await?, bench.login(&ada).await?);
    bench.clock.advance(9 * MINUTE + 30 * SECOND);
    bench.stored(&in_time).await?;
    bench.clock.advance(31 * SECOND);
    is_overtaken(bench, &too_late).await?;
    bench.only_these_live(&ada, &[in_time.guid]).await
}

/// L20 as a race: whatever the order, a login that began before the user was logged out everywhere
/// does not live after both have returned.
pub(super) async fn l20_no_login_survives_an_ending_it_began_before(bench: &Bench) -> Verdict {
    for round in 0..bench.rounds {
        // Each user twice: once without an epoch row, once with one.
        let ada = user(format!("ada {}", round / 2))?;
        race_with_logins(bench, round, &ada, RacingEnd::OfUser).await?;
    }
    Ok(())
}

/// L64 as a race: it "fences off every login under way".
pub(super) async fn l64_no_login_survives_the_end_of_everyone(bench: &Bench) -> Verdict {
    for round in 0..bench.rounds {
        let ada = user(format!("ada {}", round / 2))?;
        race_with_logins(bench, round, &ada, RacingEnd::OfEveryone).await?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum RacingEnd {
    OfUser,
    OfEveryone,
}

async fn race_with_logins(bench: &Bench, round: usize, ada: &UserId, end: RacingEnd) -> Verdict {
    let mut logins = Vec::new();
    for _ in 0..3 {
        logins.push(bench.login(ada).await?);
    }
    let work = |store: super::bench::Store, number: usize| {
        let (login, ada) = (logins.get(number).cloned(), ada.clone());
        async move {
            if let Some(login) = login {
                store.insert(&login).await?;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(round as u64 % 3)).await;
            match end {
                RacingEnd::OfUser => drop(store.end(&ending(&ada, Scope::All)).await?),
                RacingEnd::OfEveryone => {
                    store.end_everyone(EndReason::Everyone, &By::Application).await?;
                }
            }
            Ok(())
        }
    };
    bench.at_once(4, work).await?;
    for login in &logins {
        ensure!(!bench.lives(ada, login.guid).await?, "round {round}: a login from before lives");
    }
    bench.only_these_live(ada, &[]).await
}

/// L25: "It never touches a row that is there: an id in use is an error."
pub(super) async fn l25_an_id_in_use_is_an_error(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let row = bench.sign_in(&ada).await?;
    let twice = NewSession { guid: row.guid, ..bench.login(&ada).await? };
    let answer = bench.store.insert(&twice).await;
    ensure!(answer.is_err(), "an id in use was stored again: {answer:?}");
    equal("the row that was there", &bench.reread(&row).await?, &row)?;
    // Also a dead row's.
    bench.end_everyone().await?;
    let twice = NewSession { guid: row.guid, ..bench.login(&ada).await? };
    let answer = bench.store.insert(&twice).await;
    let lives = bench.lives(&ada, row.guid).await?;
    ensure!(answer.is_err() && !lives, "the id of a dead row came to life: {answer:?}");
    Ok(())
}
