//! L30 to L32, and "What is stored" of the scheme: rows read back as they were written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use logout_all::{
    Guid, Label, Limits, Persistence, SessionRow, UserAgent, UserId, UserState,
    store::{Confirm, NewSession, RemintOf, Scope, Touch},
};

use super::{
    bench::{
        Bench, DAY, HOUR, LIMITS, MINUTE, SECOND, Store, Verdict, Violation, broken, done, ensure,
        equal, remint, rotation, touch, user,
    },
    factory::Standing,
};

/// A user agent of exactly 256 bytes, with characters of 1 to 4 bytes.
fn long_agent() -> Verdict<UserAgent> {
    let text = format!("Mözilla/5.0 ('\"; \\ %s {{}}) 🦀 {}", "é".repeat(200));
    let agent = UserAgent::from_bytes(text.as_bytes());
    let full = agent.filter(|agent| agent.as_str().len() >= UserAgent::MAX_BYTES - 1);
    full.ok_or_else(|| Violation::Failed("no long user agent".to_owned()))
}

/// Every field of the scheme's table reads back as it was written, to the microsecond, at each
/// stage of a session's life, from a lookup as from the list.
pub(super) async fn row_every_field_reads_back(bench: &Bench) -> Verdict {
    let ada = user("ü".repeat(127) + "x")?;
    for persistence in [Persistence::Persistent, Persistence::BrowserSession] {
        let limits = Limits {
            idle: Duration::from_micros(7_200_000_001),
            absolute: Duration::from_micros(86_400_000_003),
            persistence,
        };
        let login = NewSession {
            limits,
            user_agent: Some(long_agent()?),
            ip: Some("2001:db8::ff%eth0".to_owned()),
            ..bench.login(&ada).await?
        };
        let mut row = bench.stored(&login).await?.row;
        reads_back(bench, &row).await?;
        bench.clock.advance(MINUTE);
        let swap = logout_all::store::Rotation {
            extension: row.extension(bench.now().await? + HOUR),
            auth_time: Some(bench.now().await?),
            user_agent: UserAgent::from_bytes(b"curl/8"),
            ..rotation(&row, bench.now().await?)
        };
        row = done(bench.store.rotate(&swap).await?)?;
        reads_back(bench, &row).await?;
        bench.store.touch(&[touch(&row, bench.now().await?)]).await?;
        row.last_seen_at = bench.reread(&row).await?.last_seen_at;
        row.confirmed_at = Some(row.last_seen_at);
        let name = format!("{}🦀'\"%_{{}}", "漢".repeat(57));
        row.label = Label::new(&name);
        ensure!(row.label.is_some(), "no label of 64 characters");
        let named = bench.store.relabel(&ada, row.guid, row.label.as_ref()).await?;
        equal("the named row", &named.as_ref(), &Some(&row))?;
        reads_back(bench, &row).await?;
        bench.end(&ada, Scope::All).await?;
    }
    let bare = bench.sign_in(&ada).await?;
    equal("what nobody gave", &(&bare.user_agent, &bare.ip, &bare.label), &(&None, &None, &None))?;
    reads_back(bench, &bare).await
}

async fn reads_back(bench: &Bench, row: &SessionRow) -> Verdict {
    equal("the row by lookup", &bench.reread(row).await?, row)?;
    equal("the row by list", &bench.store.devices(&row.user).await?.rows, &vec![row.clone()])
}

/// `created_at` is "login (the ticket's time, not the insert's)", and the rest of the row is what
/// [`NewSession::admit`] says at the instant of the insert.
pub(super) async fn row_is_dated_at_the_ticket(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    bench.end(&ada, Scope::All).await?;
    let login = bench.login(&ada).await?;
    bench.clock.advance(5 * MINUTE);
    let before = bench.now().await?;
    let row = bench.stored(&login).await?.row;
    let after = bench.now().await?;
    equal("created_at", &row.created_at, &login.began_at)?;
    equal("auth_time", &row.auth_time, &login.began_at)?;
    let inserted = row.last_seen_at;
    ensure!(before <= inserted && inserted <= after, "inserted at {inserted:?}, told {after:?}");
    let logout_all::store::Admission::Row(wanted) = login.admit(login.epochs, inserted) else {
        return Err(Violation::Failed("the core does not admit a good login".to_owned()));
    };
    equal("the answered row", &row, &wanted)?;
    reads_back(bench, &row).await
}

