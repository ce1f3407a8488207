//! L50 to L53: activity, names, and the list of devices.

use std::time::Duration;

use logout_all::{
    Guid, Label, Limits, RefTokId, UserAgent,
    store::{Confirm, RemintOf, Scope, Touch},
};

use super::{
    bench::{
        Bench, DAY, HOUR, LIMITS, MINUTE, SECOND, Verdict, done, ensure, equal, remint, rotation,
        touch, user,
    },
    races::nothing_undoes_an_ending,
};

/// L50: "A touch for another refTokID than the current one, or for a row that is gone, changes
/// nothing".
pub(super) async fn l50_only_the_current_token_touches(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let first = bench.sign_in(&ada).await?;
    bench.clock.advance(MINUTE);
    let row = done(bench.store.rotate(&rotation(&first, bench.now().await?)).await?)?;
    bench.clock.advance(MINUTE);
    let now = bench.now().await?;
    let full = Touch {
        extension: Some(row.expires_at + DAY),
        user_agent: UserAgent::from_bytes(b"Other"),
        ..touch(&row, now)
    };
    for ref_tok_id in [first.ref_tok_id, RefTokId::random()] {
        bench.store.touch(&[Touch { ref_tok_id, ..full.clone() }]).await?;
        equal("the row after a touch by another token", &bench.reread(&row).await?, &row)?;
    }
    bench.end(&ada, Scope::Device(row.guid)).await?;
    bench.store.touch(&[full]).await?;
    bench.is_gone(&ada, row.guid).await
}

/// The verb: "Writes activity down, many at once": what fits is written, whatever else is among
/// them.
pub(super) async fn l50_each_touch_of_a_batch_counts_alone(bench: &Bench) -> Verdict {
    let mut rows = Vec::new();
    for number in 0..6 {
        rows.push(bench.sign_in(&user(number % 2)?).await?);
    }
    bench.clock.advance(MINUTE);
    let now = bench.now().await?;
    let mut batch: Vec<Touch> = rows.iter().map(|row| touch(row, now)).collect();
    batch[0].ref_tok_id = RefTokId::random();
    batch[3].guid = Guid::random();
    // Twice in one batch: the later instant counts, in whichever order they stand.
    batch.push(Touch { seen_at: now + SECOND, ..batch[1].clone() });
    batch.push(Touch { seen_at: now - SECOND, ..batch[1].clone() });
    let none = Vec::<RefTokId>::new();
    equal("passed over, of what nobody holds", &bench.store.touch(&batch).await?, &none)?;
    equal("passed over, of nothing", &bench.store.touch(&[]).await?, &none)?;
    for (number, row) in rows.iter().enumerate() {
        let found = bench.reread(row).await?;
        let wanted = match number {
            0 | 3 => row.last_seen_at,
            1 => now + SECOND,
            _ => now,
        };
        equal(&format!("last_seen_at of row {number}"), &found.last_seen_at, &wanted)?;
        equal("whether confirmed", &found.confirmed_at.is_some(), &(number != 0 && number != 3))?;
    }
    Ok(())
}

/// L50 as a race: "it cannot bring a session back."
pub(super) async fn l50_no_touch_undoes_an_ending(bench: &Bench) -> Verdict {
    nothing_undoes_an_ending(bench, |store, row| async move {
        for _ in 0..4 {
            let seen_at = store.epochs(None).await?.now;
            let extension = Some(row.expires_at + DAY);
            store.touch(&[Touch { extension, ..touch(&row, seen_at) }]).await?;
        }
        Ok(())
    })
    .await
}

/// L43 as the same race: a re-mint brings nothing back.
pub(super) async fn l43_no_remint_undoes_an_ending(bench: &Bench) -> Verdict {
    nothing_undoes_an_ending(bench, |store, row| async move {
        for _ in 0..4 {
            let now = store.epochs(None).await?.now;
            store.remint(&remint(&row, now, RemintOf::Any)).await?;
        }
        Ok(())
    })
    .await
}

