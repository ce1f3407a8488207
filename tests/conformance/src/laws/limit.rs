//! L21 to L24: how many devices, and which make room.

use std::collections::BTreeSet;

use logout_all::{
    By, DeviceLimit, EndReason, Guid, Limits,
    store::{Inserted, NewSession, Scope},
};

use super::bench::{
    Bench, DAY, HOUR, LIMITS, MINUTE, Store, Verdict, broken, ensure, equal, touch, user,
};

/// L21: "Of any number of logins at once, no more than the limit are ever live"; in the end as many
/// as the limit, and each that is not among them was named as evicted, once.
pub(super) async fn l21_device_limit_holds_under_parallel_logins(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let device_limit = DeviceLimit::Evict(5);
    let mut all = BTreeSet::new();
    let mut logins = Vec::new();
    for number in 0..18 {
        let login = NewSession { device_limit, ..bench.login(&ada).await? };
        all.insert(login.guid);
        if number < 2 { drop(bench.stored(&login).await?) } else { logins.push(login) }
    }
    let work = |store: Store, number: usize| {
        let login = logins[number].clone();
        async move {
            let answer = store.insert(&login).await?;
            let live = store.devices(&login.user).await?.rows.len();
            ensure!(live <= 5, "{live} devices are live at once, the limit is 5");
            match answer {
                Inserted::Stored { evicted, .. } => Ok(evicted),
                refused => Err(broken(format!("a login under Evict was refused: {refused:?}"))),
            }
        }
    };
    let evicted: Vec<Guid> = bench.at_once(16, work).await?.into_iter().flatten().collect();
    let named: BTreeSet<Guid> = evicted.iter().copied().collect();
    equal("evicted, each named once", &evicted.len(), &named.len())?;
    let left: Vec<Guid> = all.difference(&named).copied().collect();
    equal("sessions that were not evicted", &left.len(), &5)?;
    bench.only_these_live(&ada, &left).await
}

/// L21: "the least recently seen live ones are [evicted], and the answer names them."
pub(super) async fn l21_the_least_recently_seen_make_room(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let mut rows = Vec::new();
    for _ in 0..4 {
        rows.push(bench.sign_in(&ada).await?);
        bench.clock.advance(MINUTE);
    }
    // The first to sign in was seen last: it is not the one to go.
    bench.store.touch(&[touch(&rows[0], bench.now().await?)]).await?;
    bench.clock.advance(MINUTE);
    let login = NewSession { device_limit: DeviceLimit::Evict(3), ..bench.login(&ada).await? };
    let stored = bench.stored(&login).await?;
    equal("evicted", &stored.evicted, &vec![rows[1].guid, rows[2].guid])?;
    equal("replaced", &stored.replaced, &vec![])?;
    bench.only_these_live(&ada, &[rows[0].guid, rows[3].guid, login.guid]).await?;
    bench.is_gone(&ada, rows[1].guid).await
}

/// L21: "the new one is never evicted", also where the clock was set back and the others look
/// newer, and where the limit is 1.
pub(super) async fn l21_the_new_one_is_never_evicted(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let (one, two) = (bench.sign_in(&ada).await?, bench.sign_in(&ada).await?);
    bench.clock.set_back(HOUR);
    let login = NewSession { device_limit: DeviceLimit::Evict(1), ..bench.login(&ada).await? };
    let evicted: BTreeSet<Guid> = bench.stored(&login).await?.evicted.into_iter().collect();
    equal("evicted", &evicted, &BTreeSet::from([one.guid, two.guid]))?;
    bench.only_these_live(&ada, &[login.guid]).await
}

/// L21: "the least recently seen *live* ones": a dead row takes no room and is not named, and
/// another user's devices are not counted.
pub(super) async fn l21_dead_rows_take_no_room(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    let brief = Limits { idle: HOUR, absolute: DAY, ..LIMITS };
    for _ in 0..3 {
        bench.sign_in_with(&ada, brief).await?;
        bench.sign_in(&bob).await?;
    }
    let live = bench.sign_in(&ada).await?;
    bench.clock.advance(2 * HOUR);
    let login = NewSession { device_limit: DeviceLimit::Evict(2), ..bench.login(&ada).await? };
    equal("evicted", &bench.stored(&login).await?.evicted, &vec![])?;
    bench.only_these_live(&ada, &[live.guid, login.guid]).await?;
    let refused = NewSession { device_limit: DeviceLimit::Refuse(3), ..bench.login(&ada).await? };
    bench.stored(&refused).await?;
    equal("journalled", &bench.written(&[ada, bob]).await?.len(), &0)
}

