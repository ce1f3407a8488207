//! Races over HTTP: what is promised holds whoever comes first (`docs/scheme.md`).

use std::{collections::BTreeSet, time::Duration};

use logout_all::{DeviceLimit, Grace};
use tokio::sync::Notify;

use super::{
    Outcome, Violation, ensure, ensure_eq,
    answer::Answer,
    site::{PASSWORD, Site},
    token::Jwt,
};
use crate::counted::Verb;

/// Runs them all at once, on this task.
async fn at_once<T>(
    futures: Vec<impl Future<Output = Result<T, Violation>>>,
) -> Result<Vec<T>, Violation> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, outcome) in &mut running {
            if outcome.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(done) => *outcome = Some(done),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, outcome)| outcome).collect()
}

/// "All clients that share one token get the same successor, however many renew at once."
pub(super) async fn sixty_four_renewals_have_one_successor(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let renewals = (0..64).map(|_| site.renew(&device.token)).collect();
    let mut ids = BTreeSet::new();
    let mut rules = Vec::new();
    let mut newest = String::new();
    for answer in at_once(renewals).await? {
        answer.status(200)?;
        let rule = answer.response.all("Session-Renewal").collect::<String>();
        rules.push(rule);
        newest = site.granted(&answer, &device.token)?.token;
        ids.insert(Jwt::read(&newest)?.ref_tok_id().to_owned());
    }
    ensure_eq!(ids.len(), 1, "successors among 64 answers");
    ensure_eq!(rules.iter().filter(|rule| *rule == "rotated").count(), 1, "rotations: {rules:?}");
    ensure!(rules.iter().all(|rule| rule == "rotated" || rule == "replayed"), "{rules:?}");
    site.expect_alive(&newest).await
}

/// "A renewal under way: succeeds before the logout or is denied after it; it never brings a
/// session back." Here a client renews in a loop.
pub(super) async fn no_renewal_survives_a_logout(site: &Site) -> Outcome {
    const SHORT: Duration = Duration::from_millis(1);
    let site = &site
        .fresh_with(|builder| {
            builder.min_renewal_interval(3 * SHORT).grace(Grace::of(SHORT)).window(SHORT)
        })
        .await?;
    let user = site.user().await?;
    for _ in 0..4 {
        let (killer, victim) = (site.sign_in(&user).await?, site.sign_in(&user).await?);
        let under_way = Notify::new();
        let renewing = async {
            let mut tokens = vec![victim.token.clone()];
            loop {
                let answer = site.renew(&tokens[tokens.len() - 1]).await?;
                if answer.response.status() != 200 {
                    answer.problem("session-ended")?;
                    return Ok::<_, Violation>(tokens);
                }
                let last = tokens[tokens.len() - 1].clone();
                tokens.push(site.granted(&answer, &last)?.token);
                under_way.notify_one();
            }
        };
        let logout = async {
            under_way.notified().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            site.ask(&killer.token, "DELETE", "/auth/sessions").await?.status(200).map(drop)
        };
        let (tokens, ()) = tokio::try_join!(renewing, logout)?;
        ensure!(tokens.len() > 1, "the loop renewed nothing");
        for token in tokens.iter().rev().take(3) {
            site.expect_denied(token, "session-ended").await?;
            site.renew(token).await?.problem("session-ended")?;
        }
    }
    Ok(())
}

/// The same with the swap itself held back until the logout is over.
pub(super) async fn a_rotation_that_comes_too_late_is_lost(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, victim) = site.device().await?;
    let killer = site.sign_in(&user).await?;
    let held = site.accesses().hold(Verb::Rotate);
    let renewal = site.renew(&victim.token);
    let logout = async {
        held.reached().await;
        let answer = site.ask(&killer.token, "DELETE", "/auth/sessions").await;
        held.release();
        answer?.status(200).map(drop)
    };
    let (renewal, logout) = tokio::join!(renewal, logout);
    logout?;
    renewal?.problem("session-ended")?.without("Set-Cookie")?;
    site.expect_denied(&victim.token, "session-ended").await?;
    let device = site.sign_in(&user).await?;
    ensure_eq!(site.listed(&device.token).await?, [device.guid.to_string()], "devices");
    Ok(())
}