/// `idle`, `absolute`, `persistent`: "this session's limits, fixed at login". Beside one another,
/// and through every change of the row.
pub(super) async fn row_limits_are_fixed_at_login(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let (idle, absolute) = (HOUR, DAY);
    let brief = Limits { idle, absolute, persistence: Persistence::BrowserSession };
    for limits in [brief, LIMITS] {
        let mut row = bench.sign_in_with(&ada, limits).await?;
        let created_at = row.created_at;
        bench.clock.advance(MINUTE);
        row = done(bench.store.rotate(&rotation(&row, bench.now().await?)).await?)?;
        let again = remint(&row, bench.now().await?, RemintOf::Any);
        row = done(bench.store.remint(&again).await?)?;
        bench.store.touch(&[touch(&row, bench.now().await?)]).await?;
        bench.end(&ada, Scope::Others(row.guid)).await?;
        row = bench.reread(&row).await?;
        equal("the limits", &row.limits, &limits)?;
        equal("the login's instant", &row.created_at, &created_at)?;
    }
    Ok(())
}

/// "Dead from here on": without activity at its idle limit, with activity at its absolute one.
pub(super) async fn row_dies_at_its_limits(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    let limits = Limits { idle: HOUR, absolute: 3 * HOUR + 30 * MINUTE, ..LIMITS };
    let idle = bench.sign_in_with(&bob, limits).await?;
    let mut busy = bench.sign_in_with(&ada, limits).await?;
    bench.clock.advance(59 * MINUTE);
    for _ in 0..3 {
        ensure!(bench.lives(&ada, busy.guid).await?, "a busy session died early");
        let now = bench.now().await?;
        let moved = Touch { extension: busy.extension(now), ..touch(&busy, now) };
        bench.store.touch(&[moved]).await?;
        busy = bench.reread(&busy).await?;
        bench.clock.advance(59 * MINUTE);
        ensure!(!bench.lives(&bob, idle.guid).await?, "an idle session outlived its idle limit");
        bench.only_these_live(&bob, &[]).await?;
    }
    // 4 times 59 minutes: past the absolute limit, a minute before the idle one.
    equal("where it ends", &busy.expires_at, &busy.absolute_end())?;
    ensure!(!bench.lives(&ada, busy.guid).await?, "a session outlived its absolute limit");
    bench.only_these_live(&ada, &[]).await
}

/// "The library compares ids as text and never interprets them": ids that a store might fold, cut,
/// quote or take for a pattern are users of their own.
pub(super) async fn row_odd_user_ids_are_kept_apart(bench: &Bench) -> Verdict {
    let long = "x".repeat(254);
    let ids = [
        "a",
        "A",
        "a ",
        " a",
        "b",
        "å",
        "a\u{30a}",
        "042",
        "42",
        "4.2e1",
        "a:b/{c}%",
        "a:b",
        "{a}",
        "a/b",
        "%",
        "_",
        "*",
        "?",
        "\\",
        "'; DROP TABLE sessions; --",
        "\"",
        "`",
        "$1",
        "🦀",
        "null",
        "\u{200b}a",
        "ﬀ",
        "ss",
        "ß",
        &(long.clone() + "x"),
        &(long + "y"),
    ];
    let mut rows = Vec::new();
    for id in ids {
        rows.push(bench.sign_in(&user(id)?).await?);
    }
    for row in &rows {
        reads_back(bench, row).await?;
    }
    for (number, row) in rows.iter().enumerate() {
        let ended = bench.end(&row.user, Scope::All).await?;
        equal("ended for one id", &ended, &vec![row.guid])?;
        if let Some(next) = rows.get(number + 1) {
            bench.only_these_live(&next.user, &[next.guid]).await?;
            equal("the next id's epoch", &bench.login(&next.user).await?.epochs.user, &0)?;
        }
        let history = bench.store.history(&row.user, 10).await?;
        equal("entries about one id", &history.len(), &1)?;
        equal("whom it is about", &history[0].user.as_ref(), &Some(&row.user))?;
    }
    Ok(())
}