/// L22: "Under `DeviceLimit::Refuse` a login beyond the limit stores and ends nothing."
pub(super) async fn l22_a_refused_login_changes_nothing(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(bench.sign_in(&ada).await?.guid);
    }
    // One of three makes room by being replaced, and two is still the limit.
    let login = NewSession {
        device_limit: DeviceLimit::Refuse(2),
        replaces: vec![kept[0], Guid::random()],
        ..bench.login(&ada).await?
    };
    let answer = bench.store.insert(&login).await?;
    ensure!(matches!(answer, Inserted::LimitReached), "a login beyond the limit: {answer:?}");
    bench.only_these_live(&ada, &kept).await?;
    bench.is_gone(&ada, login.guid).await?;
    equal("journalled", &bench.written(std::slice::from_ref(&ada)).await?.len(), &0)?;
    // Nor does it use the ticket up.
    bench.stored(&NewSession { device_limit: DeviceLimit::Refuse(3), ..login }).await.map(drop)
}

/// L22 with L21: "Of any number of logins at once, no more than the limit are ever live".
pub(super) async fn l22_refusal_holds_under_parallel_logins(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let mut logins = Vec::new();
    for _ in 0..16 {
        let device_limit = DeviceLimit::Refuse(5);
        logins.push(NewSession { device_limit, ..bench.login(&ada).await? });
    }
    let work = |store: Store, number: usize| {
        let login = logins[number].clone();
        async move {
            let stored = store.insert(&login).await?.denied().is_none();
            Ok(stored.then_some(login.guid))
        }
    };
    let stored: Vec<Guid> = bench.at_once(16, work).await?.into_iter().flatten().collect();
    equal("logins that got in", &stored.len(), &5)?;
    bench.only_these_live(&ada, &stored).await
}

/// L23: "Sessions that it replaces end in the same transaction, before the count."
pub(super) async fn l23_replaced_sessions_end_before_the_count(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    let of_bob = bench.sign_in(&bob).await?.guid;
    for device_limit in [DeviceLimit::Refuse(2), DeviceLimit::Evict(2), DeviceLimit::Unlimited] {
        bench.end(&ada, Scope::All).await?;
        let (kept, gone) = (bench.sign_in(&ada).await?.guid, bench.sign_in(&ada).await?.guid);
        // Names that are nobody's or another user's do nothing.
        let replaces = vec![of_bob, gone, Guid::random()];
        let login = NewSession { device_limit, replaces, ..bench.login(&ada).await? };
        let stored = bench.stored(&login).await?;
        equal("replaced", &stored.replaced, &vec![gone])?;
        equal("evicted", &stored.evicted, &vec![])?;
        bench.only_these_live(&ada, &[kept, login.guid]).await?;
        bench.is_gone(&ada, gone).await?;
    }
    bench.only_these_live(&bob, &[of_bob]).await
}

/// L24: "Evicted and replaced sessions are journalled, one entry each, by [`By::Policy`]."
pub(super) async fn l24_evicted_and_replaced_are_journalled(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let mut guids = Vec::new();
    for _ in 0..4 {
        guids.push(bench.sign_in(&ada).await?.guid);
        bench.clock.advance(MINUTE);
    }
    let brief = Limits { idle: MINUTE, absolute: DAY, ..LIMITS };
    let dead = bench.sign_in_with(&ada, brief).await?.guid;
    bench.clock.advance(2 * MINUTE);
    let login = NewSession {
        device_limit: DeviceLimit::Evict(2),
        replaces: vec![guids[3], dead],
        ..bench.login(&ada).await?
    };
    equal("evicted", &bench.stored(&login).await?.evicted, &guids[..2].to_vec())?;
    let written = bench.written(std::slice::from_ref(&ada)).await?;
    let entries = written.len();
    let found: BTreeSet<(Option<Guid>, String, String)> = written
        .into_iter()
        .filter(|entry| entry.user.as_ref() == Some(&ada))
        .map(|entry| (entry.guid, entry.reason.to_string(), entry.by.to_string()))
        .collect();
    let wanted = [
        (Some(guids[3]), EndReason::Replaced),
        (Some(guids[0]), EndReason::Evicted),
        (Some(guids[1]), EndReason::Evicted),
    ];
    let by = By::Policy.to_string();
    let wanted = wanted.map(|(guid, reason)| (guid, reason.to_string(), by.clone())).into();
    equal("journalled", &found, &wanted)?;
    equal("entries", &entries, &3)
}