/// L52 as the same race: a new name brings nothing back.
pub(super) async fn l52_no_relabel_undoes_an_ending(bench: &Bench) -> Verdict {
    nothing_undoes_an_ending(bench, |store, row| async move {
        for name in ["one", "two", "three", "four"] {
            store.relabel(&row.user, row.guid, Label::new(name).as_ref()).await?;
        }
        Ok(())
    })
    .await
}

/// L51: "`last_seen_at` and `expires_at` never move back; `confirmed_at` keeps its first value."
pub(super) async fn l51_a_touch_moves_nothing_back(bench: &Bench) -> Verdict {
    let mut row = bench.sign_in(&user("ada")?).await?;
    let now = bench.now().await? + MINUTE;
    let first = Touch {
        extension: Some(row.expires_at + HOUR),
        user_agent: UserAgent::from_bytes(b"Firefox"),
        ..touch(&row, now)
    };
    bench.store.touch(std::slice::from_ref(&first)).await?;
    (row.last_seen_at, row.confirmed_at) = (now, Some(now));
    row.expires_at += HOUR;
    row.user_agent.clone_from(&first.user_agent);
    equal("the row after a touch", &bench.reread(&row).await?, &row)?;
    for (seen_at, end) in [(now - MINUTE, now), (now + MINUTE, now), (now - HOUR, now + HOUR)] {
        let (extension, user_agent) = (Some(end), None);
        bench.store.touch(&[Touch { seen_at, extension, user_agent, ..first.clone() }]).await?;
        row.last_seen_at = row.last_seen_at.max(seen_at);
        equal("the row after an older touch", &bench.reread(&row).await?, &row)?;
    }
    // Nor does one without a confirmation clear it.
    let bare = Touch { confirm: Confirm::No, extension: None, ..touch(&row, now) };
    bench.store.touch(&[bare]).await?;
    equal("the row after a bare touch", &bench.reread(&row).await?, &row)
}

/// L52: "It changes the label alone." And: "none clears the name."
pub(super) async fn l52_a_relabel_changes_the_label_alone(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let mut row = bench.sign_in(&ada).await?;
    let other = bench.sign_in(&ada).await?;
    bench.clock.advance(MINUTE);
    for name in [Some("Work"), Some("Küche 🦀"), None, None] {
        row.label = name.and_then(Label::new);
        let answer = bench.store.relabel(&ada, row.guid, row.label.as_ref()).await?;
        equal("the answer", &answer.as_ref(), &Some(&row))?;
        equal("the row after a new name", &bench.reread(&row).await?, &row)?;
    }
    equal("another device", &bench.reread(&other).await?, &other)?;
    let nothing = bench.store.relabel(&ada, Guid::random(), Label::new("x").as_ref()).await?;
    equal("the name of no session", &nothing, &None)?;
    equal("sessions", &bench.store.devices(&ada).await?.rows.len(), &2)
}

/// L53: "No dead row is among them, and no other user's." And: "newest activity first."
pub(super) async fn l53_devices_are_the_live_ones_newest_first(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    equal("devices of a stranger", &bench.store.devices(&ada).await?.rows, &vec![])?;
    let brief = Limits { idle: HOUR, absolute: DAY, ..LIMITS };
    let mut rows = Vec::new();
    for _ in 0..4 {
        rows.push(bench.sign_in(&ada).await?);
        bench.sign_in(&bob).await?;
        bench.sign_in_with(&ada, brief).await?;
        bench.clock.advance(MINUTE);
    }
    bench.clock.advance(2 * HOUR);
    bench.end(&ada, Scope::Device(rows[2].guid)).await?;
    bench.store.touch(&[touch(&rows[0], bench.now().await?)]).await?;
    bench.clock.advance(Duration::from_micros(1));
    let devices = bench.store.devices(&ada).await?;
    let found: Vec<Guid> = devices.rows.iter().map(|row| row.guid).collect();
    equal("devices", &found, &vec![rows[0].guid, rows[3].guid, rows[1].guid])?;
    bench.end_everyone().await?;
    let left = bench.store.devices(&ada).await?.rows;
    ensure!(left.is_empty(), "devices are listed after the end of everyone: {left:?}");
    Ok(())
}