/// L30: "Row, epochs, user and clock are of one consistent read." A session that every ending
/// keeps and re-stamps never looks dead, whenever it is read.
pub(super) async fn l30_a_lookup_is_one_read(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let kept = bench.sign_in(&ada).await?;
    let reads = bench.rounds;
    let readers_left = Arc::new(AtomicUsize::new(3));
    let work = |store: Store, number: usize| {
        let (kept, readers_left) = (kept.clone(), Arc::clone(&readers_left));
        async move {
            let ending = super::bench::ending(&kept.user, Scope::Others(kept.guid));
            while number == 0 && readers_left.load(Ordering::SeqCst) > 0 {
                store.end(&ending).await?;
                tokio::task::yield_now().await;
            }
            let mut last = SystemTime::UNIX_EPOCH;
            for _ in 0..reads {
                let found = store.lookup(&kept.user, kept.guid).await?;
                let live = found.row.is_some_and(|row| row.is_live(found.epochs, found.now));
                ensure!(live, "a kept session looked dead at {:?}", found.epochs);
                ensure!(last <= found.now, "a later read is of {:?} before {last:?}", found.now);
                last = found.now;
                let listed = store.devices(&kept.user).await?.rows.len();
                ensure!(listed == 1, "a kept session was not listed");
            }
            // Underflow is out of reach: the fourth, the ender, comes last.
            readers_left.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    };
    bench.at_once(4, work).await.map(drop)
}

/// L31: "A guid of another user is absent", to every verb.
pub(super) async fn l31_a_guid_of_another_user_is_absent(bench: &Bench) -> Verdict {
    let (ada, eve) = (user("ada")?, user("eve")?);
    let row = bench.sign_in(&ada).await?;
    bench.sign_in(&eve).await?;
    let now = bench.now().await? + SECOND;
    let as_eve = SessionRow { user: eve.clone(), ..row.clone() };
    let found = bench.read(&eve, row.guid).await?;
    ensure!(found.is_none(), "another user's guid was found: {found:?}");
    let swap = bench.store.rotate(&rotation(&as_eve, now)).await?;
    ensure!(matches!(swap, logout_all::store::Swap::Lost), "another user's session was rotated");
    let swap = bench.store.remint(&remint(&as_eve, now, RemintOf::Any)).await?;
    ensure!(matches!(swap, logout_all::store::Swap::Lost), "another user's session was re-minted");
    bench.store.touch(&[touch(&as_eve, now)]).await?;
    let named = bench.store.relabel(&eve, row.guid, Label::new("mine").as_ref()).await?;
    ensure!(named.is_none(), "another user's session was named");
    equal("ended", &bench.end(&eve, Scope::Device(row.guid)).await?, &vec![])?;
    bench.end(&eve, Scope::All).await?;
    equal("the session meanwhile", &bench.reread(&row).await?, &row)?;
    bench.only_these_live(&ada, &[row.guid]).await
}

/// "Per device session, keyed by `(user_id, guid)`": the same guid under two users is two sessions.
pub(super) async fn l31_one_guid_under_two_users_is_two_sessions(bench: &Bench) -> Verdict {
    let (ada, bob) = (user("ada")?, user("bob")?);
    let of_ada = bench.sign_in(&ada).await?;
    let same = NewSession { guid: of_ada.guid, ..bench.login(&bob).await? };
    let of_bob = bench.stored(&same).await?.row;
    let now = bench.now().await?;
    let rotated = done(bench.store.rotate(&rotation(&of_bob, now)).await?)?;
    bench.store.touch(&[Touch { confirm: Confirm::No, ..touch(&rotated, now) }]).await?;
    equal("the namesake", &bench.reread(&of_ada).await?, &of_ada)?;
    bench.end(&ada, Scope::Device(of_ada.guid)).await?;
    bench.is_gone(&ada, of_ada.guid).await?;
    bench.only_these_live(&bob, &[of_bob.guid]).await
}

/// L32: a store that does not join the users table "says `NotAsked`".
pub(super) async fn l32_without_users_nobody_is_asked(bench: &Bench) -> Verdict {
    if bench.users.is_some() {
        return Err(Violation::NotApplicable("the store joins a users table"));
    }
    let row = bench.sign_in(&user("ada")?).await?;
    for (user, guid) in [(&row.user, row.guid), (&user("eve")?, Guid::random())] {
        let state = bench.store.lookup(user, guid).await?.user;
        ensure!(matches!(state, UserState::NotAsked), "no users table, and it says {state:?}");
    }
    Ok(())
}

/// L32: "A store that joins the users table says `Active` with the chosen columns, or `Inactive`
/// for an absent or inactive user", as of the lookup's own instant.
pub(super) async fn l32_joined_users_are_as_they_are_now(bench: &Bench) -> Verdict {
    let ada = user("ada")?;
    let active = |name: &str| Standing::Active { name: name.to_owned() };
    bench.stand(&ada, active("Ada")).await?;
    let row = bench.sign_in(&ada).await?;
    let stages = [
        active("Ada L. 🦀 \"'{}"),
        Standing::Locked,
        active("Ada"),
        Standing::Absent,
        active("Ada again"),
    ];
    for standing in stages {
        bench.stand(&ada, standing.clone()).await?;
        // With a session, and without one.
        for guid in [row.guid, Guid::random()] {
            stands_as(bench, &ada, guid, &standing).await?;
        }
        stands_as(bench, &user("stranger")?, row.guid, &Standing::Absent).await?;
        equal("the session meanwhile", &bench.reread(&row).await?, &row)?;
    }
    Ok(())
}

async fn stands_as(bench: &Bench, user: &UserId, guid: Guid, standing: &Standing) -> Verdict {
    match (standing, bench.store.lookup(user, guid).await?.user) {
        (Standing::Active { name }, UserState::Active(Some(data))) => {
            let data: serde_json::Value = data.get().map_err(broken)?;
            equal("the user's name", &data["name"], &serde_json::json!(name))
        }
        (Standing::Locked | Standing::Absent, UserState::Inactive) => Ok(()),
        (_, state) => Err(broken(format!("a user who is {standing:?} is {state:?} to the store"))),
    }
}
