//! The guards of the application's own routes: extractor, `MaybeSession`, layer; and what an
//! application may answer itself (`docs/http.md`).

use std::time::Duration;

use logout_all::{Denied, Reply};

use super::{
    Outcome, Violation,
    answer::Answer,
    ensure, ensure_eq,
    site::{Site, User, cookie, cookie_set},
    token::Jwt,
};
use crate::client::Request;

const GUARDED: [&str; 3] = ["/me", "/private/report", "/greeting"];

fn names(answer: &Answer, user: &User) -> bool {
    String::from_utf8_lossy(answer.response.body()).contains(&user.name)
}

/// A live session passes, over GET and over unsafe methods; none is `token-missing`.
pub(super) async fn guarded_routes_want_a_session(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    for method in ["GET", "POST"] {
        for target in ["/me", "/private/report"] {
            let answer = site.ask_plainly(method, target).await?;
            answer.problem("token-missing")?.without("Set-Cookie")?;
            site.ask(&device.token, method, target).await?.status(200)?.without("Set-Cookie")?;
        }
    }
    let me = site.ask(&device.token, "GET", "/me").await?;
    ensure!(names(&me, &user), "{}", me.violates("/me does not name the user"));
    Ok(())
}

/// "`MaybeSession`: the handler runs, `None`"; with a bad token "refused: an outage or a dead
/// session is no guest".
pub(super) async fn a_guest_is_who_presents_nothing(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    for method in ["GET", "POST"] {
        let guest = site.ask_plainly(method, "/greeting").await?;
        guest.status(200)?;
        let known = site.ask(&device.token, method, "/greeting").await?;
        known.status(200)?;
        ensure!(names(&known, &user), "{}", known.violates("the user is not greeted"));
        site.ask("garbage", method, "/greeting").await?.problem("token-invalid")?;
    }
    site.sessions().logout_token(device.token.as_bytes()).await?;
    site.ask(&device.token, "GET", "/greeting").await?.problem("session-ended").map(drop)
}

/// Every denial looks the same behind each guard, challenge and caching included.
pub(super) async fn every_guard_denies_alike(site: &Site) -> Outcome {
    let site = &site.fresh_with(|builder| builder.realm("My App")).await?;
    let (user, device) = site.device().await?;
    let ended = site.sign_in(&user).await?;
    site.sessions().logout_token(ended.token.as_bytes()).await?;
    let denied = async |site: &Site, token: &str, code: &str| -> Outcome {
        for target in GUARDED.into_iter().chain(["/auth/session"]) {
            let answer = site.ask(token, "GET", target).await?;
            answer.problem_in("My App", code)?.without("Set-Cookie")?;
        }
        Ok(())
    };
    denied(site, "garbage", "token-invalid").await?;
    denied(site, &ended.token, "session-ended").await?;
    let successor = site.renewed(&device.token, "rotated").await?;
    site.advance(Duration::from_secs(30));
    denied(site, &device.token, "token-superseded").await?;
    site.advance(Duration::from_hours(1));
    denied(site, &successor.token, "token-expired").await
}

/// "`renew_after` is 0: the handler runs, the renewed cookie is set on its response"; "past its
/// `exp`: renewed first; the handler sees the session by the new token".
pub(super) async fn a_page_load_renews_in_passing(site: &Site) -> Outcome {
    let site = &site.fresh_with(logout_all::SessionsBuilder::renew_in_passing).await?;
    let (_, device) = site.device().await?;
    let load = async |token: &str, site_of: &str| -> Result<Answer, Violation> {
        let request = Request::new("GET", "/private/report").header("Cookie", cookie(token));
        site.send(request.header("Sec-Fetch-Site", site_of)).await
    };
    load(&device.token, "same-origin").await?.status(200)?.without("Set-Cookie")?;
    site.advance(Duration::from_mins(50));
    load(&device.token, "cross-site").await?.status(200)?.without("Set-Cookie")?;
    let answer = load(&device.token, "same-origin").await?;
    answer.status(200)?.header("Cache-Control", "no-store")?;
    let (token, _) = cookie_set(&answer).ok_or_else(|| answer.violates("expected a cookie"))?;
    site.expect_alive(&token).await?;
    // Two tabs: the second load with the old cookie gets the same one.
    let again = cookie_set(&load(&device.token, "none").await?).unwrap_or_default().0;
    ensure!(again == token, "two loads get two tokens");

    site.advance(Duration::from_hours(2));
    load(&token, "cross-site").await?.problem("token-expired")?.without("Set-Cookie")?;
    let answer = load(&token, "same-origin").await?;
    answer.status(200)?;
    let (newest, _) = cookie_set(&answer).ok_or_else(|| answer.violates("expected a cookie"))?;
    site.expect_alive(&newest).await
}

