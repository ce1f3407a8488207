//! Renewal, R1 to R3 (`docs/scheme.md`, "Renewal"): the rule in `Session-Renewal`, and the column
//! `Set-Cookie`.

use std::time::Duration;

use logout_all::{AppClaims, AuthError, ClaimsSource, Grace, Mode, Recovery, UserData, UserId};

use super::{
    Outcome, Violation, ensure, ensure_eq,
    answer::Answer,
    site::{Device, Granted, Site, cookie_set},
    token::Jwt,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// The column `Set-Cookie` of the table.
fn expect_cookie(site: &Site, answer: &Answer, wanted: Option<&str>) -> Outcome {
    let wanted = wanted.filter(|_| site.by_cookie());
    let found = cookie_set(answer).map(|(token, _)| token);
    ensure_eq!(found.as_deref(), wanted, "the cookie that a renewal sets");
    Ok(())
}

/// Renews and wants that rule, with or without a cookie.
async fn renewed(
    site: &Site,
    token: &str,
    rule: &str,
    cookie: CookieNews,
) -> Result<Granted, Violation> {
    let answer = site.renew(token).await?;
    answer.status(200)?.header("Session-Renewal", rule)?;
    let granted = site.granted(&answer, token)?;
    let set = (cookie == CookieNews::Set).then_some(granted.token.as_str());
    expect_cookie(site, &answer, set)?;
    Ok(granted)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CookieNews {
    Set,
    Unchanged,
}

use CookieNews::{Set, Unchanged};

/// R1: "the current token, and its last rotation, recovery or re-mint is at least the minimum
/// renewal interval ago (a login is none of these): new token, new refTokID"; Set-Cookie yes.
pub(super) async fn r1_the_current_token_is_rotated(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let first = Jwt::read(&device.token)?;
    let second = renewed(site, &device.token, "rotated", Set).await?;
    ensure!(second.jwt()?.ref_tok_id() != first.ref_tok_id(), "refTokID is new");
    ensure_eq!(second.jwt()?.text("guid"), device.guid.to_string(), "guid");
    ensure_eq!(second.document["evicted"], serde_json::json!([]), "evicted");
    ensure!((3595..=3600).contains(&second.seconds("expires_in")), "{}", second.document);
    ensure!((2875..=2880).contains(&second.seconds("renew_after")), "{}", second.document);
    site.advance(61 * SECOND);
    let third = renewed(site, &second.token, "rotated", Set).await?;
    ensure!(third.jwt()?.ref_tok_id() != second.jwt()?.ref_tok_id(), "refTokID is new");
    site.expect_alive(&third.token).await
}

/// R1c: "the current token, within the interval: the row's token again"; no cookie.
pub(super) async fn r1c_a_renewal_too_soon_is_coalesced(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let second = renewed(site, &device.token, "rotated", Set).await?;
    site.advance(50 * SECOND);
    let again = renewed(site, &second.token, "coalesced", Unchanged).await?;
    ensure_eq!(again.token, second.token, "the row's token, byte for byte");
    let left = again.seconds("expires_in");
    ensure!((3540..=3550).contains(&left), "`expires_in` is what is left, not {left}");
    let due = again.seconds("renew_after");
    ensure!((2820..=2830).contains(&due), "`renew_after` counts from now, not {due}");
    site.advance(11 * SECOND);
    renewed(site, &second.token, "rotated", Set).await.map(drop)
}

/// R1c: Set-Cookie "only if the presented one is past its `exp`": its client would go on with the
/// expired one.
pub(super) async fn r1c_replaces_an_expired_copy(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let lost = site.renewed(&device.token, "rotated").await?;
    site.advance(2 * HOUR);
    let recovered = renewed(site, &device.token, "recovered", Set).await?;
    ensure_eq!(recovered.jwt()?.ref_tok_id(), lost.jwt()?.ref_tok_id(), "refTokID");
    let again = renewed(site, &lost.token, "coalesced", Set).await?;
    ensure_eq!(again.token, recovered.token, "the row's token, byte for byte");
    site.expect_alive(&again.token).await
}

/// R2: "the direct predecessor, and the rotation is younger than the grace …: the successor that is
/// there already"; "with HS256, `EdDSA` and RS256 the bytes are the same too"; Set-Cookie yes.
pub(super) async fn r2_a_second_renewal_is_replayed(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let successor = site.renewed(&device.token, "rotated").await?;
    for _ in 0..3 {
        let replayed = renewed(site, &device.token, "replayed", Set).await?;
        ensure_eq!(replayed.token, successor.token, "the successor, byte for byte");
        site.advance(3 * SECOND);
    }
    site.expect_alive(&successor.token).await
}

/// R2: "**or** the successor was first seen less than the window ago": a tab that slept through the
/// rotation.
pub(super) async fn r2_counts_from_when_the_successor_was_first_seen(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let successor = site.renewed(&device.token, "rotated").await?;
    site.advance(600 * SECOND);
    site.expect_alive(&successor.token).await?;
    site.advance(9 * SECOND);
    let replayed = renewed(site, &device.token, "replayed", Set).await?;
    ensure_eq!(replayed.token, successor.token, "the successor, byte for byte");
    Ok(())
}

/// "With `Grace::none()` … a renewal with it still works within the window, or until the successor
/// was seen."
pub(super) async fn r2_holds_without_grace(site: &Site) -> Outcome {
    let site = &site.fresh_with(|builder| builder.grace(Grace::none()).mode(Mode::Strict)).await?;
    let (_, device) = site.device().await?;
    let successor = site.renewed(&device.token, "rotated").await?;
    site.expect_alive(&successor.token).await?;
    let replayed = renewed(site, &device.token, "replayed", Set).await?;
    ensure_eq!(replayed.token, successor.token, "the successor, byte for byte");
    Ok(())
}

/// "A token that would be spent gets fresh times instead."
pub(super) async fn r2_never_hands_out_a_spent_token(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let successor = site.renewed(&device.token, "rotated").await?;
    site.advance(3595 * SECOND);
    site.expect_alive(&successor.token).await?;
    site.advance(6 * SECOND);
    site.expect_denied(&successor.token, "token-expired").await?;
    let replayed = renewed(site, &device.token, "replayed", Set).await?;
    ensure_eq!(replayed.jwt()?.ref_tok_id(), successor.jwt()?.ref_tok_id(), "one successor");
    ensure!(replayed.seconds("expires_in") >= 3595, "{}", replayed.document);
    site.expect_alive(&replayed.token).await
}

/// R3: "the direct predecessor, later, and **nobody has shown the successor**: the answer was lost:
/// the successor with fresh times"; Set-Cookie yes.
pub(super) async fn r3_a_lost_answer_is_recovered(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let lost = site.renewed(&device.token, "rotated").await?;
    for pause in [30 * SECOND, HOUR, 24 * HOUR] {
        site.advance(pause);
        let recovered = renewed(site, &device.token, "recovered", Set).await?;
        ensure_eq!(recovered.jwt()?.ref_tok_id(), lost.jwt()?.ref_tok_id(), "one successor");
        ensure!(recovered.seconds("expires_in") >= 3595, "{}", recovered.document);
    }
    let recovered = site.renewed(&device.token, "recovered").await?;
    site.expect_alive(&recovered.token).await
}

/// "`Within(d)` ends it `d` after the rotation; with `Never` one lost answer is theft."
pub(super) async fn r3_can_be_narrowed(site: &Site) -> Outcome {
    let never = site.fresh_with(|builder| builder.recovery(Recovery::Never)).await?;
    let within =
        site.fresh_with(|b| b.recovery(Recovery::Within(Duration::from_mins(2)))).await?;
    for (site, pauses) in [(&never, &[30_u32][..]), (&within, &[100, 30])] {
        let (_, device) = site.device().await?;
        site.renewed(&device.token, "rotated").await?;
        for (at, pause) in pauses.iter().enumerate() {
            site.advance(SECOND * *pause);
            if at + 1 < pauses.len() {
                site.renewed(&device.token, "recovered").await?;
            } else {
                site.renew(&device.token).await?.problem("session-ended")?;
            }
        }
    }
    Ok(())
}

/// "A renewal accepts a validly signed token also past its `exp`: the row decides."
pub(super) async fn an_expired_token_is_renewed(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    site.advance(13 * 24 * HOUR);
    site.expect_denied(&device.token, "token-expired").await?;
    let renewed = renewed(site, &device.token, "rotated", Set).await?;
    site.expect_alive(&renewed.token).await
}

/// "Renewal never extends a session, and `exp` never goes past, the absolute limit"; `renew_after`
/// is "never past the end of the session".
pub(super) async fn no_renewal_outlives_the_absolute_limit(site: &Site) -> Outcome {
    let site = &site
        .fresh_with(|b| b.idle(Duration::from_hours(2)).absolute(Duration::from_hours(3)))
        .await?;
    let (_, Device { mut token, .. }) = site.device().await?;
    for _ in 0..5 {
        site.advance(HOUR / 2);
        token = site.renewed(&token, "rotated").await?.token;
    }
    let last = site.show(&token).await?.json()?;
    ensure!(last["renew_after"].as_u64().unwrap_or(u64::MAX) <= 1800, "{last}");
    let jwt = Jwt::read(&token)?;
    let left = jwt.number("exp") - jwt.number("iat");
    ensure!((1790..=1800).contains(&left), "half an hour is left, and the token has {left} s");
    site.advance(HOUR / 2);
    site.expect_denied(&token, "token-expired").await?;
    site.renew(&token).await?.problem("session-ended")?.without("Session-Renewal").map(drop)
}

struct AlwaysAdmin;

impl ClaimsSource for AlwaysAdmin {
    async fn claims(&self, _: &UserId, _: Option<&UserData>) -> Result<AppClaims, AuthError> {
        Ok(AppClaims::from_value(&serde_json::json!({ "role": "admin" }))?)
    }
}

/// "With a `ClaimsSource` the new token's claims are made afresh … Without one they are copied from
/// the presented token."
pub(super) async fn claims_come_from_their_source(site: &Site) -> Outcome {
    let with_source = site.fresh_with(|builder| builder.claims_source(AlwaysAdmin)).await?;
    for (site, role) in [(site, "tester"), (&with_source, "admin")] {
        let (_, device) = site.device().await?;
        let renewed = site.renewed(&device.token, "rotated").await?;
        ensure_eq!(renewed.jwt()?.text("role"), role, "the claim in the token");
        let session = site.show(&renewed.token).await?.json()?;
        ensure_eq!(session["claims"], serde_json::json!({ "role": role }), "the claims shown");
        let replayed = site.renewed(&device.token, "replayed").await?;
        ensure_eq!(replayed.token, renewed.token, "the successor, byte for byte");
    }
    Ok(())
}

/// "So a request that was sent with the predecessor still finds it the *direct* predecessor when it
/// arrives late": a second tab that renews with the old token is replayed, round after round.
pub(super) async fn late_answers_cost_nobody_the_session(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let mut token = device.token;
    for _ in 0..4 {
        let first = site.renewed(&token, "rotated").await?;
        // A second tab, with the old token, within the window of the first use of the new one.
        site.advance(5 * SECOND);
        site.expect_alive(&first.token).await?;
        site.advance(8 * SECOND);
        let second = site.renewed(&token, "replayed").await?;
        ensure_eq!(second.token, first.token, "both tabs have one token");
        site.renewed(&second.token, "coalesced").await?;
        site.advance(60 * SECOND);
        token = second.token;
    }
    site.expect_alive(&token).await
}
