//! L60, L62 and L63: what an ending takes, counts and writes down.

use std::{collections::BTreeSet, time::SystemTime};

use logout_all::{
    EndReason, Guid, Limits, SessionRow, UserId,
    store::{Inserted, NewSession, Scope},
};

use super::bench::{
    Bench, DAY, HOUR, LIMITS, MINUTE, Store, Verdict, done, ending, ensure, equal, rotation, user,
};

/// Four sessions a minute apart; then the first gets a new token.
async fn four(bench: &Bench, user: &UserId) -> Verdict<Vec<SessionRow>> {
    let mut rows = Vec::new();
    for _ in 0..4 {
        rows.push(bench.sign_in(user).await?);
        bench.clock.advance(MINUTE);
    }
    rows[0] = done(bench.store.rotate(&rotation(&rows[0], bench.now().await?)).await?)?;
    Ok(rows)
}

/// A scope over those four, and which of them stay.
type Case = (fn(&[SessionRow]) -> Scope, &'static [usize]);

const CASES: [Case; 8] = [
    (|rows| Scope::Device(rows[1].guid), &[0, 2, 3]),
    (|_| Scope::Device(Guid::random()), &[0, 1, 2, 3]),
    (|rows| Scope::Others(rows[1].guid), &[1]),
    (|_| Scope::Others(Guid::random()), &[]),
    (|_| Scope::All, &[]),
    // Before that instant, and not at it.
    (|rows| Scope::SignedInBefore(rows[2].created_at), &[2, 3]),
    (|rows| Scope::TokenIssuedBefore(rows[2].token_issued_at), &[0, 2, 3]),
    (|_| Scope::SignedInBefore(SystemTime::UNIX_EPOCH), &[0, 1, 2, 3]),
];

/// L60: "When it has returned, no row that `Scope::takes` names is there"; the others are, and so
/// are other users'.
pub(super) async fn l60_a_scope_takes_what_it_names(bench: &Bench) -> Verdict {
    let bob = user("bob")?;
    let of_bob = bench.sign_in(&bob).await?.guid;
    for (number, (scope, stay)) in CASES.into_iter().enumerate() {
        let ada = user(format!("ada {number}"))?;
        let rows = four(bench, &ada).await?;
        let stay: BTreeSet<Guid> = stay.iter().map(|at| rows[*at].guid).collect();
        let scope = scope(&rows);
        let ended: BTreeSet<Guid> = bench.end(&ada, scope).await?.into_iter().collect();
        let taken = rows.iter().map(|row| row.guid).filter(|guid| !stay.contains(guid)).collect();
        equal(&format!("ended by {scope:?}"), &ended, &taken)?;
        bench.only_these_live(&ada, &stay.into_iter().collect::<Vec<_>>()).await?;
        for guid in taken {
            bench.is_gone(&ada, guid).await?;
        }
    }
    bench.only_these_live(&bob, &[of_bob]).await
}

/// L60 for dead rows: "no row that [it] names is there", and L63: "Dead rows are not journalled and
/// not counted."
pub(super) async fn l63_dead_rows_go_uncounted(bench: &Bench) -> Verdict {
    for (number, all_but_one) in [false, true].into_iter().enumerate() {
        let ada = user(format!("ada {number}"))?;
        let brief = Limits { idle: HOUR, absolute: DAY, ..LIMITS };
        let expired = bench.sign_in_with(&ada, brief).await?;
        let expired_too = bench.sign_in_with(&ada, brief).await?;
        bench.clock.advance(2 * HOUR);
        let (live, kept) = (bench.sign_in(&ada).await?, bench.sign_in(&ada).await?);
        equal("ended", &bench.end(&ada, Scope::Device(expired.guid)).await?, &vec![])?;
        let scope = if all_but_one {
            Scope::Others(kept.guid)
        } else {
            Scope::SignedInBefore(kept.created_at)
        };
        equal("ended", &bench.end(&ada, scope).await?, &vec![live.guid])?;
        for row in [expired, expired_too, live] {
            bench.is_gone(&ada, row.guid).await?;
        }
        equal("entries", &bench.store.history(&ada, 10).await?.len(), &1)?;
        bench.only_these_live(&ada, &[kept.guid]).await?;
    }
    Ok(())
}

/// L60: "and none comes back": whatever is sent again after it.
pub(super) async fn l60_nothing_comes_back(bench: &Bench) -> Verdict {
    for (number, (scope, stay)) in CASES.into_iter().enumerate() {
        let ada = user(format!("ada {number}"))?;
        let late = bench.login(&ada).await?;
        let rows = four(bench, &ada).await?;
        let stay: Vec<Guid> = stay.iter().map(|at| rows[*at].guid).collect();
        let scope = scope(&rows);
        bench.end(&ada, scope).await?;
        let now = bench.now().await?;
        for row in rows.iter().filter(|row| !stay.contains(&row.guid)) {
            bench.store.rotate(&rotation(row, now)).await?;
            let again = super::bench::remint(row, now, logout_all::store::RemintOf::Any);
            bench.store.remint(&again).await?;
            bench.store.touch(&[super::bench::touch(row, now)]).await?;
            bench.store.relabel(&ada, row.guid, None).await?;
            bench.is_gone(&ada, row.guid).await?;
        }
        if scope.fences() {
            let answer = bench.store.insert(&NewSession { began_at: now, ..late }).await?;
            ensure!(matches!(answer, Inserted::Overtaken), "a late login: {answer:?}");
        }
        bench.only_these_live(&ada, &stay).await?;
    }
    Ok(())
}

/// L62: "It is idempotent: a repetition ends none and succeeds."
pub(super) async fn l62_a_repetition_ends_none(bench: &Bench) -> Verdict {
    for (number, (scope, stay)) in CASES.into_iter().enumerate() {
        let ada = user(format!("ada {number}"))?;
        let rows = four(bench, &ada).await?;
        let scope = scope(&rows);
        bench.end(&ada, scope).await?;
        for _ in 0..2 {
            equal("ended by a repetition", &bench.end(&ada, scope).await?, &vec![])?;
            let stay: Vec<Guid> = stay.iter().map(|at| rows[*at].guid).collect();
            bench.only_these_live(&ada, &stay).await?;
        }
    }
    bench.end_everyone().await?;
    bench.end_everyone().await
}

/// L62 and L63 at once: of any number of endings of the same sessions, each session is counted and
/// journalled by exactly one.
pub(super) async fn l62_endings_at_once_count_each_session_once(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let mut guids = BTreeSet::new();
    for _ in 0..6 {
        guids.insert(bench.sign_in(&ada).await?.guid);
    }
    let one = guids.first().copied().unwrap_or_else(Guid::random);
    let work = |store: Store, number: usize| {
        let scopes = [Scope::All, Scope::Device(one), Scope::Others(one)];
        let ending = ending(&ada, scopes[number % 3]);
        async move { Ok(store.end(&ending).await?.guids) }
    };
    let ended: Vec<Guid> = bench.at_once(12, work).await?.into_iter().flatten().collect();
    equal("sessions counted", &ended.len(), &6)?;
    equal("which", &ended.into_iter().collect(), &guids)?;
    let journal = bench.written(std::slice::from_ref(&ada)).await?;
    let seqs: Vec<u64> = journal.iter().map(|entry| entry.seq).collect();
    equal("seq", &seqs, &(1..=journal.len() as u64).collect())?;
    let all = journal.iter().filter(|entry| entry.guid.is_none()).count();
    equal("entries of Scope::All", &all, &4)?;
    let named: Vec<Guid> = journal.iter().filter_map(|entry| entry.guid).collect();
    let distinct: BTreeSet<Guid> = named.iter().copied().collect();
    equal("devices journalled, each once", &named.len(), &distinct.len())?;
    bench.only_these_live(&ada, &[]).await
}

/// L63: "for `Scope::All` one entry for the user, always; otherwise one for each live session that
/// ended."
pub(super) async fn l63_each_ending_is_written_down(bench: &Bench) -> Verdict {
    for (number, (scope, stay)) in CASES.into_iter().enumerate() {
        let ada = user(format!("ada {number}"))?;
        let rows = four(bench, &ada).await?;
        let scope = scope(&rows);
        let taken = rows.iter().enumerate().filter(|(at, _)| !stay.contains(at));
        let wanted: BTreeSet<Option<Guid>> = match scope {
            Scope::All => [None].into(),
            _ => taken.map(|(_, row)| Some(row.guid)).collect(),
        };
        bench.end(&ada, scope).await?;
        let entries = bench.store.history(&ada, 10).await?;
        equal("entries", &entries.len(), &wanted.len())?;
        equal("about", &entries.iter().map(|entry| entry.guid).collect(), &wanted)?;
        let reason = ending(&ada, scope).reason;
        ensure!(entries.iter().all(|entry| entry.reason == reason), "another reason: {entries:?}");
    }
    // Always: also where there was nothing to end, for a user whom nobody knows.
    let stranger = user("stranger")?;
    for wanted in 1..=2 {
        bench.end(&stranger, Scope::All).await?;
        bench.end(&stranger, Scope::Device(Guid::random())).await?;
        bench.end(&stranger, Scope::Others(Guid::random())).await?;
        let entries = bench.store.history(&stranger, 10).await?;
        equal("entries about a stranger", &entries.len(), &wanted)?;
        equal("why", &entries[0].reason, &EndReason::Everywhere)?;
    }
    Ok(())
}

/// L63: "The journal is written in the same transaction": who sees the ending sees the entry.
pub(super) async fn l63_ending_and_entry_are_seen_together(bench: &Bench) -> Verdict {
    for round in 0..bench.rounds.min(20) {
        let ada = user(format!("ada {round}"))?;
        bench.sign_in(&ada).await?;
        bench.sign_in(&ada).await?;
        let work = |store: Store, number: usize| {
            let ada = ada.clone();
            async move {
                if number == 0 {
                    store.end(&ending(&ada, Scope::All)).await?;
                    return Ok(());
                }
                loop {
                    let live = store.devices(&ada).await?.rows.len();
                    ensure!(live == 2 || live == 0, "{live} of 2 sessions live");
                    if live == 0 {
                        let last = store.history(&ada, 10).await?;
                        let written = last.iter().any(|entry| entry.guid.is_none());
                        ensure!(written, "both ended, and the journal has {last:?}");
                        return Ok(());
                    }
                    tokio::task::yield_now().await;
                }
            }
        };
        bench.at_once(3, work).await?;
    }
    Ok(())
}