/// "The page that brought the successor was lost: the successor is handed out again, and the handler
/// sees the session by it"; "superseded otherwise: `token-superseded`; a late page load ends nothing".
pub(super) async fn a_lost_page_is_made_good_and_a_late_one_is_not(site: &Site) -> Outcome {
    let site = &site.fresh_with(logout_all::SessionsBuilder::renew_in_passing).await?;
    let (_, device) = site.device().await?;
    let load = || site.ask(&device.token, "GET", "/private/report");
    site.advance(Duration::from_mins(50));
    let lost = cookie_set(load().await?.status(200)?).unwrap_or_default().0;
    site.advance(Duration::from_mins(2));
    let again = cookie_set(load().await?.status(200)?).unwrap_or_default().0;
    let (lost, found) = (Jwt::read(&lost)?, Jwt::read(&again)?);
    ensure_eq!(found.ref_tok_id(), lost.ref_tok_id(), "one successor");
    site.expect_alive(&again).await?;

    site.advance(Duration::from_mins(2));
    load().await?.problem("token-superseded")?.without("Set-Cookie")?;
    site.expect_alive(&again).await
}

/// "Otherwise: nothing." Without the option no page load sets a cookie; over Bearer none ever does;
/// "extractors alone do not renew".
pub(super) async fn nothing_is_renewed_in_passing_unasked(site: &Site) -> Outcome {
    let plain = site.fresh().await?;
    let passing = site.fresh_with(logout_all::SessionsBuilder::renew_in_passing).await?;
    for (site, applies) in [(plain, true), (passing, !site.by_cookie())] {
        let (_, device) = site.device().await?;
        site.advance(Duration::from_mins(50));
        for target in ["/private/report", "/me"] {
            let answer = site.ask(&device.token, "GET", target).await?;
            answer.status(200)?;
            if applies || target == "/me" {
                answer.without("Set-Cookie")?;
            }
        }
    }
    Ok(())
}

/// "`on_denied(…)` lets your *own* routes answer page loads with a page or a redirect"; "it is
/// never asked on the library's routes, for a store failure or for a mistake of the application".
pub(super) async fn the_application_may_answer_denials_itself(site: &Site) -> Outcome {
    let site = &site
        .fresh_with(|builder| {
            builder.on_denied(|denied, _| match denied {
                Denied::TokenMissing => Some(Reply::see_other("/sign-in")),
                Denied::SessionEnded => Some(Reply::html(401, "<p>over</p>")),
                _ => None,
            })
        })
        .await?;
    let (_, device) = site.device().await?;
    for target in ["/me", "/private/report"] {
        let answer = site.ask_plainly("GET", target).await?;
        answer.status(303)?.header("Location", "/sign-in")?.no_store()?;
        site.ask("garbage", "GET", target).await?.problem("token-invalid")?;
    }
    site.ask_plainly("GET", "/auth/session").await?.problem("token-missing")?;
    site.without_store(async {
        site.ask(&device.token, "GET", "/me").await?.problem("store-unavailable").map(drop)
    })
    .await?;
    site.sessions().logout_token(device.token.as_bytes()).await?;
    let page = site.ask(&device.token, "GET", "/greeting").await?;
    page.status(401)?.header("Content-Type", "text/html; charset=utf-8")?.no_store()?;
    site.expect_denied(&device.token, "session-ended").await
}