/// "Activity that is still to be written down: changes rows that are there, and creates none."
pub(super) async fn a_touch_that_comes_too_late_revives_nothing(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, victim) = site.device().await?;
    let killer = site.sign_in(&user).await?;
    let held = site.accesses().hold(Verb::Touch);
    site.expect_alive(&victim.token).await?;
    held.reached().await;
    let target = format!("/auth/sessions/{}", victim.guid);
    site.ask(&killer.token, "DELETE", &target).await?.status(204)?;
    held.release();
    site.sessions().shutdown().await;
    site.expect_denied(&victim.token, "session-ended").await?;
    ensure_eq!(site.listed(&killer.token).await?, [killer.guid.to_string()], "devices");
    Ok(())
}

/// "A login under way: fails with `login-overtaken`": each of many is signed in or overtaken, and
/// none that was answered before the logout began is alive after it.
pub(super) async fn logins_race_with_a_logout(site: &Site) -> Outcome {
    let user = site.user().await?;
    let killer = site.sign_in(&user).await?;
    let early = site.login(&user).await?;
    let logins: Vec<_> =
        (0..6).map(|_| site.send(site.login_request(&user.name, PASSWORD))).collect();
    let logout = site.ask(&killer.token, "DELETE", "/auth/sessions");
    let (logins, logout) = tokio::join!(at_once(logins), logout);
    logout?.status(200)?;
    site.expect_denied(&early.token, "session-ended").await?;
    let mut alive = 0;
    for login in logins? {
        if login.response.status() == 409 {
            login.problem("login-overtaken")?.without("Set-Cookie")?;
            continue;
        }
        let granted = site.granted(&login, "")?;
        alive += usize::from(site.show(&granted.token).await?.response.status() == 200);
    }
    let last = site.sign_in(&user).await?;
    ensure_eq!(site.listed(&last.token).await?.len(), alive + 1, "devices that are alive");
    Ok(())
}

/// "**The device limit** is enforced in the same transaction as the insert."
pub(super) async fn parallel_logins_keep_the_device_limit(site: &Site) -> Outcome {
    let site = &site.fresh_with(|b| b.device_limit(DeviceLimit::Evict(3))).await?;
    let user = site.user().await?;
    let logins = (0..8).map(|_| site.send(site.login_request(&user.name, PASSWORD))).collect();
    let answers: Vec<Answer> = at_once(logins).await?;
    let mut alive = Vec::new();
    for answer in &answers {
        let granted = site.granted(answer, "")?;
        if site.show(&granted.token).await?.response.status() == 200 {
            alive.push(granted.token);
        }
    }
    ensure_eq!(alive.len(), 3, "devices alive of 8 logins");
    ensure_eq!(site.listed(&alive[0]).await?.len(), 3, "devices listed");
    Ok(())
}

/// "Every ending is idempotent": two devices log everything out at once.
pub(super) async fn two_logouts_at_once_both_succeed(site: &Site) -> Outcome {
    let user = site.user().await?;
    let (one, two) = (site.sign_in(&user).await?, site.sign_in(&user).await?);
    let answers = tokio::join!(
        site.ask(&one.token, "DELETE", "/auth/sessions"),
        site.ask(&two.token, "DELETE", "/auth/sessions")
    );
    let mut ended = 0;
    for answer in [answers.0?, answers.1?] {
        // Whoever comes second may find its own session gone.
        if answer.response.status() == 200 {
            ended += answer.json()?["ended"].as_u64().unwrap_or_default();
        } else {
            answer.problem("session-ended")?;
        }
    }
    ensure_eq!(ended, 2, "how many ended in all");
    site.expect_denied(&one.token, "session-ended").await?;
    site.expect_denied(&two.token, "session-ended").await
}
